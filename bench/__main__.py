"""`python -m bench [gas|refunds|verify|tap|all] [--quick] [--check]`: measures, and writes what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from bench import results


def _gas(folder: Path, command: str, quick: bool) -> tuple[str, bool]:
    from bench import gas
    from bench.gas_chart import draw
    from bench.gas_page import gas_page

    document = {"command": command} | gas.measure(quick=quick)
    page = gas_page(document)
    results.write(folder, "gas", document, page)
    draw(document, folder / "gas.png")
    return page, gas.target_met(document)


def _verify(folder: Path, command: str, quick: bool) -> tuple[str, bool]:
    from bench import verify

    document = {"command": command} | verify.measure(quick=quick)
    page = verify.page(document)
    results.write(folder, "verify", document, page)
    return page, verify.target_met(document)


def _tap(folder: Path, command: str, quick: bool) -> tuple[str, bool]:
    from bench import tap

    document = {"command": command} | tap.measure(quick=quick)
    page = tap.page(document)
    results.write(folder, "tap", document, page)
    return page, True


def _refunds(folder: Path, command: str, quick: bool) -> tuple[str, bool]:
    from bench import refunds

    document = {"command": command} | refunds.measure(quick=quick)
    page = refunds.page(document)
    results.write(folder, "refunds", document, page)
    return page, refunds.target_met(document)


BENCHMARKS: Final[dict[str, Callable[[Path, str, bool], tuple[str, bool]]]] = {
    "gas": _gas,
    "refunds": _refunds,
    "verify": _verify,
    "tap": _tap,
}


@click.command()
@click.argument("which", type=click.Choice([*BENCHMARKS, "all"]), default="all")
@click.option("--quick", is_flag=True, help="Smaller counts; writes to out/bench, not to bench/results.")
@click.option("--check", is_flag=True, help="Exit status 1 where a target is missed.")
def main(which: str, quick: bool, check: bool) -> None:
    """Measure gas, refunds, verification and taps; results go to bench/results as JSON and Markdown.

    Exit status: 0 measured, 1 a target missed (with --check), 2 cannot work.
    """
    folder = results.QUICK if quick else results.COMMITTED
    met = True
    for name, run in BENCHMARKS.items():
        if which in (name, "all"):
            command = f"python -m bench {name}" + (" --quick" if quick else "")
            page, this_met = run(folder, command, quick)
            click.echo(page)
            met = met and this_met
    raise SystemExit(0 if met or not check else 1)


if __name__ == "__main__":
    main(prog_name="python -m bench")

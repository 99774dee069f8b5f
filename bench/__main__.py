"""`python -m bench [gas|refunds|verify|tap|ledger|all] [--quick] [--check]`: measures, and writes what came of it."""

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


def _ledger(
    folder: Path, command: str, quick: bool, rides: int | None = None, year: Path | None = None
) -> tuple[str, bool]:
    from bench import ledger
    from bench.ledger_page import ledger_page

    document = {"command": command} | ledger.measure(rides=rides or ledger.RIDES, node=year, quick=quick)
    page = ledger_page(document)
    results.write(folder, "ledger", document, page)
    return page, True


def _pages(folder: Path, command: str, quick: bool, index: Path | None = None) -> tuple[str, bool]:
    from bench import pages

    document = {"command": command} | pages.measure(index, quick=quick)
    page = pages.page(document)
    results.write(folder, "pages", document, page)
    return page, pages.target_met(document)


BENCHMARKS: Final[dict[str, Callable[[Path, str, bool], tuple[str, bool]]]] = {
    "gas": _gas,
    "refunds": _refunds,
    "verify": _verify,
    "tap": _tap,
    "ledger": _ledger,
    "pages": _pages,
}


@click.command()
@click.argument("which", type=click.Choice([*BENCHMARKS, "all"]), default="all")
@click.option("--quick", is_flag=True, help="Smaller counts; writes to out/bench, not to bench/results.")
@click.option("--check", is_flag=True, help="Exit status 1 where a target is missed.")
@click.option("--rides", type=click.IntRange(min=300), help="Of the ledger's year.")
@click.option("--year", type=click.Path(path_type=Path, exists=True), help="Folder of a year whose chain runs already.")
@click.option("--index", type=click.Path(path_type=Path, exists=True), help="Index that the pages are served from.")
def main(which: str, quick: bool, check: bool, rides: int | None, year: Path | None, index: Path | None) -> None:
    """Measure gas, refunds, verification, taps, the ledger and the pages; results go to bench/results.

    Exit status: 0 measured, 1 a target missed (with --check), 2 cannot work.
    """
    folder = results.QUICK if quick else results.COMMITTED
    met = True
    for name, run in BENCHMARKS.items():
        if which in (name, "all"):
            command = f"python -m bench {name}" + (" --quick" if quick else "")
            if name == "ledger":
                command += (f" --rides {rides}" if rides else "") + (" --year DIR" if year else "")
                page, this_met = _ledger(folder, command, quick, rides, year)
            elif name == "pages":
                page, this_met = _pages(folder, command + (" --index FILE" if index else ""), quick, index)
            else:
                page, this_met = run(folder, command, quick)
            click.echo(page)
            met = met and this_met
    raise SystemExit(0 if met or not check else 1)


if __name__ == "__main__":
    main(prog_name="python -m bench")

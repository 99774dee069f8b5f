"""`gate-client`: the command line of the gate.

Whatever can't be done is one line on standard error and exit status 2; a traceback is a bug.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate_client.commands import EXIT_CANNOT_WORK, ask_password, fail, print_document
from gate_client.config import load_config
from gate_client.dispute_commands import COMMANDS
from gate_client.errors import ConfigError, GateError, PictureError
from interline.errors import InterlineError
from interline.signatures import to_checksum

if TYPE_CHECKING:
    from gate_client.gate import Answer, Gate

EXIT_ACCEPTED = 0
EXIT_REFUSED = 1

STANDARD_INPUT = "-"


class _Commands(click.Group):
    """Turns everything that can go wrong into one line and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (GateError, InterlineError) as error:
            fail(str(error))
        except sqlite3.Error as error:
            fail(f"the journal: {error}")
        except BrokenPipeError:
            # Who was reading has gone; keep Python from complaining once more on its way out.
            sys.stdout = None
            fail("nobody reads standard output any more")
        except OSError as error:
            fail(f"{error.filename or 'the system'}: {error.strerror or error}")
        except (KeyboardInterrupt, click.Abort):
            fail("interrupted")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("gate.toml"),
    show_default=True,
    envvar="GATE_CONFIG",
    help="The gate's settings.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
@click.pass_context
def main(ctx: click.Context, config_path: Path, verbose: bool) -> None:
    """A metro gate that reads other cities' QR codes, offline, and settles the rides later.

    Exit status 2 always means that the command could not do its work; standard error says why.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr
    )
    ctx.obj = config_path


for command in COMMANDS:
    main.add_command(command)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def sync(config_path: Path, as_json: bool) -> None:
    """Make the trust list from the chain: of the newest Clearinghouse and its predecessors, whichever gate.toml names.

    Never goes back to a list of a lower block. Exit status: 0 done, 2 cannot work.
    """
    from gate_client import output
    from gate_client.chain import Chain
    from gate_client.journal import bound_line
    from gate_client.sync import make_trust_list
    from gate_client.trust_list import load_trust_list, replace_trust_list
    from interline.tariff import load_tariff

    config = load_config(config_path)
    tariff = load_tariff(config.tariff)
    old = load_trust_list(config.trust_list) if config.trust_list.exists() else None
    trust = make_trust_list(Chain(config.rpc, config.clearinghouse), config.operator, tariff, old)
    bound = bound_line(config.journal)
    if bound is not None and not trust.line.meets(bound):
        raise ConfigError(
            f"{config.journal} is the journal of chain {bound.domain.chain_id}, Clearinghouse "
            f"{to_checksum(bound.domain.clearinghouse)}; {to_checksum(trust.domain.clearinghouse)} on chain "
            f"{trust.domain.chain_id} is not of its line: use a new journal for it"
        )
    config.trust_list.parent.mkdir(parents=True, exist_ok=True)
    replace_trust_list(config.trust_list, trust)
    print_document(output.trust_list_document(trust)) if as_json else output.show_trust_list(trust)


@main.command()
@click.option("--direction", type=click.Choice(["entry", "exit"]), required=True, help="Which way through the gate.")
@click.option("--station", type=click.IntRange(1, 0xFFFF), help="Station number, if not that of gate.toml.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per code and line on standard output.")
@click.option("--text", "texts", multiple=True, help="A code's text instead of a picture; - reads standard input.")
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@click.pass_obj
def scan(
    config_path: Path,
    direction: str,
    station: int | None,
    as_json: bool,
    texts: tuple[str, ...],
    images: tuple[str, ...],
) -> None:
    """Read codes from pictures (PNG or JPEG), and answer each: offline, and only once it is journalled.

    With - for an IMAGE, codes come as lines of text from standard input, as a USB scanner types them.

    Exit status: 0 all accepted, 1 something refused, 2 cannot work (a picture that can't be read, too; the others are
    answered all the same).
    """
    from gate_client.gate import Gate, check_trust_list
    from gate_client.journal import Journal
    from gate_client.tap import Direction
    from gate_client.trust_list import TrustListFile

    if not texts and not images:
        raise click.UsageError("expected pictures, --text TEXT, or - for lines from standard input")
    config = load_config(config_path)
    trust = TrustListFile(config.trust_list)
    check_trust_list(trust.current(), operator=config.operator, clearinghouse=config.clearinghouse)
    line = trust.current().line
    with Journal(
        config.journal,
        operator=config.operator,
        domain=line.domain,
        predecessors=line.predecessors,
        called_off=line.called_off,
    ) as journal:
        gate = Gate(
            journal,
            trust,
            direction=Direction(direction),
            station=station or config.station,
            trust_list_max_age=config.trust_list_max_age,
        )
        status = EXIT_ACCEPTED
        for answer in _scan_all(gate, images, texts):
            if answer is None:
                status = EXIT_CANNOT_WORK
                continue
            _print_answer(answer, as_json)
            if not answer.accepted:
                status = max(status, EXIT_REFUSED)
    raise click.exceptions.Exit(status)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--retry-rejected", is_flag=True, help="Send the rejected rides again, too.")
@click.option("--watch", "every", type=click.FloatRange(min=0.05), metavar="SECONDS", help="Stay, and look so often.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for outcomes, without --watch.",
)
@click.pass_obj
def submit(config_path: Path, as_json: bool, retry_rejected: bool, every: float | None, timeout: float) -> None:
    """Settle the rides: pair taps, price them, sign and send batches, and read back what came of each ride.

    Killed at any point and run again, it neither loses nor doubles a ride. With --watch it stays until it is told to
    stop (SIGTERM), and with --json writes a document for every round in which something came in.

    Exit status: 0 all settled or nothing to do, 1 some ride rejected, 2 cannot work or something has to wait.
    """
    from gate_client import session

    config = load_config(config_path)
    key = session.unlock(config, ask_password)
    show = _print_report_json if as_json else _print_report
    if every is not None:
        session.watch(config, key, every=every, retry_rejected=retry_rejected, show=show)
        return
    report = session.submit(config, key, timeout=timeout, retry_rejected=retry_rejected)
    show(report)
    if report.problem:
        fail(report.problem)
    raise click.exceptions.Exit(report.exit_code)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def status(config_path: Path, as_json: bool) -> None:
    """Scans by reason, taps and rides by state, the trust list's age, and what waits. Needs no network.

    Exit status: 0 done, 2 cannot work.
    """
    from gate_client import output
    from gate_client.status import read_status

    document = read_status(load_config(config_path))
    print_document(document) if as_json else output.show_status(document)


def _scan_all(gate: Gate, images: Iterable[str], texts: Iterable[str]) -> Iterator[Answer | None]:
    """The answers one by one, as they come; None for a picture that can't be read."""
    for image in images:
        if image == STANDARD_INPUT:
            yield from _scan_lines(gate)
            continue
        try:
            yield from gate.scan_picture(Path(image))
        except PictureError as error:
            click.echo(f"error: {error}", err=True)
            yield None
    for text in texts:
        if text == STANDARD_INPUT:
            yield from _scan_lines(gate)
        else:
            yield gate.scan_text(text)


def _scan_lines(gate: Gate) -> Iterator[Answer]:
    for line in sys.stdin.buffer:
        yield gate.scan_text(line.decode("utf-8", "surrogateescape"))


def _print_answer(answer: Answer, as_json: bool) -> None:
    from gate_client import answers

    click.echo(answers.to_json(answer) if as_json else answers.to_line(answer))
    sys.stdout.flush()


def _print_report_json(report: Any) -> None:
    print_document(report.to_document())


def _print_report(report: Any) -> None:
    from gate_client import output

    output.show_report(report)

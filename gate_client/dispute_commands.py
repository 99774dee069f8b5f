"""`gate-client answer`, `disputes`, `refund` and `prune`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from gate_client.commands import ask_password, fail, print_document
from gate_client.config import load_config
from gate_client.errors import ConfigError, RefundError
from interline.signatures import to_checksum

TREASURY_PASSWORD = "GATE_TREASURY_PASSWORD"

_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
_near_option = click.option(
    "--near",
    type=click.FloatRange(min=0),
    default=72.0,
    show_default=True,
    metavar="HOURS",
    help="Exit status 1 for what can't be answered and is due within so many hours.",
)
_timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a block that takes it.",
)


class BatchId(click.ParamType):
    """The id of a batch: 0x and 64 hexadecimals."""

    name = "batch"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        if re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", value) is None:
            self.fail(f"expected a batch's id, 0x and 64 hexadecimals, came {value!r}", param, ctx)
        return bytes.fromhex(value.removeprefix("0x"))


@click.command()
@click.option("--dry-run", is_flag=True, help="Try each answer, and send none.")
@click.option("--watch", "every", type=click.FloatRange(min=0.05), metavar="SECONDS", help="Stay, and look so often.")
@_timeout_option
@_near_option
@_json_option
@click.pass_obj
def answer(config_path: Path, dry_run: bool, every: float | None, timeout: float, near: float, as_json: bool) -> None:
    """Answer the disputes of this operator's rides with the codes that riders showed, out of the journal.

    Each answer is checked here before it is sent. Killed at any point and run again, each dispute is answered once.
    With --watch it stays until it is told to stop (SIGTERM), and shows the disputes whenever one has changed.

    Exit status: 0 done, 1 something that is due soon can't be answered, 2 cannot work, or an outcome isn't known yet.
    """
    from gate_client import answer_session, session

    config = load_config(config_path)
    if dry_run:
        if every is not None:
            raise click.UsageError("--dry-run looks once: leave out --watch")
        _finish(answer_session.list_disputes(config, try_answers=True), near, as_json)
        return
    key = session.unlock(config, ask_password)
    if every is not None:
        answer_session.watch(config, key, every=every, show=lambda report: _show(report, as_json))
        return
    _finish(answer_session.answer(config, key, timeout=timeout), near, as_json)


@click.command()
@_near_option
@_json_option
@click.pass_obj
def disputes(config_path: Path, near: float, as_json: bool) -> None:
    """List the disputes of this operator's rides, with deadlines and what can be answered; sends nothing.

    Exit status: 0 done, 1 something that is due soon can't be answered, 2 cannot work.
    """
    from gate_client import answer_session

    _finish(answer_session.list_disputes(load_config(config_path)), near, as_json)


@click.command()
@click.argument("batch_id", type=BatchId(), metavar="BATCH")
@click.argument("index", type=click.IntRange(0, 999))
@click.argument("amount", metavar="FEN|all")
@click.option("--keystore", type=click.Path(path_type=Path), help="The treasury's.")
@click.option(
    "--clearinghouse", metavar="ADDRESS", help="Where it settled, for a ride that settled at two under one batch id."
)
@click.option(
    "--batch",
    "batch_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The batch's bytes, raw or as 0x and digits, where neither the journal nor the node has them.",
)
@click.option("--again", is_flag=True, help="Though something of this ride was refunded before.")
@click.option("--dry-run", is_flag=True, help="Try it and say what it takes; sends nothing.")
@click.option("--calldata", is_flag=True, help="Print to and data, for an account that signs elsewhere; sends nothing.")
@_timeout_option
@_json_option
@click.pass_obj
def refund(
    config_path: Path,
    batch_id: bytes,
    index: int,
    amount: str,
    keystore: Path | None,
    clearinghouse: str | None,
    batch_file: Path | None,
    again: bool,
    dry_run: bool,
    calldata: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Give back FEN of the fare of ride INDEX of BATCH to the rider's home city, or all that is left of it.

    The operator's treasury alone can: the password of its keystore comes from GATE_TREASURY_PASSWORD, or is asked for.
    A Safe or a hardware account signs what --calldata prints.

    Exit status: 0 done, 2 cannot work; then nothing was refunded, or the message says what may have been.
    """
    from gate_client import dispute_output
    from gate_client.refund_session import open_refund
    from gate_client.refunding import send_refund
    from interline.batch_source import read_batch_files, require_batch
    from interline.settings import contract_address

    config = load_config(config_path)
    if not (dry_run or calldata) and keystore is None:
        raise click.UsageError("expected --keystore, --dry-run or --calldata")
    house = None if clearinghouse is None else contract_address(clearinghouse, Path())
    given = read_batch_files([] if batch_file is None else [batch_file])
    require_batch(given, batch_id)
    chain, planned = open_refund(config, batch_id, index, _fen(amount), given=given, clearinghouse=house)
    if planned.before and not (again or dry_run):
        raise RefundError(
            f"{planned.before} fen of this ride were refunded before; give --again to refund {planned.call.amount} more"
        )
    if calldata:
        to, data = chain.refund_call(planned.call)
        sender = to_checksum(planned.treasury)
        print_document({"from": sender, "to": to_checksum(to), "value": 0, "data": "0x" + data.hex()})
        return
    tx = gas = None
    if dry_run:
        gas = chain.refund_gas(planned.treasury, planned.call)
    else:
        assert keystore is not None
        tx = send_refund(chain, _treasury_key(keystore), planned, timeout=timeout)
    if as_json:
        print_document(dispute_output.refund_document(planned, gas=gas, tx=tx))
    else:
        dispute_output.show_refund(planned, gas=gas, tx=tx)


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be deleted.")
@_json_option
@click.pass_obj
def prune(config_path: Path, dry_run: bool, as_json: bool) -> None:
    """Delete codes of taps and scans that nobody can ask for any more, by the times of the last sync.

    Never those of rides that haven't settled, or whose dispute can still be answered: run answer or disputes before.
    Needs no network.

    Exit status: 0 done, 2 cannot work.
    """
    from gate_client import dispute_output
    from gate_client.journal import Journal, require_journal
    from gate_client.pruning import prune as prune_journal
    from gate_client.trust_list import load_trust_list

    config = load_config(config_path)
    require_journal(config.journal, config.trust_list)
    trust = load_trust_list(config.trust_list)
    line = trust.line
    with Journal(
        config.journal,
        operator=config.operator,
        domain=line.domain,
        predecessors=line.predecessors,
        called_off=line.called_off,
    ) as journal:
        pruned = prune_journal(journal, trust, dry_run=dry_run)
    if as_json:
        print_document(dispute_output.pruned_document(pruned, dry_run=dry_run))
    else:
        dispute_output.show_pruned(pruned, dry_run=dry_run)


COMMANDS = (answer, disputes, refund, prune)


def _finish(report: Any, near: float, as_json: bool) -> None:
    _show(report, as_json)
    if report.problem:
        fail(report.problem)
    raise click.exceptions.Exit(report.exit_code(int(near * 3_600)))


def _show(report: Any, as_json: bool) -> None:
    from gate_client import dispute_output

    if as_json:
        print_document(dispute_output.report_document(report))
    else:
        dispute_output.show_report(report)


def _fen(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or not text.isascii():
        raise click.UsageError(f"expected an amount in fen, or all, came {text!r}")
    return int(text)


def _treasury_key(keystore: Path) -> bytes:
    from interline.keystores import load_keystore

    if not keystore.exists():
        raise ConfigError(f"{keystore}: no such keystore; correct --keystore")
    password = os.environ.get(TREASURY_PASSWORD)
    return load_keystore(keystore, ask_password(keystore, TREASURY_PASSWORD) if password is None else password)

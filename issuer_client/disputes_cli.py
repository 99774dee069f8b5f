"""`issuer-client dispute`, `disputes` and `claim`: what a home city asks of rides that settled on its tickets."""

import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from interline.keystores import load_keystore
from interline.signatures import address_of, to_checksum
from issuer_client.commands import EXIT_REFUSED, configuration, counted, print_json, print_table
from issuer_client.config import IssuerConfig
from issuer_client.dispute_output import (
    CASE_COLUMNS,
    CLAIM_COLUMNS,
    INTENT_COLUMNS,
    call_document,
    case_document,
    case_row,
    cases_document,
    claim_document,
    claim_row,
    intent_document,
    intent_row,
    refused_document,
)
from issuer_client.disputing import CaseState, Claim, Disputes, Intent
from issuer_client.errors import ChainError, ChainRefusalError, ChainUnavailableError, ConfigError, DisputeRefusedError
from issuer_client.feed import Feed
from issuer_client.feed_reading import FeedReader
from issuer_client.office import city_files
from issuer_client.register import TicketRegister
from issuer_client.rides_cli import open_chain, rpc_option
from issuer_client.watching import watch

if TYPE_CHECKING:
    from issuer_client.chain import Chain

PASSWORD_VARIABLE: Final = "ISSUER_TREASURY_PASSWORD"
BLOCK_PATIENCE: Final = 120.0
"""Seconds to wait for a block that takes a transaction."""
POLL: Final = 0.2

keystore_option = click.option(
    "--keystore", type=click.Path(path_type=Path), help="The treasury's, in place of the settings' `treasury_keystore`."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
calldata_option = click.option(
    "--calldata", is_flag=True, help="Print what a Safe or a hardware account has to sign; send nothing."
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


@click.command("dispute")
@click.argument("batch_id", type=BatchId(), metavar="BATCH")
@click.argument("indices", type=click.IntRange(0, 999), nargs=-1, required=True, metavar="INDEX...")
@click.option("--dry-run", is_flag=True, help="Say what it takes and what is at stake; send nothing.")
@calldata_option
@keystore_option
@rpc_option
@json_option
@click.pass_context
def dispute(
    ctx: click.Context,
    batch_id: bytes,
    indices: tuple[int, ...],
    dry_run: bool,
    calldata: bool,
    keystore: Path | None,
    rpc: str | None,
    as_json: bool,
) -> None:
    """Ask for the evidence of settled rides: those with INDEX in BATCH, as `rides` lists them. A ride once.

    An answer in time upholds the ride, and the city pays the operator a fee; without one, `claim` gets the fare back.
    The city's treasury alone can ask: its keystore's password comes from ISSUER_TREASURY_PASSWORD, or is asked for.

    Exit status: 0 done; 1 some ride can't be disputed, the others are; 2 cannot work.
    """
    config = configuration(ctx)
    key = None if dry_run or calldata else _treasury_key(config, keystore)
    chain = open_chain(config, rpc)
    treasury = chain.treasury(config.city)
    if key is not None and address_of(key) != treasury:
        raise ConfigError(
            f"treasury_keystore: expected the key of {to_checksum(treasury)}, the treasury of {config.city}, came that "
            f"of {to_checksum(address_of(key))}; name its keystore, or use --calldata"
        )
    disputes = Disputes(config.city, chain)
    batch = disputes.batch(batch_id)
    now = chain.head().time
    documents, calls = [], []
    for index in dict.fromkeys(indices):
        try:
            intent = disputes.intend(batch, index, now)
        except (DisputeRefusedError, ChainRefusalError) as error:
            documents.append(refused_document(index, str(error)))
            continue
        calls.append(call_document(intent.call, treasury))
        if key is None:
            documents.append(intent_document(intent, state="would_dispute", tx=None, problem=None))
        else:
            documents.append(_opened(chain, disputes, intent, key))
    if calldata:
        print_json({"batch_id": f"0x{batch_id.hex()}", "transactions": calls})
    elif as_json:
        print_json({"issuer": config.city, "batch_id": f"0x{batch_id.hex()}", "disputes": documents})
    else:
        print_table(f"Disputes in batch 0x{batch_id.hex()}", INTENT_COLUMNS, [*map(intent_row, documents)])
    if _say_problems(documents):
        ctx.exit(EXIT_REFUSED)


@click.command("disputes")
@rpc_option
@json_option
@click.pass_context
def list_disputes(ctx: click.Context, rpc: str | None, as_json: bool) -> None:
    """List the rides on this city's tickets that were disputed or refunded, with deadlines, from the chain.

    Exit status: 0 done; 2 cannot work.
    """
    config = configuration(ctx)
    disputes = Disputes(config.city, open_chain(config, rpc))
    head, cases = disputes.cases()
    documents = [case_document(known, disputes.ride(known), head.time) for known in cases]
    if as_json:
        print_json(cases_document(config.city, head, documents))
        return
    print_table(
        f"{counted(len(documents), 'ride')} on tickets of {config.city} disputed or refunded",
        CASE_COLUMNS,
        [*map(case_row, documents)],
    )
    if claimable := sum(known.state is CaseState.CLAIMABLE for known in cases):
        click.echo(
            f"{counted(claimable, 'dispute')} without an answer in time: issuer-client claim gets the fares back."
        )


@click.command("claim")
@click.option("--dry-run", is_flag=True, help="Say what could be claimed; send nothing.")
@calldata_option
@click.option("--watch", "every", type=click.FloatRange(min=0.05), metavar="SECONDS", help="Stay, and look so often.")
@keystore_option
@rpc_option
@json_option
@click.pass_context
def claim(
    ctx: click.Context,
    dry_run: bool,
    calldata: bool,
    every: float | None,
    keystore: Path | None,
    rpc: str | None,
    as_json: bool,
) -> None:
    """Get fares back: of disputes without an answer in time, and of rides on tickets that were revoked in time.

    Anyone's key may claim; the fare goes to this city. In time is more than the grace before the ride began; such rides
    are found by bringing the feed (`rides`) up to date.
    With --watch it stays until it is told to stop (SIGTERM), and tells of every round in which something was claimed.

    Exit status: 0 done, or nothing to claim; 1 some claim was refused, the others are made; 2 cannot work.
    """
    config = configuration(ctx)
    if every is not None and (dry_run or calldata):
        raise click.UsageError("--dry-run and --calldata look once: leave out --watch")
    key = None if dry_run or calldata else _treasury_key(config, keystore)
    if every is not None:
        assert key is not None
        last: list[dict[str, Any]] = []

        def step() -> None:
            found = list(_claim_all(config, rpc, key))
            if found and found != last:
                _show_claims(config, found, as_json)
            last[:] = found

        watch(step, every)
        return
    if calldata:
        print_json(
            {"transactions": [call_document(one.call, sender) for one, sender in _claims_by_treasury(config, rpc)]}
        )
        return
    documents = list(_claim_all(config, rpc, key))
    _show_claims(config, documents, as_json)
    if _say_problems(documents):
        ctx.exit(EXIT_REFUSED)


COMMANDS: Final = (dispute, list_disputes, claim)


def _opened(chain: "Chain", disputes: Disputes, intent: Intent, key: bytes) -> dict[str, Any]:
    """Open a dispute and wait for its block; what came of it."""
    tx = None
    try:
        tx = _send(chain, key, intent.call, intent.gas)
    except ChainUnavailableError:
        raise
    except ChainError as error:
        return intent_document(intent, state="refused", tx=tx, problem=str(error))
    assert intent.batch.house.refunds is not None
    case = chain.case(intent.batch.house.refunds, intent.batch.settlement.batch_id, intent.ride.index)
    opened = replace(intent, answer_until=case.answer_until, fee=case.fee)
    return intent_document(opened, state="disputed", tx=tx, problem=None)


def _claim_all(config: IssuerConfig, rpc: str | None, key: bytes | None) -> Iterator[dict[str, Any]]:
    """Make every claim that can be made, or without a key only say which; what came of each."""
    chain = open_chain(config, rpc)
    disputes, claims = _claims(config, chain)
    sender = chain.treasury(config.city) if key is None else address_of(key)
    for one in claims:
        gas = tx = None
        try:
            gas = chain.gas(sender, one.call)
            if key is not None:
                tx = _send(chain, key, one.call, gas)
            state, problem = ("claimable" if key is None else "claimed"), None
        except ChainUnavailableError:
            raise
        except ChainError as error:
            if isinstance(error, ChainRefusalError) and disputes.is_done(one, error):
                state, problem = "already_done", None
            else:
                state, problem = "refused", f"ride {one.index} of 0x{one.batch_id.hex()}: {error}"
        yield claim_document(one, state=state, gas=gas, tx=tx, problem=problem)


def _claims_by_treasury(config: IssuerConfig, rpc: str | None) -> Iterator[tuple[Claim, bytes]]:
    chain = open_chain(config, rpc)
    treasury = chain.treasury(config.city)
    for one in _claims(config, chain)[1]:
        yield one, treasury


def _claims(config: IssuerConfig, chain: "Chain") -> tuple[Disputes, list[Claim]]:
    with Feed(config) as feed:
        with TicketRegister(config) as register:
            reader = FeedReader(
                config.city, chain, feed, register, city_files(config), confirmations=config.confirmations
            )
            reader.read()
        revoked = feed.rides_on_revoked_tickets()
    disputes = Disputes(config.city, chain)
    _, cases = disputes.cases()
    return disputes, list(disputes.claims(cases, revoked))


def _send(chain: "Chain", key: bytes, call: Any, gas: int) -> bytes:
    """Send a call and wait for its block.

    Raises:
        ChainError: it failed, or no block took it in time.
    """
    tx = chain.send(key, call, gas * 5 // 4)
    deadline = time.monotonic() + BLOCK_PATIENCE
    while (done := chain.succeeded(tx)) is None:
        if time.monotonic() > deadline:
            raise ChainError(f"transaction 0x{tx.hex()} is in no block after {BLOCK_PATIENCE:g} s; run it again later")
        time.sleep(POLL)
    if not done:
        raise ChainError(f"transaction 0x{tx.hex()} failed and changed nothing; run it again")
    return tx


def _show_claims(config: IssuerConfig, documents: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"issuer": config.city, "claims": documents})
    elif documents:
        print_table(f"Claims of {config.city}", CLAIM_COLUMNS, [*map(claim_row, documents)])
    else:
        click.echo("Nothing to claim.")
    sys.stdout.flush()


def _say_problems(documents: list[dict[str, Any]]) -> bool:
    problems = [document["problem"] for document in documents if document["problem"]]
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    return bool(problems)


def _treasury_key(config: IssuerConfig, keystore: Path | None) -> bytes:
    chosen = keystore or config.treasury_keystore
    if chosen is None:
        raise ConfigError("treasury_keystore: expected a keystore, came none; set it, or give --keystore or --calldata")
    if not chosen.exists():
        raise ConfigError(f"{chosen}: no such keystore; correct treasury_keystore, or --keystore")
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None and not sys.stdin.isatty():
        raise ConfigError(
            f"password: expected one in {PASSWORD_VARIABLE}, or a terminal to ask at, came neither; set the variable"
        )
    if password is None:
        password = str(click.prompt(f"Password of {chosen}", hide_input=True, err=True))
    return load_keystore(chosen, password)

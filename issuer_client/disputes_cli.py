"""`issuer-client dispute`, `disputes` and `claim`: what a home city asks of rides that settled on its tickets."""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from interline.batch_source import read_batch_files, require_batch
from interline.keystores import load_keystore
from interline.settings import contract_address
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
from issuer_client.rides_cli import batch_option, keep_given, open_chain, rpc_option
from issuer_client.watching import watch

if TYPE_CHECKING:
    from issuer_client.chain import Chain

PASSWORD_VARIABLE: Final = "ISSUER_TREASURY_PASSWORD"
BLOCK_PATIENCE: Final = 120.0
"""Seconds to wait for a block that takes a transaction."""
POLL: Final = 0.2
LOOK_AGAIN: Final = 300.0
"""Seconds between two looks of `claim --watch` for the bytes of batches that weren't found."""

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
@click.option(
    "--clearinghouse", metavar="ADDRESS", help="Where it settled, for a ride that settled at two under one batch id."
)
@batch_option
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
    clearinghouse: str | None,
    batch_files: tuple[Path, ...],
    dry_run: bool,
    calldata: bool,
    keystore: Path | None,
    rpc: str | None,
    as_json: bool,
) -> None:
    """Ask for the evidence of settled rides: those with INDEX in BATCH, as `rides` lists them. A ride once.

    A batch with tickets of two domains settles at two Clearinghouses under one id: the one is taken where the ride did.
    An answer in time upholds the ride, and the city pays the operator a fee; without one, `claim` gets the fare back.
    The city's treasury alone can ask: its keystore's password comes from ISSUER_TREASURY_PASSWORD, or is asked for.

    Exit status: 0 done; 1 some ride can't be disputed, the others are; 2 cannot work.
    """
    config = configuration(ctx)
    house = None if clearinghouse is None else contract_address(clearinghouse, Path())
    given = read_batch_files(batch_files)
    require_batch(given, batch_id)
    key = None if dry_run or calldata else _treasury_key(config, keystore)
    chain = open_chain(config, rpc)
    treasury = chain.treasury(config.city)
    if key is not None and address_of(key) != treasury:
        raise ConfigError(
            f"treasury_keystore: expected the key of {to_checksum(treasury)}, the treasury of {config.city}, came that "
            f"of {to_checksum(address_of(key))}; name its keystore, or use --calldata"
        )
    disputes = Disputes(config.city, chain, _kept_batches(config) | given)
    batches = disputes.batches(batch_id, house)
    now = chain.head().time
    documents, calls = [], []
    for index in dict.fromkeys(indices):
        try:
            intent = disputes.intend(disputes.choose(batches, index), index, now)
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
    disputes = Disputes(config.city, open_chain(config, rpc), _kept_batches(config))
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
@batch_option
@keystore_option
@rpc_option
@json_option
@click.pass_context
def claim(
    ctx: click.Context,
    dry_run: bool,
    calldata: bool,
    every: float | None,
    batch_files: tuple[Path, ...],
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
    given = read_batch_files(batch_files)
    key = None if dry_run or calldata else _treasury_key(config, keystore)
    if every is not None:
        assert key is not None
        last: list[dict[str, Any]] = []
        looked = -LOOK_AGAIN

        def step() -> None:
            nonlocal looked
            again = time.monotonic() >= looked + LOOK_AGAIN
            looked = time.monotonic() if again else looked
            found = list(_claim_all(config, rpc, key, given, again=again))
            if found and found != last:
                _show_claims(config, found, as_json)
            last[:] = found

        watch(step, every)
        return
    if calldata:
        print_json(
            {
                "transactions": [
                    call_document(one.call, sender) for one, sender in _claims_by_treasury(config, rpc, given)
                ]
            }
        )
        return
    documents = list(_claim_all(config, rpc, key, given))
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


def _kept_batches(config: IssuerConfig) -> dict[bytes, bytes]:
    """Bytes of batches that were given by hand before; none where the register isn't on this machine."""
    if not config.database.exists():
        return {}
    with Feed(config) as feed:
        return feed.given()


def _claim_all(
    config: IssuerConfig, rpc: str | None, key: bytes | None, given: Mapping[bytes, bytes], *, again: bool = True
) -> Iterator[dict[str, Any]]:
    """Make every claim that can be made, or without a key only say which; what came of each."""
    chain = open_chain(config, rpc)
    disputes, claims = _claims(config, chain, given, again=again)
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


def _claims_by_treasury(
    config: IssuerConfig, rpc: str | None, given: Mapping[bytes, bytes]
) -> Iterator[tuple[Claim, bytes]]:
    chain = open_chain(config, rpc)
    treasury = chain.treasury(config.city)
    for one in _claims(config, chain, given, again=True)[1]:
        yield one, treasury


def _claims(
    config: IssuerConfig, chain: "Chain", given: Mapping[bytes, bytes], *, again: bool
) -> tuple[Disputes, list[Claim]]:
    with Feed(config) as feed:
        with TicketRegister(config) as register:
            depth, files = config.confirmations, city_files(config)
            FeedReader(config.city, chain, feed, register, files, confirmations=depth, given=given, again=again).read()
        keep_given(feed, given)
        revoked, kept = feed.rides_on_revoked_tickets(), feed.given()
    disputes = Disputes(config.city, chain, kept)
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

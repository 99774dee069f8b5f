"""How `sync`, `submit` and `status` talk to people: rich tables. Importing rich takes a while, so `scan` doesn't."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from gate_client.line import predecessor_documents
from gate_client.rounds import Report
from gate_client.trust_list import TrustList
from interline.money import format_yuan
from interline.safe_text import moment_text, short_name
from interline.signatures import to_checksum


def trust_list_document(trust: TrustList) -> dict[str, object]:
    """What `sync --json` says of a new trust list."""
    return {
        "operator": trust.operator,
        "chain_id": trust.domain.chain_id,
        "clearinghouse": to_checksum(trust.domain.clearinghouse),
        "predecessors": predecessor_documents(trust.line),
        "block": trust.block,
        "block_time": trust.block_time,
        "cities": [
            {"code": city.code, "name": city.name, "status": city.status.name.lower(), "keys": len(city.keys)}
            for city in trust.cities
        ],
        "revoked": len(trust.revoked),
        "grace": trust.grace,
        "ends": trust.ends,
        "problem": trust.problem,
        "called_off": [to_checksum(domain.clearinghouse) for domain in trust.called_off],
        "highest_fare": trust.tariff.highest_fare,
        "stations": list(trust.tariff.stations),
    }


def show_trust_list(trust: TrustList) -> None:
    """The new trust list: its cities, and what it is good for."""
    table = Table(title=f"Trust list of {trust.operator}: block {trust.block}, {_time(trust.block_time)}")
    table.add_column("code", justify="right")
    table.add_column("city")
    table.add_column("status")
    table.add_column("issuer keys", justify="right")
    for city in trust.cities:
        table.add_row(str(city.code), short_name(city.name), city.status.name.lower(), str(len(city.keys)))
    console = Console(markup=False, emoji=False)
    console.print(table)
    console.print(
        f"{len(trust.revoked)} revoked tickets; {len(trust.tariff.stations)} stations, highest fare "
        f"{format_yuan(trust.tariff.highest_fare)} yuan"
    )
    for before in trust.predecessors:
        console.print(
            f"Clearinghouse {to_checksum(trust.domain.clearinghouse)} takes over from "
            f"{to_checksum(before.domain.clearinghouse)}, whose tickets let riders in until {_time(before.closes_at)}"
        )
    for domain in trust.called_off:
        console.print(f"Clearinghouse {to_checksum(domain.clearinghouse)} was called off: its tickets are refused")


def show_report(report: Report) -> None:
    """What a round of submitting came to."""
    console = Console(markup=False, emoji=False)
    did = report.batches or report.arrears_paid or report.withheld_released or report.waiting
    if not did and not report.problem:
        console.print("Nothing to settle.")
    if report.batches:
        table = Table(title="Batches")
        table.add_column("batch")
        several = len({batch.domain for batch in report.batches}) > 1
        if several:
            table.add_column("Clearinghouse")
        table.add_column("transaction")
        table.add_column("settled", justify="right")
        table.add_column("rejected", justify="right")
        for batch in report.batches:
            tx = "not known" if batch.tx is None else _short(batch.tx)
            where = [_short(batch.domain.clearinghouse)] if several else []
            table.add_row(_short(batch.batch_id), *where, tx, str(batch.settled), str(len(batch.rejected)))
        console.print(table)
    for batch in report.batches:
        for ride in batch.rejected:
            reason = ride.reason.name if ride.reason else "for a reason that isn't known"
            console.print(f"rejected: ticket {ride.serial} of {ride.issuer}, {reason}")
    for released in report.withheld_released:
        console.print(
            f"{format_yuan(released.amount)} yuan that the daily limit of {released.debtor} withheld on "
            f"{_day(released.day)} can be paid now"
        )
    for paid in report.arrears_paid:
        console.print(f"{paid.debtor} paid {format_yuan(paid.amount)} yuan of its arrears")
    for waiting in report.waiting:
        console.print(f"batch {_short(waiting.batch_id)} waits: {waiting.problem}")
    for unpriced in report.unpriced:
        console.print(f"ticket {unpriced.taps[0].serial} of {unpriced.taps[0].issuer} waits: {unpriced.problem}")


def show_status(document: Mapping[str, Any]) -> None:
    """The status document as tables."""
    console = Console(markup=False, emoji=False)
    console.print(f"Operator {document['operator']}, station {document['station']}, {document['journal']}")
    trust = document["trust_list"]
    if "problem" in trust:
        console.print(trust["problem"])
    else:
        age = f"{trust['age']} s old" + (", EXPIRED: run gate-client sync" if trust["expired"] else "")
        limit = f"good for {trust['limit']} s"
        console.print(f"Trust list of block {trust['block']}, {age}, {limit}; {trust['cities']} cities")
        if trust["problem"] is not None:
            console.print(f"WARNING: {trust['problem']}")
        for owing in trust["owing"]:
            withheld = f", of which {format_yuan(owing['withheld'])} are withheld" if owing["withheld"] else ""
            console.print(f"{owing['debtor']} owes {format_yuan(owing['arrears'])} yuan in arrears{withheld}")
        for before in trust["predecessors"]:
            closes = "closes" if before["closes_at"] > time.time() else "closed"
            console.print(f"Clearinghouse {before['clearinghouse']} {closes} at {_time(before['closes_at'])}")
    if len(document["domains"]) > 1:
        console.print(_domains(document["domains"]))
    for title, counts in (("Scans", "scans"), ("Taps", "taps"), ("Rides", "rides"), ("Rejected", "rejected")):
        if document[counts]:
            console.print(_counts(title, document[counts]))
    console.print(f"Settled: {format_yuan(document['settled_fares'])} yuan")
    for batch in document["waiting"]:
        problem = batch["problem"] or "its outcome isn't known yet; run gate-client submit"
        console.print(f"batch {batch['batch_id'][:12]}… of {batch['rides']} rides waits: {problem}")


def _counts(title: str, counts: Mapping[str, int]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, count in counts.items():
        table.add_row(name, str(count))
    return table


def _domains(domains: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Clearinghouses", title_justify="left")
    for column in ("address", "closes", "taps that wait", "rides to settle", "settled", "rejected"):
        table.add_column(column, no_wrap=column in ("address", "closes"))
    for domain in domains:
        rides = domain["rides"]
        closes = "" if domain["closes_at"] is None else _time(domain["closes_at"])
        closes = "called off" if domain["called_off"] else closes
        counts = (domain["taps"]["waiting"], rides["ready"] + rides["batched"], rides["settled"], rides["rejected"])
        table.add_row(f"{domain['clearinghouse'][:14]}…", closes, *map(str, counts))
    return table


def _time(seconds: int) -> str:
    return moment_text(seconds)


def _day(day: int) -> str:
    return moment_text(day * 86_400)[:10]


def _short(data: bytes) -> str:
    return f"0x{data.hex()[:12]}…"

"""Disputes and claims as JSON and as rows for people."""

from collections.abc import Iterable, Sequence
from typing import Any

from interline.money import format_yuan
from interline.safe_text import moment_text
from interline.settlements import SettledRide
from interline.signatures import to_checksum
from issuer_client.chain_types import Block, Call
from issuer_client.disputing import CaseState, Claim, Intent, KnownCase
from issuer_client.documents import to_hex
from issuer_client.feed_reading import CAUSES

INTENT_COLUMNS = ("ticket", "fare, yuan", "at stake", "fee", "answer until (UTC)", "gas", "state")
CASE_COLUMNS = ("ticket", "fare, yuan", "refunded", "fee", "answer until (UTC)", "state", "batch and index")
CLAIM_COLUMNS = ("why", "city", "yuan", "state", "batch and index")


def call_document(call: Call, sender: bytes) -> dict[str, object]:
    """A transaction for an account that signs elsewhere, as Safe and hardware accounts take it."""
    return {"from": to_checksum(sender), "to": to_checksum(call.to), "value": 0, "data": to_hex(call.data)}


def intent_document(intent: Intent, *, state: str, tx: bytes | None, problem: str | None) -> dict[str, Any]:
    """A dispute that was opened, or would be; amounts in fen, times in Unix seconds."""
    ride = intent.ride
    return {
        "index": ride.index,
        "clearinghouse": to_checksum(intent.batch.house.address),
        "operator": intent.batch.settlement.operator,
        "serial": ride.ride.serial,
        "entered_at": ride.ride.entered_at,
        "exited_at": ride.ride.exited_at,
        "fare": ride.ride.fare,
        "amount": intent.amount,
        "fee": intent.fee,
        "answer_until": intent.answer_until,
        "gas": intent.gas,
        "state": state,
        "tx": None if tx is None else to_hex(tx),
        "problem": problem,
    }


def refused_document(index: int, problem: str) -> dict[str, Any]:
    """A ride that can't be disputed, and why."""
    return {"index": index, "state": "refused", "tx": None, "problem": problem}


def intent_row(document: dict[str, Any]) -> Sequence[object]:
    """A row of `INTENT_COLUMNS`."""
    if document["state"] == "refused" and "serial" not in document:
        return (f"ride {document['index']}", "", "", "", "", "", "refused")
    return (
        f"{document['serial']} for {document['operator']}",
        format_yuan(document["fare"]),
        format_yuan(document["amount"]),
        format_yuan(document["fee"]),
        _time(document["answer_until"]),
        f"{document['gas']:,}",
        document["state"].replace("_", " "),
    )


def case_document(known: KnownCase, ride: SettledRide | None, now: int) -> dict[str, Any]:
    """A ride that was disputed or refunded; what the chain doesn't tell of it is None."""
    case = known.case
    disputed = case.answer_until > 0
    return {
        "clearinghouse": to_checksum(known.house.address),
        "batch_id": to_hex(known.batch_id),
        "index": known.index,
        "operator": case.operator,
        "serial": ride.ride.serial if ride else None,
        "entered_at": ride.ride.entered_at if ride else None,
        "exited_at": ride.ride.exited_at if ride else None,
        "fare": case.fare,
        "refunded": case.refunded,
        "left": case.left,
        "fee": case.fee if disputed else None,
        "answer_until": case.answer_until if disputed else None,
        "time_left": max(0, case.answer_until - now) if disputed else None,
        "state": known.state.value,
        "refunds": [
            {
                "amount": refund.amount,
                "paid": refund.paid,
                "cause": CAUSES[refund.cause] if refund.cause < len(CAUSES) else str(refund.cause),
                "block": refund.block,
                "tx": to_hex(refund.tx),
            }
            for refund in known.refunds
        ],
    }


def cases_document(issuer: int, head: Block, cases: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What `disputes --json` says: all cases, and what hangs on those that are open (fen)."""
    listed = list(cases)
    waiting = [one for one in listed if one["state"] in (CaseState.OPEN, CaseState.CLAIMABLE)]
    return {
        "issuer": issuer,
        "block": head.number,
        "now": head.time,
        "cases": listed,
        "total": {
            "open": len(waiting),
            "disputed": sum(one["left"] for one in waiting),
            "refunded": sum(one["refunded"] for one in listed),
            "fees": sum(one["fee"] for one in listed if one["state"] == CaseState.UPHELD),
        },
    }


def case_row(document: dict[str, Any]) -> Sequence[object]:
    """A row of `CASE_COLUMNS`."""
    serial = "?" if document["serial"] is None else document["serial"]
    return (
        f"{serial} for {document['operator']}",
        format_yuan(document["fare"]),
        format_yuan(document["refunded"]),
        "" if document["fee"] is None else format_yuan(document["fee"]),
        _deadline(document),
        document["state"].replace("_", " "),
        f"{document['batch_id'][:14]}… {document['index']}",
    )


def claim_document(
    claim: Claim, *, state: str, gas: int | None, tx: bytes | None, problem: str | None
) -> dict[str, Any]:
    """A refund that was claimed, or would be; `amount` in fen."""
    return {
        "kind": claim.kind.value,
        "clearinghouse": to_checksum(claim.house.address),
        "batch_id": to_hex(claim.batch_id),
        "index": claim.index,
        "operator": claim.operator,
        "amount": claim.amount,
        "gas": gas,
        "state": state,
        "tx": None if tx is None else to_hex(tx),
        "problem": problem,
    }


def claim_row(document: dict[str, Any]) -> Sequence[object]:
    """A row of `CLAIM_COLUMNS`."""
    return (
        document["kind"],
        document["operator"],
        format_yuan(document["amount"]),
        document["state"].replace("_", " "),
        f"{document['batch_id'][:14]}… {document['index']}",
    )


def _deadline(document: dict[str, Any]) -> str:
    if document["answer_until"] is None:
        return ""
    until, left = _time(document["answer_until"]), document["time_left"]
    if document["state"] == CaseState.OPEN:
        days, rest = divmod(left, 86_400)
        return f"{until}\n{days} d {rest // 3_600} h left"
    return f"{until}\nover" if document["state"] == CaseState.CLAIMABLE else until


def _time(seconds: int) -> str:
    return moment_text(seconds, "%Y-%m-%d %H:%M")

"""Disputes, refunds and what was pruned, for people and for programs."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from gate_client.answer_session import AnswerReport
from gate_client.answering import Review, Standing
from gate_client.pruning import Pruned
from gate_client.refunding import Refund
from interline.money import format_yuan
from interline.safe_text import moment_text
from interline.signatures import to_checksum


def report_document(report: AnswerReport) -> dict[str, object]:
    """What `answer --json` and `disputes --json` say: hashes as 0x and hexadecimals, fen, Unix seconds."""
    return {
        "now": report.now,
        "disputes": [_review_document(each, report.now) for each in report.reviews],
        "problem": report.problem,
    }


def show_report(report: AnswerReport) -> None:
    """The disputes as a table, and what has to be done about those that can't be answered."""
    console = Console(markup=False, emoji=False)
    if not report.reviews:
        console.print("No ride is disputed, and none was.")
        return
    table = Table(title="Disputes")
    for column in ("ticket", "yuan", "answer until (UTC)", "state", "batch and index"):
        table.add_column(column, no_wrap=True, justify="right" if column == "yuan" else "left")
    for each in report.reviews:
        dispute = each.dispute
        table.add_row(
            f"{each.ride.ride.serial if each.ride else 'not known,'} of {dispute.issuer}",
            format_yuan(dispute.amount),
            _deadline(each, report.now),
            each.standing.value.replace("_", " "),
            f"0x{dispute.batch_id.hex()[:12]}… {dispute.index}",
        )
    console.print(table)
    for each in report.reviews:
        if each.problem:
            ride_name = f"ride {each.dispute.index} of 0x{each.dispute.batch_id.hex()}"
            console.print(f"{ride_name}: {each.problem}", soft_wrap=True, highlight=False)


def refund_document(refund: Refund, *, gas: int | None, tx: bytes | None) -> dict[str, object]:
    """What `refund --json` says; `tx` is null where nothing was sent."""
    return {
        "clearinghouse": to_checksum(refund.domain.clearinghouse),
        "batch_id": _hex(refund.batch_id),
        "index": refund.ride.index,
        "issuer": refund.ride.issuer,
        "serial": refund.ride.ride.serial,
        "fare": refund.ride.ride.fare,
        "refunded_before": refund.before,
        "amount": refund.call.amount,
        "left": refund.left,
        "dispute": refund.stage.name.lower(),
        "treasury": to_checksum(refund.treasury),
        "gas": gas,
        "tx": None if tx is None else _hex(tx),
    }


def show_refund(refund: Refund, *, gas: int | None, tx: bytes | None) -> None:
    """One line: what goes or went back to whom, and what is left of the fare."""
    verb = "refunded" if tx is not None else "would refund"
    ride = refund.ride
    console = Console(markup=False, emoji=False)
    console.print(
        f"{verb} {format_yuan(refund.call.amount)} of {format_yuan(ride.ride.fare)} yuan to {ride.issuer} for its "
        f"ticket {ride.ride.serial}; {format_yuan(refund.left)} yuan are left",
        soft_wrap=True,
    )
    if tx is not None:
        console.print(f"transaction {_hex(tx)}", soft_wrap=True)
    elif gas is not None:
        console.print(f"it takes {gas:,} gas, sent by the treasury {to_checksum(refund.treasury)}", soft_wrap=True)


def pruned_document(pruned: Pruned, *, dry_run: bool) -> dict[str, object]:
    """What `prune --json` says; `before` in Unix seconds."""
    return {
        "before": pruned.before,
        "taps": pruned.taps,
        "scans": pruned.scans,
        "kept": {"unsettled": pruned.unsettled, "disputed": pruned.disputed},
        "dry_run": dry_run,
    }


def show_pruned(pruned: Pruned, *, dry_run: bool) -> None:
    """What was deleted, and what as old was kept."""
    console = Console(markup=False, emoji=False)
    console.print(
        f"{'Would delete' if dry_run else 'Deleted'} the codes of {pruned.taps} taps and {pruned.scans} scans from "
        f"before {_time(pruned.before)}: nobody can ask for them any more.",
        soft_wrap=True,
    )
    if pruned.unsettled or pruned.disputed:
        console.print(
            f"As old, but kept: {pruned.unsettled} of rides that haven't settled, {pruned.disputed} of rides with a "
            f"dispute that can be answered.",
            soft_wrap=True,
        )


def _review_document(review: Review, now: int) -> dict[str, object]:
    dispute, ride = review.dispute, review.ride
    return {
        "clearinghouse": to_checksum(review.domain.clearinghouse),
        "batch_id": _hex(dispute.batch_id),
        "index": dispute.index,
        "issuer": dispute.issuer,
        "serial": ride.ride.serial if ride else None,
        "entered_at": ride.ride.entered_at if ride else None,
        "exited_at": ride.ride.exited_at if ride else None,
        "fare": ride.ride.fare if ride else None,
        "amount": dispute.amount,
        "fee": dispute.fee,
        "answer_until": dispute.answer_until,
        "time_left": max(0, dispute.answer_until - now),
        "state": review.standing.value,
        "problem": review.problem,
        "gas": review.gas,
        "tx": None if dispute.tx is None else _hex(dispute.tx),
    }


def _deadline(review: Review, now: int) -> str:
    until = _time(review.dispute.answer_until).removesuffix(" UTC")
    if review.standing in (Standing.UPHELD, Standing.REFUNDED):
        return until
    left = review.dispute.answer_until - now
    return f"{until}\n{_length(left)} left" if left >= 0 else f"{until}\nover"


def _length(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    return f"{days} d {hours} h" if days else f"{hours} h {rest // 60} min"


def _time(seconds: int) -> str:
    return moment_text(seconds, "%Y-%m-%d %H:%M UTC")


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

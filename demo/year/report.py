"""What is written about a year that was made: how long it took, what it came to, and the bank's book."""

import csv
import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

from demo.year.making import Made
from demo.year.story import FIRST_DAY, PEAK_DAY, day_of
from interline.reasons import RideReason

_CHINA: Final = timezone(timedelta(hours=8))


def write_report(path: Path, made: Made) -> str:
    """Writes the report as JSON; returns a few lines of it for people."""
    document = report(made)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in made.seconds.items())
    peak = document["peak_day"]
    return (
        f"{document['settled']:,} rides settled, {sum(document['refused'].values())} refused, in "
        f"{document['batches']:,} batches and {made.blocks:,} blocks\n"
        f"busiest day {peak['day']}, {peak['scans']:,} scans\n{seconds}"
    )


def report(made: Made) -> dict[str, Any]:
    """The report's document: amounts in fen, times in seconds, cities by code."""
    plan = made.plan
    rides, schedule, books = plan.rides, plan.schedule, plan.schedule.books
    busiest = (PEAK_DAY - FIRST_DAY).days
    refused = Counter(RideReason(reason).name for reason in rides.reason[rides.reason > 0].tolist())
    return {
        "rides": len(rides),
        "settled": plan.settling,
        "refused": dict(sorted(refused.items())),
        "seed": plan.seed,
        "batches": len(plan.batches.plans),
        "blocks": made.blocks,
        "transactions": made.transactions,
        "gas": made.gas,
        "seconds": {name: round(value, 2) for name, value in made.seconds.items()},
        "peak_day": {"day": str(PEAK_DAY), "scans": 2 * int(rides.per_day[busiest])},
        "corrected": {str(kind): len(some) for kind, some in schedule.corrected.items()},
        "arrears_paid": books.arrears_paid,
        "cities": {
            member.code: {
                "name": member.name,
                "balance": books.balances[member.code],
                "position": books.position(member.code),
                "arrears_owed": books.arrears_of(member.code),
                "arrears_due": books.arrears_due(member.code),
                "deposited": books.deposits[member.code],
                "withdrawn": books.withdrawals[member.code],
                "settlements_into_arrears": schedule.arrears_days.get(member.code, 0),
            }
            for member in plan.members
        },
        "contracts": plan.addresses,
    }


def write_bank_book(path: Path, made: Made) -> None:
    """Writes every deposit and withdrawal as the settlement bank booked it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("date", "time", "city", "direction", "amount", "reference"))
        for it in made.plan.schedule.transfers:
            moment = datetime.fromtimestamp(it.time, UTC).astimezone(_CHINA)
            amount = f"{it.amount // 100}.{it.amount % 100:02d}"
            direction = "in" if it.into else "out"
            writer.writerow((day_of(it.time), moment.isoformat(), it.city, direction, amount, it.reference))

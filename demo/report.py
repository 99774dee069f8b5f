"""The report of a run: `report.json` for programs, `report.html` for people. Its figures were measured in that run."""

import base64
import dataclasses
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from web3 import HTTPProvider, Web3

from demo import charts
from demo.chapters import Tale
from demo.world import World
from interline.contracts import load_abi
from interline.money import format_yuan
from ledger.chain import Chain
from ledger.recompute import recompute
from rpc import Node

SLOWEST_SETTLEMENT = 3.0
"""Seconds from the exit tap to the balance that 99 % of live rides are not meant to exceed, at 1 s blocks."""

CORRECTIONS = 3
"""A dispute that is upheld, one that nobody answers, and a refund by the operator."""


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest of the values that at least `percent` % of them don't exceed; 0 of none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def build_report(world: World, tale: Tale, seconds: float) -> dict[str, Any]:
    """Everything that was measured; amounts in fen, times in seconds unless the name says otherwise."""
    web3 = Web3(HTTPProvider(world.chain.url))
    address = Web3.to_checksum_address(world.contracts["Clearinghouse"]["address"])
    clearinghouse = web3.eth.contract(address=address, abi=load_abi("Clearinghouse"))
    recomputed = recompute(Chain(Node.at(world.chain.url), address))
    books, balances = recomputed.books, recomputed.balances
    names = {city.code: city.name for city in world.cities}
    deployed = world.contracts["Clearinghouse"]["block"]
    settlements = clearinghouse.events.BatchSettled().get_logs(from_block=deployed)
    gas = {
        entry["transactionHash"]: web3.eth.get_transaction_receipt(entry["transactionHash"])["gasUsed"]
        for entry in settlements
    }
    clean = [entry for entry in settlements if entry["args"]["rejected"] == 0]
    scans = tale.scans
    return {
        "cities": [names[code] for code in tale.members],
        "directed_pairs": sum(pair.rides > 0 for pair in books.pairs.values()),
        "rides_taken": tale.rides_taken,
        "rides_settled": recomputed.rides,
        "rides_rejected": sum(entry["args"]["rejected"] for entry in settlements),
        "rides_rejected_by_reason": tale.refused_rides,
        "batches_refused": tale.refused_batches,
        "corrections": [
            {"what": one.what, "payer": names[one.payer], "payee": names[one.payee], "amount": one.amount}
            for one in tale.corrections
        ],
        "books": None if tale.books is None else dataclasses.asdict(tale.books),
        "fares": sum(pair.fares for pair in books.pairs.values()),
        "scans": scans.accepted + sum(scans.rejected.values()),
        "scans_rejected": dict(sorted(scans.rejected.items())),
        "scan_ms": {"p50": percentile(scans.elapsed_ms, 50), "p99": percentile(scans.elapsed_ms, 99)},
        "batches": len(settlements),
        "gas_per_ride": round(sum(gas[e["transactionHash"]] for e in clean) / sum(e["args"]["settled"] for e in clean)),
        "gas_of_batches": [[e["args"]["settled"], gas[e["transactionHash"]]] for e in clean],
        "onboarding": [
            {key: city[key] for key in ("city", "members_before", "gas", "vote_gas", "seconds")}
            for city in tale.onboarding
        ],
        "seconds_tap_to_balance": {
            "p50": round(percentile(tale.tap_to_balance, 50), 3),
            "p99": round(percentile(tale.tap_to_balance, 99), 3),
            "rides": len(tale.tap_to_balance),
        },
        "balances": {city.name: city.balance for city in balances.cities},
        "positions": {city.name: city.position for city in balances.cities},
        "held": balances.held,
        "tokens_held": balances.tokens_held,
        "block": balances.block_number,
        "differences": [*balances.faults(), *recomputed.differences],
        "flows": [[names[i], names[o], pair.fares] for (i, o), pair in sorted(books.pairs.items())],
        "chapters": {name: round(spent, 1) for name, spent in world.seconds.items()},
        "seconds": round(seconds, 1),
    }


def shortfalls(report: dict[str, Any]) -> list[str]:
    """What isn't as it should be; nothing, if all is well."""
    missed = [*report["differences"]]
    if report["books"] is None:
        missed.append("nothing was reconciled")
    else:
        wrong = [f"{one['check']}: {one['count']} differ" for one in report["books"]["checks"] if one["count"]]
        missed += [f"reconcile found differences: {one}" for one in wrong]
    if report["rides_settled"] != report["rides_taken"]:
        missed.append(f"{report['rides_taken']} rides were taken, {report['rides_settled']} settled")
    if report["directed_pairs"] != len(report["cities"]) * (len(report["cities"]) - 1):
        missed.append(f"{report['directed_pairs']} directed pairs have rides, of {len(report['cities'])} cities")
    if report["rides_rejected"] != sum(report["rides_rejected_by_reason"].values()):
        missed.append(
            f"{report['rides_rejected']} rides were refused, but planted {report['rides_rejected_by_reason']}"
        )
    if len(report["corrections"]) != CORRECTIONS or not all(one["amount"] for one in report["corrections"]):
        missed.append(f"expected {CORRECTIONS} corrections of rides, came {report['corrections']}")
    return missed


def targets_missed(report: dict[str, Any]) -> list[str]:
    """Times that were longer than meant: said, but no error, as a busy machine makes them so."""
    slowest = report["seconds_tap_to_balance"]["p99"]
    if slowest <= SLOWEST_SETTLEMENT:
        return []
    return [f"tap to balance (p99) took {slowest} s, meant to be at most {SLOWEST_SETTLEMENT}"]


def write_report(report: dict[str, Any], world: World, out: Path) -> None:
    """Writes `report.json` and `report.html` to a folder."""
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["yuan"] = format_yuan
    environment.filters["count"] = lambda number: f"{number:,}"
    picture = next(iter(sorted((out / "codes").glob("live-*-exit.png"))))
    page = environment.get_template("report.html.jinja").render(
        report=report,
        joined=[(city.name, city.name_zh, city.joined) for city in world.cities],
        matrix=_matrix(report),
        growth=charts.growth(report["onboarding"]),
        waiting=charts.chapters(report["chapters"]),
        gas=charts.gas_by_batch(report["gas_of_batches"]),
        code=base64.b64encode(picture.read_bytes()).decode("ascii"),
        spread=_spread(report["onboarding"]),
        names={city.code: city.name for city in world.cities},
    )
    (out / "report.html").write_text(page, encoding="utf-8")


def _matrix(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Who owes whom: a row for each issuer, with its fares by operator and a shade from 0 to 1 for each."""
    flows = {(issuer, operator): fen for issuer, operator, fen in report["flows"]}
    most = max(flows.values(), default=1)
    names = report["cities"]
    return [
        {
            "issuer": issuer,
            "cells": [
                {"fen": flows.get((issuer, o)), "shade": round(flows.get((issuer, o), 0) / most, 2)} for o in names
            ],
            "owes": sum(fen for (i, _), fen in flows.items() if i == issuer),
            "earns": sum(fen for (_, o), fen in flows.items() if o == issuer),
        }
        for issuer in names
    ]


def _spread(onboarding: Sequence[dict[str, Any]]) -> float:
    """How far the dearest city's onboarding is above the cheapest's, in percent, votes apart."""
    gas = [city["gas"] for city in onboarding]
    return round((max(gas) / statistics.fmean([min(gas)]) - 1) * 100, 2) if gas else 0.0

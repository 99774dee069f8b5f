"""The page of the ledger's figures: Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.results import machine_line, table


def ledger_page(found: dict[str, Any]) -> str:
    """The page of a document that `bench.ledger.measure` made."""
    return (
        _head(found)
        + _index_part(found["steps"])
        + _reconcile_part(found["steps"])
        + _statement_part(found["steps"]["statement"])
    )


def _head(found: dict[str, Any]) -> str:
    made = found["made"]
    peak, seconds = made["peak_day"], made["seconds"]
    signing, node, whole = (seconds[name] for name in ("signing, processor time", "node", "all"))
    return (
        f"# The ledger over the first year\n\nMade by `{found['command']}` on {machine_line(found)}\n\n"
        f"The chain: {made['settled']:,} rides settled and {sum(made['refused'].values()):,} refused, in "
        f"{made['batches']:,} batches, {made['blocks']:,} blocks and {made['transactions']:,} transactions; 11 cities; "
        f"busiest day {peak['day']} with {peak['scans']:,} scans. Made by `python -m demo.year --rides "
        f"{made['settled']}` in {duration(whole)}: {duration(signing)} of processor time for signatures, beside a node "
        f"that took {duration(node)}. What it holds: [docs/year.md](../../docs/year.md).\n\n"
        "Each line is a process of its own over that chain, one after another.\n\n"
    )


def _index_part(steps: dict[str, Any]) -> str:
    sync, rides = steps["sync"], steps["sync"]["rides"]
    lines = [
        (
            what,
            f"{rides / seconds:,.0f}",
            duration(seconds),
            f"{seconds / sync['seconds']:.2f}",
            "" if memory is None else f"{memory / 1e6:,.0f}",
        )
        for what, seconds, memory in _readers(steps, rides)
    ]
    return (
        f"## Indexed from the first block\n\n{rides:,} rides of {sync['batches']:,} batches, {sync['events']:,} "
        f"events; the file has {sync['bytes'] / 1e6:,.0f} MB. {_workers(sync['memory_of_a_worker'])}Once more, with "
        f"nothing new: {steps['again']['seconds']:.2f} s, the opening included.\n\n"
        + table(("", "rides a second", "time", "of the index's", "memory, MB"), lines)
        + "\nWhat the peer checks, and what it doesn't, is said in `bench/ledger_peer.py`.\n\n"
    )


def _workers(memory: float) -> str:
    return f"Processes that check signatures have at most {memory / 1e6:,.0f} MB each, besides. " if memory else ""


def _readers(steps: dict[str, Any], rides: int) -> Iterator[tuple[str, float, float | None]]:
    """(what, seconds for all rides, bytes of memory)."""
    sync, peer, bound, signatures, typed = (steps[name] for name in ("sync", "peer", "bytes", "signatures", "typed"))
    yield "**the index**: hashes, sums, serials, every signature; double entry", sync["seconds"], sync["memory"]
    yield "peer: web3's `get_logs` into SQLite, no signature checked", peer["seconds"], peer["memory"]
    typing = rides * typed["seconds"] / typed["signatures"]
    what = f"peer, and each ride's signature by eth_account ({typed['signatures']:,} measured)"
    yield what, peer["seconds"] + typing, None
    yield "bound: the bytes out of the node alone", bound["seconds"], bound["memory"]
    what = f"bound: signatures alone, {signatures['processes']} processes ({signatures['signatures']:,} measured)"
    yield what, rides * signatures["seconds"] / signatures["signatures"], None


def _reconcile_part(steps: dict[str, Any]) -> str:
    lines = [
        (what, duration(one["seconds"]), f"{one['differences']}", f"{one['memory'] / 1e6:,.0f}")
        for what, one in (
            ("`ape run reconcile --quick`: the contracts", steps["quick"]),
            ("`ape run reconcile --bank FILE --tariff`: the index and all else, too", steps["reconcile"]),
        )
    ]
    checks = "".join(f"- {check}\n" for check in steps["reconcile"]["checks"])
    return (
        "## Reconciled\n\nOver that index, without Ape's own start. From the first block, the index made anew: "
        f"{duration(steps['quick']['seconds'] + steps['sync']['seconds'])} and "
        f"{duration(steps['reconcile']['seconds'] + steps['sync']['seconds'])}.\n\n"
        + table(("", "time", "differences", "memory, MB"), lines)
        + f"\n{checks}\n"
    )


def _statement_part(found: dict[str, Any]) -> str:
    rows = [
        (name, f"{seconds:.2f}", f"{found['sizes'][name] / 1e6:.1f}" if name in found["sizes"] else "")
        for name, seconds in found["forms"].items()
    ]
    return (
        f"## A month's statement of one city\n\n{found['city']}, {found['month']}: {found['rides']:,} rides behind its "
        f"lines. A form's time comes on top of that of building; the process had at most "
        f"{found['memory'] / 1e6:,.0f} MB.\n\n"
        + table(("", "seconds", "MB"), rows)
        + "\nThe pages of an index: [pages.md](pages.md).\n"
    )


def duration(seconds: float) -> str:
    """Seconds, or minutes, for people."""
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"

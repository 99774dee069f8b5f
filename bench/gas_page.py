"""The gas benchmark's page: Markdown from the figures of :mod:`bench.gas`."""

from __future__ import annotations

from typing import Any, Final

from bench.evm import CODE_LIMIT, INITCODE_LIMIT
from bench.results import table, verdict

QUOTED: Final = (
    ("no caps, windows or rider binding (72-byte record), elsewhere", "4,629", ""),
    ("an earlier throwaway contract for this protocol", "5,950", "5,514"),
    ("a naive version, elsewhere", "34,731", ""),
)


def gas_page(found: dict[str, Any]) -> str:
    """The whole page."""
    sections = (_target, _batches, _one_more_ride, _whole_batch, _issuers, _as_issued, _contracts)
    head = f"# Gas\n\nMade by `{found['command']}`: {found['made_with']}. Every run gives the same figures.\n\n"
    return head + "\n".join(section(found) for section in sections)


def _target(found: dict[str, Any]) -> str:
    whole = next(row for row in found["batches"] if row["rides"] == found["whole_batch"]["rides"])
    met = whole["per_ride"] <= found["target"]
    naive = found["naive"]
    naive_whole = naive["batches"][-1]
    rows = [
        ("**the Clearinghouse**", f"**{_n(whole['per_ride'])}**", f"**{_n(found['one_more_ride']['gas'])}**"),
        ("bound: the EVM's prices alone, no code", _n(whole["bound"] / whole["rides"]), _bound_of_ride(found)),
        (
            "`bench/contracts/NaiveSettlement.sol`, the same rides",
            _n(naive_whole["per_ride"]),
            _n(naive["one_more_ride"]),
        ),
        *((f"{what} (quoted, not measured here)", per_ride, more) for what, per_ride, more in QUOTED),
    ]
    return (
        f"Target: {found['target']:,} gas a ride or less, {whole['rides']} rides of one issuer in a batch, all checks "
        f"on: {_n(whole['per_ride'])}, {verdict(met)}.\n\n"
        + _target_of_ten(found)
        + table(("one batch of 256 rides", "gas per ride", "one more ride"), rows)
        + "\nOne more ride is the mean of the 129th to the 256th.\n"
    )


def _target_of_ten(found: dict[str, Any]) -> str:
    last, target = found["issuers"]["in_use"][-1], found["target_of_ten"]
    if last["issuers"] < 10:
        return ""
    per_ride = last["gas"] / last["rides"]
    return (
        f"Target: {target:,} gas a ride or less, {last['issuers']} issuers with {found['issuers']['rides_each']} rides "
        f"each, once their storage words are in use: {_n(per_ride)}, {verdict(per_ride <= target)}.\n\n"
        "How it came down, step by step: [gas_steps.md](gas_steps.md).\n\n"
    )


def _batches(found: dict[str, Any]) -> str:
    naive = {row["rides"]: row["per_ride"] for row in found["naive"]["batches"]}
    rows = [
        (
            f"{row['rides']:,}",
            _n(row["gas"]),
            _n(row["per_ride"]),
            _n(row["bound"] / row["rides"]),
            _n(naive[row["rides"]]) if row["rides"] in naive else "",
            f"{row['calldata_bytes']:,}",
        )
        for row in found["batches"]
    ]
    head = ("rides in the batch", "gas", "per ride", "bound, per ride", "naive, per ride", "calldata, bytes")
    return (
        "## Batches of one issuer\n\nSerials dense, from the first of a fresh storage word on.\n\n"
        + table(head, rows)
        + "\n![gas per ride](gas.png)\n"
    )


def _one_more_ride(found: dict[str, Any]) -> str:
    ride = found["one_more_ride"]
    rows = [
        (purpose, f"{gas:,.1f}", f"{ride['bound_parts'][purpose]:,.1f}" if purpose in ride["bound_parts"] else "0")
        for purpose, gas in ride["purposes"].items()
    ]
    rows.append(("**in all**", f"**{ride['gas']:,.1f}**", f"**{ride['bound']:,.1f}**"))
    return (
        "## Where the gas of one more ride goes\n\n"
        "From the trace of each step, from one ride to the next; with calldata and the batch's share it adds "
        "up to what one more ride was measured to cost. The ride's share of its storage word (22,100 for 256 rides: "
        "86) is in the batch below.\n\n" + table(("", "gas", "bound"), rows)
    )


def _whole_batch(found: dict[str, Any]) -> str:
    whole = found["whole_batch"]
    rows = [
        (purpose, f"{gas:,}", f"{gas / whole['rides']:,.0f}", f"{gas / whole['gas']:.1%}")
        for purpose, gas in whole["purposes"].items()
    ]
    rows.append(("**in all**", f"**{whole['gas']:,}**", f"**{_n(whole['gas'] / whole['rides'])}**", ""))
    return f"## The batch of {whole['rides']}, whole\n\n" + table(("", "gas", "per ride", ""), rows)


def _issuers(found: dict[str, Any]) -> str:
    issuers, ride = found["issuers"], found["one_more_ride"]["gas"]
    rows = [
        (fresh["issuers"], fresh["rides"], *_issuer_cells(fresh, issuers, ride), *_issuer_cells(in_use, issuers, ride))
        for fresh, in_use in zip(issuers["fresh"], issuers["in_use"], strict=True)
    ]
    head = ("issuers", "rides", "fresh words: gas", "adds", "besides its rides", "words in use: gas", "adds", "besides")
    rows = [(*row, _n(used["gas"] / used["rides"])) for row, used in zip(rows, issuers["in_use"], strict=True)]
    head = (*head, "gas per ride")
    return (
        f"## What a second, ..., tenth issuer in the batch adds\n\n{issuers['rides_each']} rides each. "
        f"Besides its {issuers['rides_each']} rides at {_n(ride)} an issuer needs two reads of the registry, a serial "
        f"word, a balance and an event: at least {issuers['bound_fresh']:,} with a fresh word, "
        f"{issuers['bound_in_use']:,} with one in use, by the EVM's prices.\n\n" + table(head, rows)
    )


def _issuer_cells(row: dict[str, Any], issuers: dict[str, Any], ride: float) -> tuple[str, str, str]:
    if row["adds"] is None:
        return _n(row["gas"]), "", ""
    return _n(row["gas"]), _n(row["adds"]), _n(row["adds"] - issuers["rides_each"] * ride)


def _as_issued(found: dict[str, Any]) -> str:
    rows = [
        (
            f"{row['used']:.0%} used, {_delay(row)}",
            row["issuers"],
            row["rides"],
            f"{row['words_per_batch']:.1f}",
            f"{row['fresh_words_per_batch']:.1f}",
            _n(row["per_ride"]),
        )
        for row in found["as_issued"]
    ]
    head = ("tickets", "issuers", "rides in the batch", "words written", "of them fresh", "gas per ride")
    return (
        "## Serials as the ticket office issues them\n\n"
        "Shuffled within blocks of 256, used and unused, ridden in another order than issued; the mean of "
        f"{found['as_issued'][0]['batches']} batches in a row, in a long-running pair of cities. 2,200 tickets are a "
        "week of a mean pair at the 2019 peak (20,700 off-city scans a day over 110 pairs, 30 % of tickets used).\n\n"
        + table(head, rows)
    )


def _delay(row: dict[str, Any]) -> str:
    return f"up to {row['delay']:,} tickets later" if row["delay"] else "in the order of issue"


def _contracts(found: dict[str, Any]) -> str:
    rows = [
        (
            row["name"],
            f"{row['bytes']:,}",
            f"{row['initcode_bytes']:,}",
            f"{row['creation_gas']:,}" if row["creation_gas"] else "made by the Consortium",
        )
        for row in found["contracts"]
    ]
    met = all(row["bytes"] < CODE_LIMIT and row["initcode_bytes"] < INITCODE_LIMIT for row in found["contracts"])
    return (
        f"## Contracts\n\nCode below {CODE_LIMIT:,} bytes, initcode below {INITCODE_LIMIT:,}: {verdict(met)}. "
        f"Creation with {found['founders']} founders.\n\n"
        + table(("contract", "code, bytes", "initcode, bytes", "creation, gas"), rows)
    )


def _bound_of_ride(found: dict[str, Any]) -> str:
    return _n(found["one_more_ride"]["bound"])


def _n(value: float) -> str:
    return f"{value:,.0f}"

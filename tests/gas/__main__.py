"""Compares what the acts cost now, and how large the contracts are, with what is written down.

    python -m tests.gas             after `forge test` with the profile gas has measured
    python -m tests.gas --update    write it down anew: snapshot.json, and README.md beside it

Exit code 1 if an act's gas is off by more than 0.5 %, an act came or went, or a contract is too large.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MEASURED = REPOSITORY / "out" / "gas" / "interline.json"
SNAPSHOT = Path(__file__).with_name("snapshot.json")
TABLE = Path(__file__).with_name("README.md")
ARTIFACTS = REPOSITORY / "out" / "forge"
CONTRACTS = ("CityRegistry", "Clearinghouse", "ClearinghouseChecks", "Consortium", "Refunds", "SettlementToken")

TOLERANCE = 0.005
LARGEST_CODE = 24_576  # EIP-170
LARGEST_INIT_CODE = 49_152  # EIP-3860


def sizes() -> dict[str, dict[str, int]]:
    """Bytes of each contract's code, and of what deploys it."""
    found = {}
    for name in CONTRACTS:
        artifact = json.loads((ARTIFACTS / f"{name}.sol" / f"{name}.json").read_text(encoding="utf-8"))
        found[name] = {
            "code": len(artifact["deployedBytecode"]["object"]) // 2 - 1,
            "init code": len(artifact["bytecode"]["object"]) // 2 - 1,
        }
    return found


def too_large(contracts: dict[str, dict[str, int]]) -> list[str]:
    limits = {"code": LARGEST_CODE, "init code": LARGEST_INIT_CODE}
    return [
        f"{name}: expected {kind} below {limits[kind]} bytes, is {size}"
        for name, both in contracts.items()
        for kind, size in both.items()
        if size >= limits[kind]
    ]


def differences(before: dict[str, int], now: dict[str, int]) -> list[str]:
    gone = [f"{act}: written down, but not measured" for act in before if act not in now]
    new = [f"{act}: measured, but not written down" for act in now if act not in before]
    moved = [
        f"{act}: expected {before[act]:,} gas, came {gas:,} ({gas / before[act] - 1:+.2%})"
        for act, gas in now.items()
        if act in before and abs(gas - before[act]) > TOLERANCE * before[act]
    ]
    return gone + new + moved


def table(acts: dict[str, int], contracts: dict[str, dict[str, int]]) -> str:
    """README.md."""
    lines = [
        "# Gas and sizes",
        "",
        "Each act as a transaction of its own, calldata and all, as `make gas-snapshot-update` measured it;",
        f"`make gas-snapshot` fails where one is off by more than {TOLERANCE:.1%}, or a contract too large.",
        "",
        "| act | gas | a ride |",
        "|---|---|---|",
    ]
    for act, gas in acts.items():
        rides = 260 if "10 issuers" in act else int(act.split()[1]) if act.startswith("settle") else 0
        lines.append(f"| {act} | {gas:,} | {f'{gas / rides:,.0f}' if rides else ''} |")
    lines += [
        "",
        f"| contract | code (below {LARGEST_CODE:,} bytes) | init code (below {LARGEST_INIT_CODE:,}) |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {both['code']:,} | {both['init code']:,} |" for name, both in contracts.items()]
    return "\n".join(lines) + "\n"


def main(update: bool) -> int:
    acts = {act: int(gas) for act, gas in json.loads(MEASURED.read_text(encoding="utf-8")).items()}
    contracts = sizes()
    complaints = too_large(contracts)
    if update:
        SNAPSHOT.write_text(json.dumps(acts, indent=2) + "\n", encoding="utf-8")
        TABLE.write_text(table(acts, contracts), encoding="utf-8")
    else:
        complaints += differences(json.loads(SNAPSHOT.read_text(encoding="utf-8")), acts)
    print(
        "\n".join(complaints)
        or f"{len(acts)} acts cost what is written down; {len(contracts)} contracts are small enough"
    )
    if complaints and not update:
        print("if that is meant to be: make gas-snapshot-update, and commit tests/gas")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main("--update" in sys.argv[1:]))

"""What the runs of `make invariants` did: acts and calls, and how many of them succeeded.

    python -m tests.invariants.report out/invariants/story.jsonl

Exit code 1 if fewer than 70 % of the contract calls succeeded, or if fewer than 512 runs were played to their end.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path

LOWEST_RATE = 0.70
RUNS = 512
DEPTH = 100


def main(path: str) -> int:
    # forge plays the last run a second time, to show it.
    runs = [json.loads(line) for line, _ in groupby(Path(path).read_text(encoding="utf-8").splitlines())]
    runs = [run for run in runs if sum(map(sum, run["acts"].values())) == DEPTH]
    if not runs:
        print(f"expected runs of {DEPTH} acts in {path}, found none")
        return 1
    done, refused, idle = Counter[str](), Counter[str](), Counter[str]()
    for run in runs:
        for act, (d, r, i) in run["acts"].items():
            done[act] += d
            refused[act] += r
            idle[act] += i
    totals = {
        key: sum(run[key] for run in runs) for key in ("calls", "succeeded", "refusedOnPurpose", "settled", "refused")
    }
    print(f"{'act':<28}{'done':>7}{'refused':>9}{'idle':>7}")
    for act in sorted(done):
        print(f"{act:<28}{done[act]:>7}{refused[act]:>9}{idle[act]:>7}")
    acts = done.total() + refused.total() + idle.total()
    print(
        f"{len(runs)} runs, {acts} acts: {done.total() / acts:.1%} done, "
        f"{refused.total() / acts:.1%} refused on purpose, {idle.total() / acts:.1%} with nothing to do"
    )
    calls, rate = totals["calls"], totals["succeeded"] / totals["calls"]
    print(
        f"{calls} contract calls: {rate:.1%} succeeded, {totals['refusedOnPurpose'] / calls:.1%} refused on purpose; "
        f"{totals['settled']} rides settled, {totals['refused']} refused"
    )
    return 0 if rate >= LOWEST_RATE and len(runs) >= RUNS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

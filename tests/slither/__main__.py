"""Holds what slither found against the answers written down: nothing new, and no answer to what isn't found any more.

    python -m tests.slither out/slither/findings.json

Exit code 1 if a finding has no answer, or an answer no finding.
"""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ANSWERS = Path(__file__).with_name("answers.toml")


@dataclass(frozen=True, slots=True)
class Answer:
    """Why what one detector says of some place is no fault; `where` may have wildcards."""

    detector: str
    where: str
    why: str

    def covers(self, detector: str, where: str) -> bool:
        return self.detector == detector and fnmatchcase(where, self.where)


def place(finding: dict[str, Any]) -> str:
    """`Clearinghouse.settle`, or `Clearinghouse.settle.operator` for a variable; `all` where no place is named."""
    if not finding["elements"]:
        return "all"
    element = finding["elements"][0]
    names = [] if element["type"] == "node" else [element["name"]]
    while parent := element.get("type_specific_fields", {}).get("parent"):
        names.append(parent["name"])
        element = parent
    return ".".join(reversed(names))


def main(path: str) -> int:
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    if not report["success"]:
        print(f"slither failed: {report['error']}")
        return 2
    findings = [(f["check"], place(f), f["description"]) for f in report["results"].get("detectors", [])]
    entries = tomllib.loads(ANSWERS.read_text(encoding="utf-8"))["answer"]
    answers = [Answer(entry["detector"], entry["where"], entry["why"]) for entry in entries]
    open_ones = [f for f in findings if not any(answer.covers(f[0], f[1]) for answer in answers)]
    unused = [answer for answer in answers if not any(answer.covers(f[0], f[1]) for f in findings)]
    for detector, where, description in open_ones:
        print(f"no answer to {detector} at {where}: {description.strip()}")
    for answer in unused:
        print(f"expected {answer.detector} at {answer.where}, slither doesn't find it (any more): take the answer out")
    print(
        f"{len(findings)} findings, {len(findings) - len(open_ones)} answered, {len(unused)} answers without a finding"
    )
    return 1 if open_ones or unused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

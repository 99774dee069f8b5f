"""Where results go, and how they look: JSON for programs, a Markdown page for people."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.compiler import REPOSITORY

COMMITTED: Final = REPOSITORY / "bench" / "results"
QUICK: Final = REPOSITORY / "out" / "bench"


def write(folder: Path, name: str, document: dict[str, Any], page: str) -> None:
    """Write `name`.json and `name`.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    (folder / f"{name}.md").write_text(page)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def verdict(met: bool) -> str:
    """How a target's outcome is written."""
    return "**met**" if met else "**missed**"


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """What times were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def machine_line(document: dict[str, Any]) -> str:
    """The same as one sentence."""
    found = document["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    return f"{found['processor']}, {found['cores']} cores, {found['system']}; Python {found['python']}; {packages}."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"

"""The compiler of the contracts, for what the benchmark has of its own: the same solc and the same settings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
SOLC: Final = REPOSITORY / "network" / "toolchain" / "solc-v0.8.37"
SETTINGS: Final = {"evmVersion": "prague", "viaIR": True, "optimizer": {"enabled": True, "runs": 1_000_000}}


def compile_contract(source: str) -> tuple[list[Any], str]:
    """ABI and creation bytecode (hex) of the contract in a file that is named like it, below the repository's root.

    Raises:
        RuntimeError: it doesn't compile.
    """
    name = Path(source).stem
    request = {
        "language": "Solidity",
        "sources": {source: {"content": (REPOSITORY / source).read_text()}},
        "settings": SETTINGS | {"outputSelection": {source: {name: ["abi", "evm.bytecode.object"]}}},
    }
    command = ["node", str(SOLC), "--standard-json", "--base-path", ".", "--include-path", "node_modules"]
    done = subprocess.run(command, cwd=REPOSITORY, input=json.dumps(request), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{source}: the compiler failed: {done.stderr.strip()}")
    answer = json.loads(done.stdout)
    errors = [error["formattedMessage"] for error in answer.get("errors", []) if error["severity"] == "error"]
    if errors:
        raise RuntimeError(f"{source}: {errors[0]}")
    contract = answer["contracts"][source][name]
    return contract["abi"], contract["evm"]["bytecode"]["object"]

"""Plants one bug at a time in the contracts, and sees whether a test finds it.

    python -m tests.mutation                  every mutant of mutants.toml, and results.md
    python -m tests.mutation --sample 8       some of them, spread over the files; nothing is written
    python -m tests.mutation --only pays-twice

A mutant is a file, a text that stands in it once, what stands there instead, and what that breaks. Each is compiled
and tried in a copy of the repository of its own. Exit code: 0 if every mutant was killed, or survives and is explained;
1 if one survived; 2 if a mutant's text isn't there (any more) or doesn't compile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WORK = REPOSITORY / "out" / "mutation"
NOTES = WORK / "results.jsonl"
COPIED = ("contracts", "tests", "interline", "network", "cities", "gate_client", "issuer_client", "consortium", "bench")
DEPLOYED = ("CityRegistry", "Consortium", "SettlementToken", "Clearinghouse", "Refunds")
CHECKS_TIMEOUT = 7_200  # of a whole suite that hangs; above the limit of any of its tests
LIKELY = {
    "CityRegistry": ("members", "two_keys", "seats", "recovery_address", "lost_waits", "recovery"),
    "Clearinghouse": ("settlement", "arrears", "funds", "daily_limit", "parameters", "stop", "succession"),
    "ClearinghouseChecks": ("parameters", "succession", "funds", "daily_limit"),
    "Consortium": ("votes", "waits", "lost_waits", "recovery", "seats", "stop_calls"),
    "ProtocolHashes": ("vectors", "disputes", "refunds"),
    "Refunds": ("refunds", "disputes"),
    "RideLoop": ("ride_reasons", "batch_format", "settlement"),
    "RideRules": ("ride_reasons",),
}
LONG = ("roles", "stolen_keys", "stolen_votes", "against_reference")


class StaleMutant(Exception):
    """A mutant that can't be planted: its text isn't there once, or what comes of it doesn't compile."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted bug. `survives` says why no test could find it; empty where one must."""

    name: str
    file: str
    find: str
    replace: str
    breaks: str
    suite: tuple[str, ...]
    survives: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a mutant: which suite and test killed it, or none."""

    mutant: Mutant
    suite: str
    test: str
    seconds: float

    @property
    def killed(self) -> bool:
        return bool(self.suite)


def load() -> list[Mutant]:
    """All mutants, in the file's order."""
    entries = tomllib.loads((HERE / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
    mutants = [
        Mutant(
            name=entry["name"],
            file=entry["file"],
            find=entry["find"],
            replace=entry["replace"],
            breaks=entry["breaks"],
            suite=tuple(entry.get("suite", ("contracts",))),
            survives=entry.get("survives", ""),
        )
        for entry in entries
    ]
    names = [mutant.name for mutant in mutants]
    if len(set(names)) != len(names):
        raise StaleMutant(f"expected a name of its own for each mutant, found twice: {_twice(names)}")
    return mutants


def _twice(names: list[str]) -> str:
    return ", ".join(sorted({name for name in names if names.count(name) > 1}))


# ---------------------------------------------------------------- planting


def mutated(mutant: Mutant) -> str:
    """The file's text with the bug in it."""
    text = (REPOSITORY / mutant.file).read_text(encoding="utf-8")
    if text.count(mutant.find) != 1:
        raise StaleMutant(
            f"{mutant.name}: expected its text once in {mutant.file}, found {text.count(mutant.find)} times"
        )
    return text.replace(mutant.find, mutant.replace)


def plant(mutant: Mutant) -> Path:
    """A copy of the repository with the bug in it, its contracts compiled as ape would have."""
    folder = WORK / mutant.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__", ".cache", "node_modules")
    for name in COPIED:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "foundry.toml", "ape-config.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    for name in ("node_modules", ".venv"):
        (folder / name).symlink_to((REPOSITORY / name).resolve())
    (folder / mutant.file).write_text(mutated(mutant), encoding="utf-8")
    (folder / ".build").mkdir()
    (folder / ".build" / "__local__.json").write_text(json.dumps({"contractTypes": _compiled(folder, mutant)}))
    return folder


def _compiled(folder: Path, mutant: Mutant) -> dict[str, object]:
    """What the tests read of a manifest: ABI and code of the contracts; only those that the mutant may change anew."""
    whole = json.loads((REPOSITORY / ".build" / "__local__.json").read_text())["contractTypes"]
    types = {
        name: {key: whole[name][key] for key in ("abi", "deploymentBytecode")} for name in DEPLOYED if name in whole
    }
    for name, output in _solc(folder, _affected(mutant.file)).items():
        types[name] = {
            "abi": output["abi"],
            "deploymentBytecode": {"bytecode": "0x" + output["evm"]["bytecode"]["object"]},
        }
    return types


def _affected(file: str) -> tuple[str, ...]:
    """What has to be compiled anew: the Consortium makes the registry, the Clearinghouse its Refunds."""
    name = Path(file).stem
    if name in ("CityRegistry", "Consortium"):
        return ("Consortium",)
    return (name,) if name == "SettlementToken" else ("Clearinghouse",)


def _solc(folder: Path, names: tuple[str, ...]) -> dict[str, dict[str, object]]:
    files = {f"contracts/{name}.sol": name for name in names if (folder / "contracts" / f"{name}.sol").exists()}
    request = {
        "language": "Solidity",
        "sources": {file: {"content": (folder / file).read_text(encoding="utf-8")} for file in files},
        "settings": {
            "evmVersion": "prague",
            "viaIR": True,
            "optimizer": {"enabled": True, "runs": 1_000_000},
            "remappings": ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
            "outputSelection": {file: {name: ["abi", "evm.bytecode.object"]} for file, name in files.items()},
        },
    }
    solc = [REPOSITORY / "network" / "toolchain" / "solc-v0.8.37", "--standard-json", "--base-path", folder]
    answer = subprocess.run(solc, input=json.dumps(request), cwd=folder, capture_output=True, text=True, check=True)
    output = json.loads(answer.stdout)
    errors = [error["formattedMessage"] for error in output.get("errors", []) if error["severity"] == "error"]
    if errors:
        raise StaleMutant(f"{folder.name}: doesn't compile: {errors[0]}")
    return {name: output["contracts"][file][name] for file, name in files.items()}


# ---------------------------------------------------------------- trying


def attempt(mutant: Mutant) -> Result:
    """Plants a mutant and runs its suites until one fails."""
    started = time.monotonic()
    folder = plant(mutant)
    for suite in mutant.suite:
        test = _failing(folder, mutant, suite)
        if test:
            shutil.rmtree(folder)
            return Result(mutant, suite, test, time.monotonic() - started)
    return Result(mutant, "", "", time.monotonic() - started)


def _failing(folder: Path, mutant: Mutant, suite: str) -> str:
    """The first test of a suite that fails; empty if none does."""
    if suite == "invariants":
        return _failing_invariant(folder)
    targets = contract_tests(folder, mutant) if suite == "contracts" else [suite]
    options = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--no-header", "-rf"]
    run = _run(folder, [".venv/bin/pytest", *options, *targets])
    if run.returncode in (0, 5):
        return ""
    lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split(" - ")[0].split("::", 1)[-1].removeprefix("ERROR ") if lines else "the tests don't start"


def contract_tests(folder: Path, mutant: Mutant) -> list[str]:
    """The files of tests/contracts: those that a bug in this file fails most likely first, the long ones last."""
    likely = LIKELY.get(Path(mutant.file).stem, ())
    names = sorted(path.stem.removeprefix("test_") for path in (folder / "tests" / "contracts").glob("test_*.py"))
    first = [name for name in likely if name in names]
    last = [name for name in LONG if name in names and name not in first]
    others = [name for name in names if name not in first and name not in last]
    return [f"tests/contracts/test_{name}.py" for name in (*first, *others, *last)]


def _failing_invariant(folder: Path) -> str:
    (folder / "out" / "invariants").mkdir(parents=True, exist_ok=True)
    # Not node_modules/.bin/forge: npm's launcher ends with 0 whatever forge ends with.
    forge = next(folder.glob("node_modules/@foundry-rs/forge-*/bin/forge*"))
    run = _run(folder, [str(forge), "test"], FOUNDRY_INVARIANT_RUNS="32")
    if run.returncode == 0:
        return ""
    for line in run.stdout.splitlines():
        if line.startswith("[FAIL: "):
            return "invariants: " + line.removeprefix("[FAIL: ").removesuffix("]")[:90]
    raise StaleMutant(f"{folder.name}: forge: {run.stdout[-300:]} {run.stderr[-300:]}")


def _run(folder: Path, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(folder), **environment}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=CHECKS_TIMEOUT)


# ---------------------------------------------------------------- telling


def _note(result: Result) -> None:
    with NOTES.open("a", encoding="utf-8") as notes:
        notes.write(json.dumps([result.mutant.name, result.suite, result.test, result.seconds]) + "\n")


def _noted() -> dict[str, tuple[str, str, float]]:
    if not NOTES.exists():
        return {}
    lines = [json.loads(line) for line in NOTES.read_text(encoding="utf-8").splitlines()]
    return {name: (suite, test, seconds) for name, suite, test, seconds in lines if suite}


def table(results: list[Result]) -> str:
    """results.md."""
    killed = sum(result.killed for result in results)
    seconds = sum(result.seconds for result in results)
    lines = [
        "# Planted bugs",
        "",
        f"`make mutants` planted {len(results)} bugs one at a time; {killed} were found by a test, "
        f"{len(results) - killed} are explained. That took {seconds / 60:.0f} minutes, counted one after the other.",
        "",
        "| file | bug | found by |",
        "|---|---|---|",
    ]
    for result in results:
        found = f"`{result.test}`" if result.killed else f"nothing, and rightly: {result.mutant.survives}"
        lines.append(
            f"| {Path(result.mutant.file).stem} | {result.mutant.breaks} | {found.replace('|', chr(92) + '|')} |"
        )
    return "\n".join(lines) + "\n"


def spread(mutants: list[Mutant], count: int) -> list[Mutant]:
    """`count` of them, from all over the list."""
    return [mutants[i * len(mutants) // count] for i in range(min(count, len(mutants)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, help="how many, spread over all")
    parser.add_argument("--only", nargs="+", default=[], help="names")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--continue", dest="go_on", action="store_true", help="keep what earlier runs found")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    try:
        mutants = load()
        for mutant in mutants:
            mutated(mutant)
    except StaleMutant as stale:
        print(stale, file=sys.stderr)
        return 2
    chosen = [mutant for name in options.only for mutant in mutants if mutant.name == name] or mutants
    if options.sample:
        chosen = spread(chosen, options.sample)
    results, stale_ones = [], []
    before = _noted() if options.go_on else {}
    results += [Result(mutant, *before[mutant.name]) for mutant in chosen if mutant.name in before]
    with ThreadPoolExecutor(options.jobs) as pool:
        todo = [mutant for mutant in chosen if mutant.name not in before]
        for mutant, future in [(mutant, pool.submit(attempt, mutant)) for mutant in todo]:
            try:
                result = future.result()
            except StaleMutant as stale:
                stale_ones.append(stale)
                print(f"{mutant.name}: can't be planted: {stale}", flush=True)
                continue
            results.append(result)
            _note(result)
            said = (
                f"killed by {result.test}"
                if result.killed
                else "SURVIVES" + (" as explained" if mutant.survives else "")
            )
            print(f"{mutant.name} ({result.seconds:.0f} s): {said}", flush=True)
    unexplained = [result for result in results if not result.killed and not result.mutant.survives]
    print(
        f"{sum(result.killed for result in results)} of {len(results)} mutants killed, {len(unexplained)} unexplained"
    )
    if stale_ones:
        return 2
    if chosen == mutants and not unexplained:
        results.sort(key=lambda result: mutants.index(result.mutant))
        (HERE / "results.md").write_text(table(results), encoding="utf-8")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())

"""The runbook, done as it says: each part's commands of governing, in their order, with time made to pass.

Commands of gates and ticket offices are held to the names and options that those have; their own tests run them.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gate_client.cli import main as gate_client
from issuer_client.cli import main as issuer_client
from network.accounts import Role
from tests.e2e.test_consortium import (
    ADMIN,
    DAY,
    NEW_ADMIN,
    NEW_KEY,
    NEW_RECOVERY,
    NEW_SUBMITTER,
    NEW_TREASURY,
    REPOSITORY,
    STRANGER,
    TREASURY,
    World,
    founded,
    four,
    of,
)

__all__ = ["founded", "four"]
RUNBOOK = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
NAMES = {
    "ADMIN": ADMIN,
    "ANYONE": STRANGER,
    "BATCH": "0x" + 64 * "a",
    "NEW_ADMIN": NEW_ADMIN,
    "NEW_KEY": NEW_KEY,
    "NEW_RECOVERY": NEW_RECOVERY,
    "NEW_SUBMITTER": NEW_SUBMITTER,
    "NEW_TREASURY": NEW_TREASURY,
    "OLD_SUBMITTER": of("Hangzhou", Role.SUBMITTER),
    "SUCCESSOR": NEW_KEY,
    "THIEF": STRANGER,
    "TREASURY": TREASURY,
}
CLIENTS = {"gate-client": gate_client, "issuer-client": issuer_client}


LATER = re.compile(r"# ([0-9]+) days? later")


def parts() -> Iterator[tuple[str, list[str]]]:
    """The headings, and the lines of the `sh` blocks below each; lines such as `# 7 days later` are no headings."""
    for part in re.split(r"^#+ (?![0-9]+ days? later$)", RUNBOOK, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if blocks:
            yield heading, "".join(blocks).splitlines()


@pytest.mark.parametrize(("heading", "lines"), list(parts()), ids=[heading for heading, _ in parts()])
def test_the_runbook_can_be_followed(four: World, heading: str, lines: list[str]) -> None:
    if "arrears" in heading:
        four.does("withdraw", "all", "--as", "Shanghai")
        four.settles("Shanghai", "Hangzhou", 1_500)
    if "withheld" in heading:
        four.does("daily-limit", "Hangzhou", "10")
        four.settles("Hangzhou", "Shanghai", 1_500)
    for line in lines:
        later = LATER.fullmatch(line)
        if later:
            four.wait(int(later[1]) * DAY)
            continue
        command, _, remark = line.partition("    # ")
        program, *words = shlex.split(re.sub(r"\$([A-Z_]+)", lambda name: NAMES[name[1]], command))
        if program in CLIENTS:
            require_options(CLIENTS[program], words)
            continue
        assert [program, words[0]] == ["ape", "run"], line
        expected = int(found[1]) if (found := re.match(r"exit status ([12])", remark)) else 0
        ended = four.run(words[1], *words[2:])
        assert ended.status == expected, (line, ended.err)


def require_options(group: click.Command, words: list[str]) -> None:
    """Make sure that a client has the command and the options of a line."""
    assert isinstance(group, click.Group)
    context = click.Context(group, info_name=group.name)
    _, rest, _ = group.make_parser(context).parse_args(list(words))
    name, *arguments = rest
    command = group.get_command(context, name)
    assert command is not None, f"there is no {name}"
    command.make_context(name, list(arguments), parent=context, resilient_parsing=False)


def test_every_command_of_the_runbook_is_in_a_part_that_is_run() -> None:
    run = [line for _, lines in parts() for line in lines]
    assert len([line for line in run if line.startswith("ape run ")]) == len(
        re.findall(r"^ape run ", RUNBOOK, re.MULTILINE)
    )
    assert len([line for line in run if LATER.fullmatch(line)]) == RUNBOOK.count(" later\n")
    assert len({heading for heading, _ in parts()}) == len(list(parts()))


def test_the_runbook_names_only_paths_that_are_there() -> None:
    for path in re.findall(r"`((?:tests|docs|deployments)/[\w./-]+)`", RUNBOOK):
        assert (REPOSITORY / Path(path)).exists(), path

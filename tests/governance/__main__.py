"""`make governance`: explore, print the table, and hold SECURITY.md's to it; with --update, write it there.

Ends with 1 where they differ, or where honest members below a third of stolen cities can be kept from going on.
"""

from __future__ import annotations

import sys

import click

from tests.governance.harms import HARMS
from tests.governance.liveness import unstoppable
from tests.governance.search import Count
from tests.governance.table import SECURITY, SIZES, Finding, find, markdown, update, written


@click.command()
@click.option("--update", "write", is_flag=True, help="Write the table between its markers in SECURITY.md.")
def main(write: bool) -> None:
    """The smallest coalition for each harm, for consortia of 1 to 6 cities."""
    findings = []
    for cities in SIZES:
        column = [find(harm, cities) for harm in HARMS]
        findings += column
        _tell(cities, column)
        _tell_liveness(cities)
    lines = markdown(findings)
    click.echo("\n" + "\n".join(lines) + "\n")
    security = SECURITY.read_text(encoding="utf-8")
    if write:
        SECURITY.write_text(update(security, lines), encoding="utf-8")
    elif written(security) != lines:
        said = "expected SECURITY.md to have this table, found another there; make governance UPDATE=1 writes it"
        click.echo(said, err=True)
        sys.exit(1)


def _tell(cities: int, column: list[Finding]) -> None:
    count = Count()
    for finding in column:
        count.add(finding.count)
    seconds = sum(finding.seconds for finding in column)
    cut = f", {count.cut:,} times no further after the last wait" if count.cut else ""
    click.echo(f"{cities} cities: {count.states:,} states, {count.transitions:,} transitions{cut}, {seconds:.1f} s")


def _tell_liveness(cities: int) -> None:
    count = Count()
    failed = unstoppable(cities, count)
    if failed:
        click.echo(f"expected honest members of {cities} cities to go on, {failed} keep them from it", err=True)
        sys.exit(1)
    click.echo(f"          below a third of the cities stolen: {count.states:,} states, from each the others go on")


if __name__ == "__main__":
    main()

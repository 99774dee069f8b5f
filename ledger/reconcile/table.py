"""What a reconciliation found, laid out for people."""

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from ledger.reconcile.findings import Finding, Result


def findings_tables(results: Sequence[Result]) -> list[Table]:
    """Every difference; those with the same cause and the same thing to do together, in a table that says both."""
    findings = [finding for result in results for finding in result.findings]
    return [_table(*why, list(some)) for why, some in groupby(findings, key=_why)]


def _why(finding: Finding) -> tuple[str, str, str]:
    return finding.check, finding.cause, finding.action


def _table(check: str, cause: str, action: str, findings: Sequence[Finding]) -> Table:
    count = "1 difference" if len(findings) == 1 else f"{len(findings)} differences"
    table = Table(
        title=f"{check}: {count}",
        title_justify="left",
        caption=f"Cause: {cause}.\nWhat to do: {action}.",
        caption_justify="left",
        caption_style="default",
        box=box.SIMPLE_HEAD,
        show_header=False,
    )
    table.add_column(style="bold")
    table.add_column(overflow="fold")  # a batch's id stays in one piece, to be copied
    for one in findings:
        table.add_row("where", _text(one.where))
        table.add_row("expected", _text(one.expected))
        table.add_row("came", _text(one.came), end_section=True)
    return table


def _text(said: str) -> Text:
    """As it is: what banks and cities write isn't the console's markup, nor its control codes."""
    return Text("".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in said))

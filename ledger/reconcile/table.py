"""What a reconciliation found, laid out for people."""

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.table import Table

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
        table.add_row("where", one.where)
        table.add_row("expected", one.expected)
        table.add_row("came", one.came, end_section=True)
    return table

"""What a reconciliation found, as a table for people."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from ledger.reconcile.findings import Result


def findings_table(results: Sequence[Result]) -> Table | None:
    """Every difference: where, what was expected, what came, why, and what to do; None where nothing differs."""
    findings = [finding for result in results for finding in result.findings]
    if not findings:
        return None
    table = Table(title="Differences", box=box.SIMPLE_HEAD, show_lines=True)
    for heading in ("check", "where", "expected", "came", "cause", "what to do"):
        table.add_column(heading, overflow="fold")
    for one in findings:
        table.add_row(one.check, one.where, one.expected, one.came, one.cause, one.action)
    return table

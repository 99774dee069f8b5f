"""The balances as a table for people."""

from rich import box
from rich.table import Table

from interline.money import format_yuan
from ledger.balances import Balances


def balances_table(balances: Balances) -> Table:
    """All cities and a line of totals, in yuan; the proof is the caption."""
    table = Table(
        title="Balances, yuan", box=box.SIMPLE_HEAD, caption=balances.proof(), caption_justify="left", show_footer=True
    )
    table.caption_style = "red" if balances.faults() else "green"
    position = sum(city.position for city in balances.cities)
    table.add_column("code", "", justify="right")
    table.add_column("city", f"{len(balances.cities)} cities")
    for heading, total in (
        ("balance", balances.total),
        ("position", position),
        ("owes others", balances.total_owed),
        ("is owed", balances.total_due),
    ):
        table.add_column(heading, format_yuan(total), justify="right")
    for city in balances.cities:
        amounts = (city.balance, city.position, city.arrears_owed, city.arrears_due)
        table.add_row(str(city.code), city.name, *map(format_yuan, amounts))
    return table

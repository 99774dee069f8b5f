"""The books as tables for people."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from interline.money import format_yuan
from interline.naming import find_city
from ledger.balances import Balances
from ledger.errors import UnknownCityError
from ledger.recompute import Recomputed


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
    withheld = bool(balances.total_withheld)
    if withheld:
        table.add_column("of it withheld", format_yuan(balances.total_withheld), justify="right")
    for city in balances.cities:
        amounts = [city.balance, city.position, city.arrears_owed, city.arrears_due]
        amounts += [city.arrears_withheld] if withheld else []
        table.add_row(str(city.code), city.name, *map(format_yuan, amounts))
    return table


def recomputed_table(recomputed: Recomputed, code: int) -> Table:
    """One city's totals with each other city, in yuan, as they follow from the rides; its accounts are the caption."""
    books = recomputed.books
    names = {city.code: city.name for city in recomputed.balances.cities}
    accounts = (
        ("deposits", books.deposits[code]),
        ("withdrawals", books.withdrawals[code]),
        ("balance", books.balances[code]),
        ("owes in arrears", books.arrears_of(code)),
        ("of which withheld", books.withheld_of(code)),
        ("is owed", books.arrears_due(code)),
    )
    caption = ", ".join(f"{name} {format_yuan(amount)}" for name, amount in accounts)
    table = Table(
        title=f"{names.get(code, code)}, recomputed, yuan", box=box.SIMPLE_HEAD, caption=caption, caption_justify="left"
    )
    table.add_column("with")
    for heading in ("carried", "fares", "refunded", "fees", "rode there", "fares", "refunded", "fees", "in dispute"):
        table.add_column(heading, justify="right")
    for other, earned, owed in books.partners(code):
        cells = [f"{earned.rides:,}", *map(format_yuan, (earned.fares, earned.refunded, earned.fees))]
        cells += [f"{owed.rides:,}", *map(format_yuan, (owed.fares, owed.refunded, owed.fees))]
        table.add_row(str(names.get(other, other)), *cells, format_yuan(earned.disputed + owed.disputed))
    return table


def choose_cities(balances: Balances, wanted: Sequence[str]) -> list[int]:
    """The codes of cities given by name (any case) or code; of all, where none is given.

    Raises:
        UnknownCityError: no such city is or was a member.
    """
    names = [(city.code, (city.name,)) for city in balances.cities]
    found = []
    for one in wanted:
        code = find_city(one, names)
        if code is None:
            known = ", ".join(f"{city.name} ({city.code})" for city in balances.cities)
            raise UnknownCityError(f"expected a city that is or was a member ({known}), came {one!r}")
        found.append(code)
    return found or [city.code for city in balances.cities]

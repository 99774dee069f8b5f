"""What `status` says of members, their keys and limits, and the rules, in lines and tables for people; no network."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from consortium.money import Withheld
from consortium.standing import City, House, Standing, votes_needed
from consortium.times import format_moment
from consortium.words import PARAMETERS
from interline.money import format_yuan

CalledOff = Mapping[str, Sequence[str]]
"""Addresses of successors that were called off, by the Clearinghouse's address."""


def city_keys(city: City) -> list[str]:
    """A city's addresses and the changes of them that are proposed, a line each."""
    lines = [city.admin, (city.treasury or "no treasury") + (" FROZEN" if city.frozen else "")]
    lines.append(f"recovery: {city.recovery.address}")
    for role, address, since in (
        ("admin", city.new_admin, city.new_admin_from),
        ("treasury", city.new_treasury, city.new_treasury_from),
        ("recovery", city.recovery.new, city.recovery.new_from),
    ):
        if address:
            when = f"from {format_moment(since)}" if since else "once the other key names it, too"
            lines += [f"{role} {when}:", f"  {address}"]
    return lines


def votes_lines(standing: Standing) -> list[str]:
    """How many seats count and what two thirds of them are, which don't count yet; what small consortia can't do."""
    count = len(standing.voters)
    needed = votes_needed(count)
    lines = [f"{count} {'seat counts' if count == 1 else 'seats count'} in votes, {needed} are two thirds"]
    lines += [
        f"the seat of {city.label} counts from {format_moment(city.counts_from)} on"
        for city in standing.members
        if city.counts_from > standing.now
    ]
    if count - 1 < needed:
        lines.append("with so few nobody can be suspended or expelled: whom it concerns has no vote in it")
    elif count - 1 == needed:
        lines.append("to suspend or expel one takes all others")
    if count == 1:
        lines.append("a recovery takes no vote, as there are no others, but a week")
    return lines


def suspension_lines(standing: Standing) -> list[str]:
    """The suspensions that are over, whose rides stay refused, a line each."""
    return [
        f"{city.label} was suspended from {format_moment(one.start)} to {format_moment(one.end)}"
        for city in standing.cities.values()
        for one in city.suspensions
    ]


def rules_lines(house: House) -> list[str]:
    """From when the rules to come hold, and what rides of before the last change are judged by, a line each."""
    lines = []
    if house.pending is not None:
        lines.append(f"those to come hold for rides that end from {format_moment(house.pending_from)} on")
    elif house.before != house.parameters:
        differ = [
            f"{words} {show(getattr(house.before, field))}"
            for field, words, show in PARAMETERS
            if getattr(house.before, field) != getattr(house.parameters, field)
        ]
        lines.append(f"rides that ended before the last change: {', '.join(differ)}")
    return lines


def money_tables(standing: Standing, withheld: Mapping[int, Sequence[Withheld]]) -> list[RenderableType]:
    """Daily limits, what was taken of them today, and what is withheld; nothing where no city has a limit."""
    accounts = standing.house.accounts
    limited = [city for city in standing.cities.values() if accounts[city.code].daily_limit or withheld.get(city.code)]
    if not limited:
        return []
    table = Table(box=box.SIMPLE_HEAD, title="Daily limits", title_justify="left")
    for heading in ("city", "limit", "taken today", "withheld"):
        table.add_column(heading, justify="left" if heading == "city" else "right")
    lines = []
    for city in limited:
        account = accounts[city.code]
        limit = format_yuan(account.daily_limit) if account.daily_limit else "none"
        table.add_row(city.label, limit, format_yuan(account.taken_today), format_yuan(account.withheld))
        lines += [f"{city.label} withholds {one.says(standing.now)}" for one in withheld.get(city.code, ())]
    return [table, Text("\n".join(lines))] if lines else [table]

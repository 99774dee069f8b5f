"""`ape run consortium`: what a city does with its money, and what its tickets may take from it."""

from pathlib import Path
from typing import Any, Final

import click

from consortium import money
from consortium.act_options import Yuan, act_options, answer, open_desk, parse_reference, signing_options
from consortium.acts import Deed
from consortium.chain import Chain
from consortium.command import Answer, ChainCommand
from consortium.errors import InputError
from consortium.governing import Desk
from consortium.happened import read_withheld
from consortium.money import Debt, Withheld
from consortium.standing import City, yuan
from consortium.times import format_day, parse_day
from interline.money import parse_yuan

REFERENCE = click.option("--reference", default="", help="Of the bank transfer it stands for: text, or 0x and hex.")


@click.command(cls=ChainCommand)
@click.argument("amount", metavar="YUAN", type=Yuan())
@REFERENCE
@act_options
def deposit(chain: Chain, path: Path, amount: int, reference: str, **who: Any) -> Answer:
    """Take YUAN of the treasury's tokens (or of --account's) into the city's balance."""
    desk = open_desk(chain, path, **who)
    city, treasury = desk.acting("treasury")
    tokens, allowance = desk.survey.tokens(treasury.address)
    if tokens < amount:
        raise InputError(
            f"expected {treasury.address} ({treasury.role}) to have {yuan(amount)} of tokens, it has "
            f"{yuan(tokens)}: let the settlement bank mint the rest against a transfer"
        )
    deed = money.deposit(desk.standing, city, treasury, amount, parse_reference(reference), allowance)
    return answer(desk.do(deed))


@click.command(cls=ChainCommand)
@click.argument("amount", metavar="YUAN|all")
@REFERENCE
@act_options
def withdraw(chain: Chain, path: Path, amount: str, reference: str, **who: Any) -> Answer:
    """Pay YUAN of the city's balance out to its treasury, which signs; `all` is all that it can withdraw."""
    desk = open_desk(chain, path, **who)
    city, treasury = desk.acting("treasury")
    fen = desk.standing.house.accounts[city.code].withdrawable if amount == "all" else parse_yuan(amount)
    return answer(desk.do(money.withdraw(desk.standing, city, treasury, fen, parse_reference(reference))))


@click.command("pay-arrears", cls=ChainCommand)
@click.option("--to", "creditors", metavar="CITY", multiple=True, help="Those to be paid; all of them unless given.")
@click.option("--debtor", metavar="CITY", help="Whose arrears; those of the city that acts unless given.")
@act_options
def pay_arrears(chain: Chain, path: Path, creditors: tuple[str, ...], debtor: str | None, **who: Any) -> Answer:
    """Pay a city's arrears from its balance, as far as that reaches; anyone may. Exit status 1: some are left.

    What is above the city's daily limit is withheld, and can't be paid yet: see `release-withheld`.
    """
    desk = open_desk(chain, path, **who)
    owing = desk.acting("admin", "treasury")[0] if debtor is None else desk.city(debtor)
    actor = desk.anyone() if debtor is not None else desk.acting("treasury", "admin")[1]
    wanted = [desk.city(creditor) for creditor in creditors] or list(desk.standing.cities.values())
    debts = [Debt(city, *desk.survey.arrears(owing.code, city.code)) for city in wanted]
    outcome = desk.do(money.pay_arrears(desk.standing, owing, actor, [debt for debt in debts if debt.owed]))
    account = desk.standing.house.accounts[owing.code]
    withheld = read_withheld(chain, desk.standing, owing) if account.withheld else []
    waits = [f"withheld: {one.says(desk.standing.now)}" for one in withheld if one.amount]
    if account.owes > account.withheld:
        waits.insert(0, f"{owing.label} still owes {yuan(account.owes - account.withheld)}: deposit first")
    return answer(outcome.saying(waits_for=() if desk.dry_run else waits))


@click.command("daily-limit", cls=ChainCommand)
@click.argument("city")
@click.argument("amount", metavar="YUAN|none")
@signing_options
def daily_limit(chain: Chain, path: Path, city: str, amount: str, **who: Any) -> Answer:
    """Set what CITY's tickets may take from it in a day (UTC), so that a stolen issuer key can't empty it.

    Its treasury signs. What settles above that is owed, but paid only once the city confirms it (`release-withheld`),
    or when there was time to end the key and to dispute. `none`: no limit.
    """
    desk = open_desk(chain, path, **who)
    whose, fen = desk.city(city), _limit(amount)
    return answer(desk.do(money.set_daily_limit(desk.standing, whose, desk.actor_for(whose, "treasury"), fen)))


def _limit(amount: str) -> int:
    if amount == "none":
        return 0
    try:
        fen = parse_yuan(amount)
    except ValueError as error:
        raise InputError(f"expected a daily limit in yuan, or none, found {amount!r}: {error}") from error
    if fen == 0:
        raise InputError("expected a daily limit above 0.00 yuan, or none for no limit, found 0.00: write which")
    return fen


@click.command("release-withheld", cls=ChainCommand)
@click.argument("city")
@click.option("--to", "creditors", metavar="CITY", multiple=True, help="What it owes them; all of it unless given.")
@click.option("--day", "days", metavar="DATE", multiple=True, help="What settled on that day (UTC), as its treasury.")
@click.option("--all", "all_of_it", is_flag=True, help="All of it, as its treasury: the fares are in order.")
@signing_options
def release_withheld(
    chain: Chain,
    path: Path,
    city: str,
    creditors: tuple[str, ...],
    days: tuple[str, ...],
    all_of_it: bool,
    **who: Any,
) -> Answer:
    """Show what of CITY's arrears is above its daily limit, by day, and let be paid what is due.

    Anyone may once the answer time and 4 days have passed since the day; with --day or --all CITY's treasury confirms
    it before, once it found the fares in order. Exit status 1: some is still withheld.
    """
    desk = open_desk(chain, path, **who)
    debtor, wanted = desk.city(city), {parse_day(day) for day in days}
    named = {desk.city(creditor).code for creditor in creditors}
    days_of = read_withheld(chain, desk.standing, debtor)
    found = [one for one in days_of if one.amount]
    chosen = [one for one in found if not named or one.creditor.code in named]
    if not all_of_it:
        chosen = [one for one in chosen if one.day in wanted or (not days and one.until <= desk.standing.now)]
    _require_found(wanted, chosen)
    now = desk.standing.now
    listed = [f"withheld: {one.says(now)}" for one in found] or [f"nothing of {debtor.label}'s arrears is withheld"]
    left = [f"withheld: {one.says(now)}" for one in found if one not in chosen]
    creditors_paid = {one.creditor.code for one in chosen}
    set_off = [one for one in days_of if not one.amount and one.until <= now and one.creditor.code in creditors_paid]
    outcome = desk.do(_release(desk, debtor, [*set_off, *chosen]), withheld=[one.to_json() for one in found])
    return answer(outcome.saying(*listed, waits_for=left))


def _release(desk: Desk, debtor: City, chosen: list[Withheld]) -> Deed:
    if not chosen:
        return Deed("release-withheld", ())
    early = any(one.until > desk.standing.now for one in chosen)
    actor = desk.actor_for(debtor, "treasury") if early else desk.anyone()
    return money.release_withheld(desk.standing, debtor, actor, chosen)


def _require_found(wanted: set[int], chosen: list[Withheld]) -> None:
    absent = wanted - {one.day for one in chosen}
    if absent:
        days = ", ".join(format_day(day) for day in sorted(absent))
        raise InputError(
            f"expected a day (UTC) of which something is withheld, found nothing of {days}: leave --day out"
        )


MONEY_COMMANDS: Final = (deposit, withdraw, pay_arrears, daily_limit, release_withheld)

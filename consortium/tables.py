"""What was done, as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Final

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from consortium.costs import format_fee
from consortium.deploying import Deployed
from consortium.money import Withheld
from consortium.onboarding import Onboarding
from consortium.outcome import Outcome
from consortium.proposals import ReadProposal
from consortium.standing import House, Standing
from consortium.status import CalledOff, city_keys, money_tables, rules_lines, suspension_lines, votes_lines
from consortium.times import format_moment
from consortium.words import PARAMETERS
from interline.money import format_yuan
from interline.safe_text import short_hex

SHOWN_DATA: Final = 4_096
"""Bytes of a proposal's calldata; `--json` has all of them."""
_MONEY: Final = ("balance", "reserve", "owes")
_WHOLE: Final = (*_MONEY, "city", "admin, treasury")
"""Columns whose words stay together."""


def deployment_table(deployed: Deployed) -> Table:
    """The contracts of a deployment."""
    done = f"{len(deployed.receipts)} transactions" if deployed.receipts else "nothing was missing"
    caption = f"{deployed.path}: {done}"
    table = Table(
        title=f"Chain {deployed.deployment.chain_id}", box=box.SIMPLE_HEAD, caption=caption, caption_justify="left"
    )
    table.add_column("contract")
    table.add_column("address", no_wrap=True)
    table.add_column("block", justify="right")
    for name, contract in sorted(deployed.deployment.contracts.items()):
        table.add_row(name, contract.address, str(contract.block))
    return table


def onboarding_table(onboardings: Sequence[Onboarding]) -> Table:
    """What a run did for each city, and what it cost."""
    table = Table(
        title="Onboarding",
        box=box.SIMPLE_HEAD,
        caption="of this run; vote gas is that of other members' approvals, gas all the rest",
        caption_justify="left",
    )
    table.add_column("city", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for heading in ("members", "votes", "gas", "vote gas", "seconds", "deposited"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in onboardings:
        table.add_row(
            one.city.name,
            one.status,
            str(one.members_before),
            "" if one.proposal is None else f"{one.proposal.votes} of {one.proposal.votes_needed}",
            f"{one.gas:,}",
            f"{one.vote_gas:,}",
            f"{one.seconds:.1f}",
            format_yuan(one.state.deposited),
        )
    return table


# ---------------------------------------------------------------- governing


def outcome_tables(outcome: Outcome) -> list[RenderableType]:
    """What an act did, or in a dry run would do and cost."""
    head = "would, were it sent now:" if outcome.dry_run else ""
    lines = [head, *outcome.says] if head else list(outcome.says)
    shown: list[RenderableType] = [Text("\n".join(lines))]
    if outcome.costs:
        table = _table("sent by", "gas", "fee", right=("gas", "fee"))
        for cost in outcome.costs:
            gas = "?" if cost.gas is None else f"{cost.gas:,}"
            table.add_row(f"{cost.call.step}: {cost.call.sender} ({cost.call.role})", gas, format_fee(cost.fee))
        shown.append(table)
    if outcome.receipts:
        table = _table("sent", "block", "gas", right=("block", "gas"))
        for receipt in outcome.receipts:
            table.add_row(f"{receipt.call.step}: {receipt.transaction}", str(receipt.block), f"{receipt.gas:,}")
        shown.append(table)
    return shown


def proposal_texts(found: Sequence[ReadProposal], standing: Standing, *, with_calls: bool = False) -> Text:
    """Proposals in plain words."""
    lines = [] if found else ["No open proposal"]
    for one in found:
        proposal = one.proposal
        approved = ", ".join(standing.cities[code].name for code in proposal.approved_by) or "nobody"
        votes = f"{proposal.votes} of {proposal.votes_needed} votes, by {approved}"
        lines += [f"Proposal {proposal.id} {one.reading.sentence}", *(f"  {line}" for line in one.reading.effects)]
        lines += [f"  ! {line}" for line in one.reading.warnings]
        lines += [f"  {proposal.state(standing.now)}: {votes}; {proposal.says_when(standing.now)}"]
        if with_calls:
            when = format_moment(proposal.proposed_at)
            who = standing.label(proposal.proposer)
            by = f"asked for by the recovery address of {who}" if asked_for(one) else f"proposed by {who}"
            lines += [f"  {by} at {when}", f"  call: {one.reading.call}"]
            lines += [f"  to: {proposal.target}", f"  data: {short_hex(proposal.data, SHOWN_DATA)}"]
    return Text("\n".join(lines))


def asked_for(one: ReadProposal) -> bool:
    """Whether a proposal is a recovery: no member proposes one."""
    return one.reading.call.startswith("CityRegistry.recover(")


def status_tables(
    standing: Standing, found: Sequence[ReadProposal], withheld: Mapping[int, Sequence[Withheld]], called_off: CalledOff
) -> list[RenderableType]:
    """How the consortium stands.

    Args:
        withheld: fares above daily limits, by the debtor's code.
        called_off: successors that were called off, by the Clearinghouse's address.
    """
    return [
        _members_table(standing),
        Text("\n".join([*votes_lines(standing), *suspension_lines(standing)])),
        *money_tables(standing, withheld),
        *(_house_table(house, standing, called_off.get(house.address, ())) for house in standing.houses),
        proposal_texts(found, standing),
    ]


def _members_table(standing: Standing) -> Table:
    table = _table("city", "status", "admin, treasury", *_MONEY, right=_MONEY)
    table.title = f"Members at block {standing.block}, {format_moment(standing.now)}"
    for city in standing.cities.values():
        account = standing.house.accounts[city.code]
        money = (format_yuan(fen) for fen in (account.balance, account.reserve, account.owes))
        status = city.status.name.lower()
        begun = f" since {format_moment(city.suspended_at)}" if city.suspended_at else ""
        table.add_row(city.label, status + begun, "\n".join(city_keys(city)), *money)
    return table


def _house_table(house: House, standing: Standing, called_off: Sequence[str]) -> Table:
    table = _table("rule", "in force", "to come")
    table.title = f"Clearinghouse {house.address}{' (this deployment)' if house is standing.house else ''}"
    for name, words, show in PARAMETERS:
        come = "" if house.pending is None else show(getattr(house.pending, name))
        table.add_row(words, show(getattr(house.parameters, name)), come)
    lines = rules_lines(house)
    if house.stopped_until > standing.now:
        lines.append(f"SETTLEMENT STANDS STILL until {format_moment(house.stopped_until)}")
    elif house.stop_calls:
        lines.append(
            f"{house.stop_calls} of {house.stop_needed} members called for a stop; the calls lapse at "
            f"{format_moment(house.stop_lapses)}"
        )
    if house.predecessor:
        lines.append(f"takes over from {house.predecessor}")
    if house.successor:
        lines.append(f"{house.successor} takes over; this one closes at {format_moment(house.closes_at)}")
    lines += [f"the successor {address} was called off by vote" for address in called_off]
    table.caption, table.caption_justify = "\n".join(lines), "left"
    return table


def _table(*headings: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=heading in _WHOLE)
    return table

"""What thieves can do next: every act that their keys allow, or of those the ones that can serve them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.governance.coalitions import PUPPET, Act, State, Step, Thieves, Wait, thiefs
from tests.reference.governance import Call, Governance, two_thirds
from tests.reference.registry import NONE, City

RULE = Call("rule")
"""Any call that waits a week and changes nothing of who votes: parameters, a reserve, a successor."""
PUPPETS = 1
"""How many cities thieves have admitted, at most."""


def admission(code: int) -> Call:
    return Call("admit", (code, thiefs("A", code), thiefs("T", code), thiefs("R", code)))


def useful_steps(state: State, thieves: Thieves, harmless: frozenset[str] = frozenset()) -> Iterator[Step]:
    """What can bring thieves further while nobody else acts: README.md says why the rest can't.

    Args:
        harmless: calls that aren't looked for, since they change nothing that counts here.
    """
    g = state.g
    for call in _calls(g, thieves):
        if call.name not in harmless:
            yield from vote_for(g, thieves, call)
    for code, city in g.cities.items():
        yield from _recovery(g, thieves, city)
        if city.is_member and thieves.hold(city.admin):
            yield (Act("leave_consortium", city.admin, (code,)),)
        yield from _keys(g, thieves, city)
    yield from executions(g)
    if (moment := state.next_moment) is not None:
        yield (Wait(moment),)


def _calls(g: Governance, thieves: Thieves) -> Iterator[Call]:
    """What they may want to have called."""
    yield RULE
    for city in g.cities.values():
        if city.is_member and not thieves.hold(city.admin):
            if not city.suspended_at:
                yield Call("suspend", (city.code,))
            yield Call("expel", (city.code,))
    admitted = sum(code >= PUPPET for code in g.cities)
    if admitted < PUPPETS:
        yield admission(PUPPET + admitted)


def vote_for(g: Governance, thieves: Thieves, call: Call) -> Iterator[Step]:
    """All of their votes for a call, where they are enough; a call that waits for nothing is carried out."""
    concerned = call.args[0] if call.name in ("suspend", "expel") else 0
    voters = [code for code in thieves.voters(g) if code != concerned]
    if not voters or len(voters) < two_thirds(len(g.voters_at(g.now))):
        return
    number = next((n for n, p in g.proposals.items() if p.call == call and g.is_open(n)), 0)
    step: list[Act] = []
    if not number:
        number = len(g.proposals) + 1
        first, *voters = voters
        step = [Act("propose", g.cities[first].admin, (first, call))]
    step += _approvals(g, number, voters)
    if call.name == "admit":
        step.append(Act("execute", "anybody", (number,)))
    if step:
        yield tuple(step)


def _approvals(g: Governance, number: int, voters: list[int]) -> list[Act]:
    """Votes for a proposal, of those that haven't voted for it."""
    approved = g.proposals[number].approvals if number in g.proposals else frozenset()
    return [Act("approve", g.cities[code].admin, (number, code)) for code in voters if code not in approved]


def _recovery(g: Governance, thieves: Thieves, city: City) -> Iterator[Step]:
    """A request by the city's recovery address, with all of their votes, where they are enough."""
    if not thieves.hold(city.recovery) or (thieves.hold(city.admin) and thieves.hold(city.treasury)):
        return
    voters = [code for code in thieves.voters(g) if code != city.code]
    if len(voters) < two_thirds(len(g.voters_at(g.now) - {city.code})):
        return
    call = Call("recover", (city.code, city.recovery))
    number = next((n for n, p in g.proposals.items() if p.call == call and g.is_open(n)), 0)
    step = [] if number else [Act("request_recovery", city.recovery, (city.code,))]
    step += _approvals(g, number or len(g.proposals) + 1, voters)
    if step:
        yield tuple(step)


def _keys(g: Governance, thieves: Thieves, city: City) -> Iterator[Step]:
    """What a city's own keys can do."""
    code, admin, treasury = city.code, thieves.hold(city.admin), thieves.hold(city.treasury)
    if admin and (city.frozen if treasury else not city.frozen):
        yield (Act("freeze_treasury", city.admin, (code, not city.frozen)),)
    if admin and city.treasury == NONE and not city.frozen and not _waits_for(thieves, city.next_treasury):
        yield (Act("propose_treasury", city.admin, (code, thiefs("T", code))),)
    if admin and treasury and not thieves.hold(city.recovery) and not _waits_for(thieves, city.next_recovery):
        named = (code, thiefs("R", code))
        yield (Act("change_recovery", city.admin, named), Act("change_recovery", city.treasury, named))
    if (admin or treasury) and any(change and not thieves.hold(change.to) for change in city.changes):
        yield (Act("cancel_changes", city.admin if admin else city.treasury, (code,)),)
    for name, change in zip(("admin", "treasury", "recovery"), city.changes, strict=True):
        if change and thieves.hold(change.to) and 0 < change.acceptable_from <= g.now:
            yield (Act(f"accept_{name}", change.to, (code,)),)


def _waits_for(thieves: Thieves, change: object) -> bool:
    return change is not None and thieves.hold(getattr(change, "to", NONE))


def executions(g: Governance) -> Iterator[Step]:
    """Whatever can be carried out."""
    for number in g.proposals:
        if g.is_executable(number):
            yield (Act("execute", "anybody", (number,)),)


# ------------------------------------------------------------ without judging what is useful


def all_steps(state: State, thieves: Thieves, calls: tuple[Call, ...], *, keys: bool = True) -> Iterator[Step]:
    """Every single act that thieves can do, one at a time: each vote, each withdrawal, each handover.

    Args:
        calls: what they propose, each once.
        keys: whether they also use what a city's keys can do with that city's keys.
    """
    g = state.g
    voters = thieves.voters(g)
    opened = [(number, p) for number, p in g.proposals.items() if g.is_open(number)]
    for code in voters:
        admin = g.cities[code].admin
        for call in calls:
            if all(p.call != call for p in g.proposals.values()):
                yield (Act("propose", admin, (code, call)),)
        for number, p in opened:
            name = "withdraw_approval" if code in p.approvals else "approve"
            yield (Act(name, admin, (number, code)),)
    for number, p in opened:
        if p.requester and thieves.hold(p.requester):
            yield (Act("withdraw_request", p.requester, (number,)),)
        if p.delay and not p.passed_at:
            yield (Act("mark_passed", "anybody", (number,)),)
    for city in list(g.cities.values()):
        if city.is_member and thieves.hold(city.admin):
            yield (Act("leave_consortium", city.admin, (city.code,)),)
        recovery = Call("recover", (city.code, city.recovery))
        asked = any(p.call == recovery for p in g.proposals.values())
        if thieves.hold(city.recovery) and city.code < PUPPET and not asked:
            yield (Act("request_recovery", city.recovery, (city.code,)),)
        if keys:
            yield from _all_keys(thieves, city)
    yield from executions(g)
    if (moment := state.next_moment) is not None:
        yield (Wait(moment),)


def _all_keys(thieves: Thieves, city: City) -> Iterator[Step]:
    """Everything that a city's keys in thieves' hands can try."""
    code = city.code
    if thieves.hold(city.admin):
        yield (Act("freeze_treasury", city.admin, (code, not city.frozen)),)
        yield (Act("propose_admin", city.admin, (code, thiefs("A", code))),)
    for account in (city.admin, city.treasury):
        if thieves.hold(account):
            yield (Act("change_recovery", account, (code, thiefs("R", code))),)
            yield (Act("cancel_changes", account, (code,)),)
            yield (Act("propose_treasury", account, (code, thiefs("T", code))),)
    for name, letter in (("admin", "A"), ("treasury", "T"), ("recovery", "R")):
        yield (Act(f"accept_{name}", thiefs(letter, code), (code,)),)

"""What a call that members vote on would do, in plain words, with the present value beside the new one.

Whoever votes has to see what is voted on. A call that can't be read is said to be one, loudly. No network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from consortium.calls import DecodedCall, function_of
from consortium.standing import STOP_LENGTH, Account, City, House, Parameters, Standing, votes_needed, yuan
from consortium.steps import Status
from consortium.times import format_length, format_moment
from interline.safe_text import MOST_OF_A_NAME, short_hex, short_name

_KEYS: Final = (("admin", 2), ("treasury", 3), ("recovery address", 4))  # where `admit` names them
NAMED_AHEAD: Final = 30 * 86_400  # seconds: the least between naming a successor and closing

PARAMETERS: Final = (
    ("max_fare", "highest fare of a ride", yuan),
    ("grace", "grace (how stale a gate's list may be)", format_length),
    ("submission_window", "time to submit a ride", format_length),
    ("dispute_time", "time to dispute a ride", format_length),
    ("answer_time", "time to answer a dispute", format_length),
    ("dispute_fee", "fee of an upheld dispute", yuan),
)
"""Field, words, and how it is shown."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a call would do."""

    sentence: str
    """Begins with a verb: `raises Hangzhou's reserve from 0.00 to 5,000.00 yuan`."""
    effects: tuple[str, ...]
    """What follows from it, a line each."""
    warnings: tuple[str, ...]
    """What a voter should stop at, a line each."""
    call: str
    """The decoded call, or its selector."""
    readable: bool = True


def read_call(target: str, data: bytes, standing: Standing, refusal: str | None) -> Reading:
    """What the Consortium's call of a contract would do.

    Args:
        target: checksummed address.
        data: calldata.
        refusal: what the contract answers were it called so by the Consortium now; None where it takes the call.
    """
    contract = standing.contract_at(target)
    call = None if contract is None else function_of(contract, data)
    if contract is None or call is None:
        reading = _unreadable(target, data, contract)
    else:
        words = _WORDS.get((contract, call.function), _other(contract))
        sentence, effects, warnings = words(_Case(standing, target, call))
        reading = Reading(sentence, tuple(effects), tuple(warnings), f"{contract}.{call}")
    if refusal is None:
        return reading
    came = f"carried out now, it would be refused: {refusal}"
    return Reading(reading.sentence, reading.effects, (*reading.warnings, came), reading.call, reading.readable)


@dataclass(frozen=True, slots=True)
class _Case:
    standing: Standing
    target: str
    call: DecodedCall

    def __getitem__(self, index: int) -> Any:
        return list(self.call.arguments.values())[index]

    @property
    def code(self) -> int:
        """The city's code, which comes first wherever a call concerns one."""
        return int(self[0])

    @property
    def city(self) -> City | None:
        return self.standing.cities.get(self.code)

    @property
    def label(self) -> str:
        return self.standing.label(self.code)

    @property
    def house(self) -> House:
        house = self.standing.house_at(self.target)
        assert house is not None
        return house


_Words = tuple[str, list[str], list[str]]


def _unreadable(target: str, data: bytes, contract: str | None) -> Reading:
    selector = f"selector 0x{data[:4].hex()}" if len(data) >= 4 else f"data {short_hex(data)}"
    if contract is None:
        sentence = f"calls an unknown contract {target} with {selector}"
    else:
        sentence = f"calls {contract} at {target} in a way that can't be read, with {selector} and {len(data)} bytes"
    return Reading(sentence, (), ("DON'T VOTE FOR WHAT YOU CAN'T READ",), selector, readable=False)


def _other(contract: str) -> Callable[[_Case], _Words]:
    def words(case: _Case) -> _Words:
        warning = "no act of governing: find out what it is for before you vote"
        return f"calls {contract}.{case.call}", [], [warning]

    return words


# ---------------------------------------------------------------- members


def _admit(case: _Case) -> _Words:
    before, after = len(case.standing.voters), len(case.standing.members) + 1
    effects = [
        *(f"its {role} is {case[index]}" for role, index in _KEYS),
        f"its seat counts 7 days later; members with a vote: {before} → {after}; votes for two thirds: "
        f"{votes_needed(before)} → {votes_needed(after)}",
    ]
    return f"admits {short_name(case[1])} ({case.code})", effects, [*_strange_name(case), *_strange_keys(case)]


def _strange_name(case: _Case) -> list[str]:
    """What a voter should see of a name: that it isn't what it looks like, or somebody else's."""
    name = case[1]
    warnings = ["its name has characters that can't be shown, or none"] if not name or "\\" in name else []
    if name != short_name(name):
        warnings.append(f"its name has {len(name):,} characters or more, at most {MOST_OF_A_NAME} are shown")
    same = [c for c in case.standing.cities.values() if c.name.casefold() == name.casefold() or str(c.code) == name]
    return warnings + [f"its name is that of {city.label}" for city in same if city.code != case.code]


def _suspend(case: _Case) -> _Words:
    grace = format_length(case.standing.house.parameters.grace)
    effects = [
        "it keeps its vote, and gates refuse entries on its tickets from their next sync on",
        f"rides that begin more than {grace} after it don't settle, until it is reinstated; its withdrawals go on",
    ]
    return f"suspends {case.label}{_now(case.city)}", effects, _never_passes(case)


def _reinstate(case: _Case) -> _Words:
    effects = ["its rides settle again"]
    if case.city is not None and case.city.status is Status.SUSPENDED:
        refused_from = format_moment(case.city.suspended_at + case.standing.house.parameters.grace)
        effects.append(f"rides of the time of its suspension, from {refused_from} on, stay refused for good")
    return f"ends the suspension of {case.label}{_now(case.city)}", effects, []


def _expel(case: _Case) -> _Words:
    effects = [
        "for good: the city can't be admitted again under its code",
        f"its balance stays its own; its reserve ends {format_length(case.standing.house.longest_claim)} later",
    ]
    account = case.standing.house.accounts.get(case.code)
    if account is not None:
        effects.append(f"it holds {yuan(account.balance)}, owes {yuan(account.owes)}, is owed {yuan(account.is_owed)}")
    return f"expels {case.label}{_now(case.city)}", effects, _never_passes(case)


def _never_passes(case: _Case) -> list[str]:
    """Small consortia: the city concerned has no vote, but is counted."""
    voters = case.standing.voters
    others, needed = sum(city.code != case.code for city in voters), votes_needed(len(voters))
    if others >= needed:
        return []
    concerned = f"the vote of {case.label} doesn't count in it"
    return [f"of {len(voters)} members {needed} have to vote for it, and {concerned}: it can't pass"]


def _recover(case: _Case) -> _Words:
    city, to = case.city, case[1]
    if city is None:
        return f"gives {case.label}, which never was a member, to {to}", [], []
    effects = [
        f"its admin: {_change(city.admin, to)}",
        f"its treasury: {city.treasury or 'none'} → none, until that admin names one, which accepts 2 days later",
        "a freeze of its treasury ends, and what is proposed for its keys is called off",
    ]
    if to != city.recovery.address:
        warnings = [
            f"{to} isn't the recovery address that {city.label} has registered, which is {city.recovery.address}"
        ]
        return f"gives {city.label} to {to}", effects, warnings
    effects.insert(0, f"{to} is the recovery address that {city.label} has registered, and asked for it")
    return f"gives {city.label} back to its recovery address {to}", effects, []


def _strange_keys(case: _Case) -> list[str]:
    held = {
        address: f"the {role} of {city.label}"
        for city in case.standing.cities.values()
        if city.code != case.code
        for role, address in zip(
            ("admin", "treasury", "recovery address"), (city.admin, city.treasury, city.recovery.address), strict=True
        )
    }
    return [
        f"{case[index]}, which becomes its {role}, is {held[case[index]]}"
        for role, index in _KEYS
        if case[index] in held
    ]


def _change(present: str, new: str) -> str:
    return f"{present} stays" if present == new else f"{present} → {new}"


def _now(city: City | None) -> str:
    if city is None:
        return ", which never was a member"
    since = f" since {format_moment(city.suspended_at)}" if city.suspended_at else ""
    words = {Status.ACTIVE: "active", Status.SUSPENDED: "suspended", Status.EXITED: "gone"}
    return f", which is {words[city.status]}{since}"


# ---------------------------------------------------------------- money and rules


def _set_reserve(case: _Case) -> _Words:
    new = case[1]
    account = case.house.accounts.get(case.code)
    if account is None:
        return f"sets the reserve of {case.label} to {yuan(new)}", [], []
    moves = "raises" if new > account.reserve else "lowers" if new < account.reserve else "leaves"
    to = f"from {yuan(account.reserve)} to {yuan(new)}" if new != account.reserve else f"at {yuan(new)}"
    effects = [_withdrawing(case.label, account, new)]
    warnings = [] if new != account.reserve else ["it changes nothing"]
    if new > account.balance:
        warnings.append(f"that is more than the {yuan(account.balance)} it holds: it could withdraw nothing")
    return f"{moves} the reserve of {case.label} {to}", effects, warnings


def _withdrawing(label: str, account: Account, reserve: int) -> str:
    if account.owes:
        return f"{label} can withdraw nothing anyway while it owes {yuan(account.owes)}"
    after = max(0, account.balance - reserve)
    less = account.withdrawable - after
    if less == 0:
        return f"{label} can withdraw {yuan(after)} as before"
    change = f"{yuan(abs(less))} {'less' if less > 0 else 'more'}"
    return f"{label} can withdraw {change}: {yuan(after)} instead of {yuan(account.withdrawable)}"


def _set_parameters(case: _Case) -> _Words:
    present, new = case.house.parameters, Parameters(*case[0])
    changes = [
        f"{words}: {show(getattr(present, field))} → {show(getattr(new, field))}"
        for field, words, show in PARAMETERS
        if getattr(present, field) != getattr(new, field)
    ]
    warnings = [] if changes else ["it changes nothing of what is in force"]
    when = (
        f"holds for rides that end {format_length(present.grace)} after it is carried out, or later; rides that end "
        "before stay under the rules of before: settling, refunds and disputes"
    )
    if case.house.pending is not None:
        warnings.append(f"it takes the place of the parameters that are to hold from {_pending(case.house)}")
    effects = [*changes, when, *([] if not changes else ["all others stay"])]
    return "changes the rules of settlement", effects, warnings


def _pending(house: House) -> str:
    assert house.pending is not None
    differ = [
        f"{words} {show(getattr(house.pending, field))}"
        for field, words, show in PARAMETERS
        if getattr(house.pending, field) != getattr(house.parameters, field)
    ]
    return f"{format_moment(house.pending_from)} ({', '.join(differ) or 'none differs'})"


def _stop(case: _Case) -> _Words:
    effects = ["withdrawals, arrears, deposits, refunds, disputes and answers go on"]
    warnings = ["a stop by proposal waits a week; `ape run consortium stop` takes a quarter of the members, at once"]
    return f"stops settlement for {format_length(STOP_LENGTH)}", effects, warnings


def _resume(case: _Case) -> _Words:
    until = case.house.stopped_until
    if until > case.standing.now:
        return f"lifts the stop of settlement, which would end at {format_moment(until)}", ["batches settle again"], []
    return "lifts a stop of settlement", [], ["settlement isn't stopped"]


def _name_successor(case: _Case) -> _Words:
    successor, closes_at = case[0], case[1]
    now = case.standing.now
    ahead = format_length(closes_at - now) + " from now" if closes_at > now else "which is past"
    effects = [
        f"{case.target} closes at {format_moment(closes_at)}, {ahead}",
        "rides that begin before then settle there within their time; funds, refunds and disputes have no end",
        f"it has to be carried out by {format_moment(closes_at - NAMED_AHEAD)}",
    ]
    warnings = [f"what the code at {successor} does isn't known here: compare it before you vote"]
    if (named := case.house.successor) is not None:
        it = "that one" if named == successor else named
        warnings.append(f"it takes the place of {it}, named to take over at {format_moment(case.house.closes_at)}")
    return f"names {successor} as the Clearinghouse that takes over", effects, warnings


def _cancel_successor(case: _Case) -> _Words:
    named = case.house.successor
    if named is None:
        return "calls off a successor", [], ["no successor is named"]
    effects = [
        f"{case.target} doesn't close: its tickets and gates go on",
        f"what cities hold at {named} stays theirs: each withdraws it there",
    ]
    return f"calls off {named}, named to take over at {format_moment(case.house.closes_at)}", effects, []


_WORDS: Final[Mapping[tuple[str, str], Callable[[_Case], _Words]]] = {
    ("CityRegistry", "admit"): _admit,
    ("CityRegistry", "suspend"): _suspend,
    ("CityRegistry", "reinstate"): _reinstate,
    ("CityRegistry", "expel"): _expel,
    ("CityRegistry", "recover"): _recover,
    ("Clearinghouse", "setReserve"): _set_reserve,
    ("Clearinghouse", "setParameters"): _set_parameters,
    ("Clearinghouse", "stopSettlement"): _stop,
    ("Clearinghouse", "resumeSettlement"): _resume,
    ("Clearinghouse", "nameSuccessor"): _name_successor,
    ("Clearinghouse", "cancelSuccessor"): _cancel_successor,
}

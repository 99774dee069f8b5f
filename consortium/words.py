"""What a call that members vote on would do, in plain words, with the present value beside the new one.

Whoever votes has to see what is voted on. A call that can't be read is said to be one, loudly. No network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from consortium.calls import DecodedCall, function_of
from consortium.standing import Account, City, House, Parameters, Standing, votes_needed, yuan
from consortium.steps import Status
from consortium.times import format_length, format_moment
from interline.safe_text import MOST_OF_A_NAME, short_hex, short_name

STOP_LENGTH: Final = 3 * 86_400  # seconds
_ADMIN, _TREASURY = -2, -1  # where the calls that name them do
RESERVE_AFTER_EXIT: Final = 45 * 86_400  # seconds
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
    before = len(case.standing.active)
    effects = [
        f"its admin is {case[_ADMIN]}, its treasury {case[_TREASURY]}",
        f"members with a vote: {before} → {before + 1}; votes for two thirds: {votes_needed(before)} → "
        f"{votes_needed(before + 1)}",
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
        "it has no vote any more, and gates refuse entries on its tickets from their next sync on",
        f"rides that begin more than {grace} after it no longer settle; its withdrawals go on",
    ]
    return f"suspends {case.label}{_now(case.city)}", effects, []


def _reinstate(case: _Case) -> _Words:
    return f"ends the suspension of {case.label}{_now(case.city)}", ["it has its vote again, and its rides settle"], []


def _expel(case: _Case) -> _Words:
    effects = [
        "for good: the city can't be admitted again under its code",
        f"its balance stays its own; its reserve ends {format_length(RESERVE_AFTER_EXIT)} later",
    ]
    account = case.standing.house.accounts.get(case.code)
    if account is not None:
        effects.append(f"it holds {yuan(account.balance)}, owes {yuan(account.owes)}, is owed {yuan(account.is_owed)}")
    return f"expels {case.label}{_now(case.city)}", effects, []


def _recover(case: _Case) -> _Words:
    city = case.city
    effects = [f"its admin becomes {case[_ADMIN]}", f"its treasury becomes {case[_TREASURY]}"]
    if city is not None:
        effects = [
            f"its admin: {_change(city.admin, case[_ADMIN])}",
            f"its treasury: {_change(city.treasury, case[_TREASURY])}",
        ]
    warnings = _strange_keys(case)
    return f"gives {case.label} another admin and another treasury", effects, warnings


def _strange_keys(case: _Case) -> list[str]:
    held = {
        address: f"the {role} of {city.label}"
        for city in case.standing.cities.values()
        if city.code != case.code
        for role, address in (("admin", city.admin), ("treasury", city.treasury))
    }
    return [
        f"{case[index]}, which becomes its {role}, is {held[case[index]]}"
        for role, index in (("admin", _ADMIN), ("treasury", _TREASURY))
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
    if holds_at_once(present, new):
        when = "holds as soon as it is carried out"
    else:
        wait = format_length(present.submission_window + 2 * STOP_LENGTH + present.dispute_time)
        when = f"holds from {wait} after it is carried out, so that no ride carried before is hurt"
    if case.house.pending is not None:
        warnings.append(f"it takes the place of the parameters that are to hold from {_pending(case.house)}")
    effects = [*changes, when, *([] if not changes else ["all others stay"])]
    return "changes the rules of settlement", effects, warnings


def holds_at_once(present: Parameters, new: Parameters) -> bool:
    """Whether parameters hold as soon as they are set: they lengthen or raise, and leave the fee alone."""
    return new.dispute_fee == present.dispute_fee and all(b >= a for a, b in zip(present, new, strict=True))


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
    return f"names {successor} as the Clearinghouse that takes over", effects, warnings


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
}

"""What is still missing until a city is in, and which transactions can be sent now.

No network and no accounts here: facts come in, calls go out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, IntEnum, auto
from typing import Final

from consortium.calls import Call, Step, encode_call
from consortium.errors import ContradictionError
from consortium.times import format_moment
from interline.cities import CityFile
from interline.money import format_yuan
from interline.signatures import to_checksum


class Phase(Flag):
    """The parts of bringing a city in, which different people do on different machines."""

    PROPOSE = auto()
    APPROVE = auto()
    COMPLETE = auto()
    ALL = PROPOSE | APPROVE | COMPLETE


class Status(IntEnum):
    """A city's status in the registry (protocol section 7)."""

    NONE = 0
    ACTIVE = 1
    SUSPENDED = 2
    EXITED = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A member whose seat counts in votes; a suspended one's does, too."""

    code: int
    name: str
    admin: str
    """Checksummed."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An open proposal that admits a city just as its file says."""

    id: int
    votes: int
    """Approvals by members whose seats count now."""
    votes_needed: int
    approved_by: frozenset[int]
    """Codes of those members."""

    @property
    def passed(self) -> bool:
        """Whether it can be executed."""
        return self.votes >= self.votes_needed


@dataclass(frozen=True, slots=True)
class Rival:
    """An open proposal that admits the same city, but not as its file says."""

    id: int
    name: str
    admin: str
    treasury: str
    recovery: str


@dataclass(frozen=True, slots=True)
class CityState:
    """What the chain says about a city at one block. Addresses are checksummed, amounts in fen."""

    block: int
    now: int
    """The block's time, Unix seconds."""
    status: Status
    name: str
    admin: str
    treasury: str
    recovery: str
    counts_from: int
    """When its seat counts in votes, Unix seconds; 0 before it is admitted."""
    issuer_keys: Mapping[int, tuple[str, int, int]]
    """All of its keys: address, valid from, valid until (Unix seconds), by key id."""
    submitters: frozenset[str]
    """Those of its file that are registered."""
    balance: int
    deposited: int
    """What its treasury deposited as opening deposit."""
    tokens: int
    """Settlement tokens of its treasury."""
    allowance: int
    """Those that the Clearinghouse may take."""
    bank: str
    """Who mints the settlement token."""
    members: tuple[Member, ...]
    """The members whose seats count now, by admission."""
    members_before: int
    """How many cities had joined when it was admitted, or have joined now if it wasn't."""
    proposal: Proposal | None
    rivals: tuple[Rival, ...]


@dataclass(frozen=True, slots=True)
class Contracts:
    """Checksummed addresses of the four contracts."""

    clearinghouse: str
    registry: str
    consortium: str
    token: str


Available = Callable[[str], bool]
"""Whether the account of a checksummed address can sign here."""

_RUN: Final = "run `ape run onboard"


def opening_reference(code: int) -> bytes:
    """The bankReference of a city's opening deposit: `deposit <code> opening` in ASCII, then zeros; 32 bytes."""
    return f"deposit {code} opening".encode().ljust(32, b"\0")


def admission(city: CityFile) -> bytes:
    """The call of the registry that admits a city as its file says."""
    return encode_call("CityRegistry", "admit", city.code, city.name, city.admin, city.treasury, city.recovery)


def require_consistent(city: CityFile, state: CityState) -> None:
    """Make sure that nothing on chain contradicts the city's file. What is merely missing is no contradiction.

    Raises ContradictionError, which lists every difference.
    """
    if state.status is Status.NONE:
        return
    found = _differences(city, state)
    if found:
        raise ContradictionError(
            f"{city.path}: expected what the chain has registered for city {city.code}, came otherwise: "
            f"{'; '.join(found)}. Correct the file, or have the city's admin change the registry"
        )


def notes(city: CityFile, state: CityState) -> list[str]:
    """What people should know that is no fault."""
    more = (
        sorted(set(state.issuer_keys) - {key.id for key in city.issuer_keys}) if state.status is not Status.NONE else []
    )
    found = [
        f"the registry has issuer key {key_id} ({state.issuer_keys[key_id][0]}), which is not in the file"
        for key_id in more
    ]
    if state.now < state.counts_from:
        found.append(
            f"its seat counts in votes from {format_moment(state.counts_from)} on; it rides and settles at once"
        )
    return found + [_describe(rival) for rival in state.rivals if state.status is Status.NONE]


def next_calls(
    city: CityFile,
    state: CityState,
    contracts: Contracts,
    phases: Phase,
    available: Available,
    voice: int | None = None,
) -> list[Call]:
    """The transactions that are missing and can be sent now, none of which depends on another.

    Args:
        phases: what is to be done.
        available: whether an account can sign here; what others have to sign is left out.
        voice: code of the member that alone is to propose and vote; else whichever can does, as few as are needed.
    """
    if state.status is Status.NONE:
        return _admission_calls(city, state, contracts, phases, available, voice)
    if Phase.COMPLETE not in phases:
        return []
    calls = [
        *_registry_calls(city, state, contracts),
        *_funding_calls(city, state, contracts),
        *_deposit_calls(city, state, contracts),
    ]
    return [call for call in calls if available(call.sender)]


def missing(city: CityFile, state: CityState, contracts: Contracts, phases: Phase, available: Available) -> list[str]:
    """What keeps the given phases from being done here, a sentence each; empty when they are done."""
    if state.status is Status.NONE:
        return _admission_missing(city, state, phases, available)
    if Phase.COMPLETE not in phases:
        return []
    calls = [*_registry_calls(city, state, contracts), *_funding_calls(city, state, contracts)]
    found = [f"{call.what}: {_absent(call.sender, call.role)}" for call in calls]
    rest = city.deposit - state.deposited
    if rest > 0 and not found:
        found.append(f"deposit of {format_yuan(rest)} yuan: {_absent(city.treasury, f'treasury of {city.name}')}")
    return found


# ---------------------------------------------------------------- until the city is a member


def _admission_calls(
    city: CityFile, state: CityState, contracts: Contracts, phases: Phase, available: Available, voice: int | None
) -> list[Call]:
    members = [member for member in state.members if voice in (None, member.code) and available(member.admin)]
    proposal = state.proposal
    if proposal is None:
        return [_propose(city, members[0], contracts)] if Phase.PROPOSE in phases and members else []
    calls = []
    if Phase.APPROVE in phases:
        lacking = max(0, proposal.votes_needed - proposal.votes) if voice is None else 1
        voters = [member for member in members if member.code not in proposal.approved_by]
        calls += [_approve(city, proposal, voter, contracts) for voter in voters[:lacking]]
    if Phase.COMPLETE in phases and proposal.passed:
        calls += _execute(city, state, proposal, contracts, available)
        calls += [call for call in _funding_calls(city, state, contracts) if available(call.sender)]
    return calls


def _admission_missing(city: CityFile, state: CityState, phases: Phase, available: Available) -> list[str]:
    proposal = state.proposal
    file = city.path.name
    if proposal is None:
        found = [_describe(rival) for rival in state.rivals]
        if Phase.PROPOSE in phases:
            admins = ", ".join(f"{member.name} {member.admin}" for member in state.members)
            return [*found, f"nobody here can propose {city.name}: {_absent('one of', f'admins of members: {admins}')}"]
        return [
            *found,
            f"no open proposal admits {city.name} as {file} says: {_RUN} propose {file}` as a member first",
        ]
    if phases == Phase.PROPOSE or (proposal.passed and Phase.COMPLETE not in phases):
        return []
    if not proposal.passed:
        silent = [member for member in state.members if member.code not in proposal.approved_by]
        if Phase.COMPLETE not in phases:
            if any(available(member.admin) for member in state.members):
                return []  # whoever can vote here has voted
            return [f"{_votes(city, proposal)}; nobody here can give another: {_who(silent)} can"]
        return [f"{_votes(city, proposal)}: {_who(silent)} can still {_RUN} approve {file}`"]
    return [f"proposal {proposal.id} has passed, but no account here can execute it: any will do"]


def _propose(city: CityFile, member: Member, contracts: Contracts) -> Call:
    data = encode_call("Consortium", "propose", member.code, contracts.registry, admission(city))
    what, role = f"{member.name} proposes {city.name}", f"admin of {member.name}"
    return Call(Step.PROPOSE, what, member.admin, role, contracts.consortium, data)


def _approve(city: CityFile, proposal: Proposal, member: Member, contracts: Contracts) -> Call:
    data = encode_call("Consortium", "approve", proposal.id, member.code)
    what, role = f"{member.name} approves {city.name}", f"admin of {member.name}"
    return Call(Step.APPROVE, what, member.admin, role, contracts.consortium, data)


def _execute(
    city: CityFile, state: CityState, proposal: Proposal, contracts: Contracts, available: Available
) -> list[Call]:
    """Anyone may: the city itself where it can, else a member."""
    who = [(city.admin, f"admin of {city.name}"), (city.treasury, f"treasury of {city.name}")]
    who += [(member.admin, f"admin of {member.name}") for member in state.members]
    data = encode_call("Consortium", "execute", proposal.id)
    calls = [
        Call(Step.EXECUTE, f"{city.name} is admitted", address, role, contracts.consortium, data)
        for address, role in who
    ]
    return [call for call in calls if available(call.sender)][:1]


# ---------------------------------------------------------------- once it is


def _registry_calls(city: CityFile, state: CityState, contracts: Contracts) -> list[Call]:
    role, calls = f"admin of {city.name}", []
    for key in city.issuer_keys:
        if key.id not in state.issuer_keys:
            arguments = (city.code, key.id, to_checksum(key.address), key.valid_from, key.valid_until)
            data = encode_call("CityRegistry", "addIssuerKey", *arguments)
            what = f"{city.name} registers issuer key {key.id}"
            calls.append(Call(Step.ADD_ISSUER_KEY, what, city.admin, role, contracts.registry, data))
    for submitter in city.submitters:
        if submitter not in state.submitters:
            data = encode_call("CityRegistry", "addSubmitter", city.code, submitter)
            what = f"{city.name} registers submitter {submitter}"
            calls.append(Call(Step.ADD_SUBMITTER, what, city.admin, role, contracts.registry, data))
    return calls


def _funding_calls(city: CityFile, state: CityState, contracts: Contracts) -> list[Call]:
    """What the treasury needs before it can deposit what is missing."""
    rest = city.deposit - state.deposited
    if rest <= 0:
        return []
    calls = []
    if state.tokens < rest:
        data = encode_call("SettlementToken", "mint", city.treasury, rest - state.tokens)
        what = f"bank mints {format_yuan(rest - state.tokens)} yuan for {city.name}"
        calls.append(Call(Step.MINT, what, state.bank, "settlement bank", contracts.token, data))
    if state.allowance < rest:
        data = encode_call("SettlementToken", "approve", contracts.clearinghouse, rest)
        what = f"{city.name} allows the deposit"
        calls.append(Call(Step.ALLOW, what, city.treasury, f"treasury of {city.name}", contracts.token, data))
    return calls


def _deposit_calls(city: CityFile, state: CityState, contracts: Contracts) -> list[Call]:
    rest = city.deposit - state.deposited
    if rest <= 0 or state.tokens < rest or state.allowance < rest:
        return []
    data = encode_call("Clearinghouse", "deposit", city.code, rest, opening_reference(city.code))
    what = f"{city.name} deposits {format_yuan(rest)} yuan"
    return [Call(Step.DEPOSIT, what, city.treasury, f"treasury of {city.name}", contracts.clearinghouse, data)]


# ---------------------------------------------------------------- words


def _differences(city: CityFile, state: CityState) -> list[str]:
    found = []
    if state.status is not Status.ACTIVE:
        found.append(f"its status is {state.status.name.lower()}, and only an active member can be set up")
    for what, in_file, on_chain in (
        ("name", city.name, state.name),
        ("admin", city.admin, state.admin),
        ("treasury", city.treasury, state.treasury),
        ("recovery", city.recovery, state.recovery),
    ):
        if in_file != on_chain:
            found.append(f"{what} is {in_file} in the file, {on_chain} on chain")
    for key in city.issuer_keys:
        on_file = (to_checksum(key.address), key.valid_from, key.valid_until)
        on_chain_key = state.issuer_keys.get(key.id, on_file)
        for what, here, there in zip(("address", "valid_from", "valid_until"), on_file, on_chain_key, strict=True):
            if here != there:
                found.append(f"issuer key {key.id}: {what} is {here} in the file, {there} on chain")
    return found


def _describe(rival: Rival) -> str:
    return (
        f"proposal {rival.id} would admit this city otherwise than its file says: as {rival.name}, with admin "
        f"{rival.admin}, treasury {rival.treasury} and recovery address {rival.recovery}"
    )


def _votes(city: CityFile, proposal: Proposal) -> str:
    votes = f"{proposal.votes} of the {proposal.votes_needed} votes"
    return f"proposal {proposal.id} to admit {city.name} has {votes} it needs"


def _who(members: Sequence[Member]) -> str:
    return ", ".join(member.name for member in members) or "no member"


def _absent(address: str, role: str) -> str:
    return f"{address} ({role}) is not among Ape's accounts here: `ape accounts import NAME`, or run this where it is"

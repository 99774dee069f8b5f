"""What each act of governing is: which contract is called with what, and by whom.

Facts come in, calls go out; no network and no accounts here. An act whose end is there already has no calls.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from consortium.calls import Call, Step, encode_call
from consortium.errors import InputError
from consortium.standing import City, Parameters, Standing, yuan
from consortium.times import format_length, format_moment

SERIALS_AT_ONCE: Final = 300
"""Revocations in one transaction: about 8 million gas."""
REVOCATIONS_A_DAY: Final = 1_000
"""Of one issuer's tickets for one operator; the registry's bound."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who signs."""

    address: str
    """Checksummed."""
    role: str
    """Such as "admin of Xuzhou"."""


@dataclass(frozen=True, slots=True)
class Motion:
    """A call of the Consortium that members are to vote on."""

    act: str
    target: str
    """Checksummed address."""
    data: bytes
    same: int | None = None
    """How many bytes of the calldata make another proposal the same; all of them unless it is given."""

    def is_like(self, target: str, data: bytes) -> bool:
        """Whether a proposal's call is this one."""
        end = None if self.same is None else self.same
        return target == self.target and data[:end] == self.data[:end]


@dataclass(frozen=True, slots=True)
class Deed:
    """What one city does alone."""

    act: str
    says: tuple[str, ...]
    """What changes, a line each, each beginning with who does it."""
    calls: tuple[Call, ...] = ()
    """In their order, each of which may need those before it."""
    notes: tuple[str, ...] = ()


# ---------------------------------------------------------------- by vote


def suspend(standing: Standing, city: City) -> Motion:
    """Suspend a member."""
    return Motion("suspend", standing.registry, encode_call("CityRegistry", "suspend", city.code))


def reinstate(standing: Standing, city: City) -> Motion:
    """End a member's suspension."""
    return Motion("reinstate", standing.registry, encode_call("CityRegistry", "reinstate", city.code))


def expel(standing: Standing, city: City) -> Motion:
    """End a membership for good."""
    return Motion("expel", standing.registry, encode_call("CityRegistry", "expel", city.code))


def set_reserve(standing: Standing, city: City, amount: int) -> Motion:
    """Set what a city must leave in its balance, fen."""
    data = encode_call("Clearinghouse", "setReserve", city.code, amount)
    return Motion("reserve", standing.house.address, data)


def set_parameters(standing: Standing, parameters: Parameters) -> Motion:
    """Set the rules of settlement."""
    data = encode_call("Clearinghouse", "setParameters", tuple(parameters))
    return Motion("parameters", standing.house.address, data)


def resume(standing: Standing) -> Motion:
    """Lift an emergency stop."""
    return Motion("resume", standing.house.address, encode_call("Clearinghouse", "resumeSettlement"))


def name_successor(standing: Standing, successor: str, closes_at: int) -> Motion:
    """Name the Clearinghouse that takes over. A proposal that names it for another time is the same."""
    data = encode_call("Clearinghouse", "nameSuccessor", successor, closes_at)
    return Motion("successor", standing.house.address, data, same=4 + 32)


def cancel_successor(standing: Standing) -> Motion:
    """Call off the Clearinghouse that was named to take over."""
    return Motion("cancel-successor", standing.house.address, encode_call("Clearinghouse", "cancelSuccessor"))


def propose(standing: Standing, city: City, actor: Actor, motion: Motion, sentence: str) -> Call:
    """Propose a motion, which is the proposer's vote too."""
    data = encode_call("Consortium", "propose", city.code, motion.target, motion.data)
    return Call(Step.PROPOSE, f"{city.name} proposes: {sentence}", actor.address, actor.role, standing.consortium, data)


def approve(standing: Standing, city: City, actor: Actor, number: int) -> Call:
    """Vote for a proposal."""
    data = encode_call("Consortium", "approve", number, city.code)
    what = f"{city.name} approves proposal {number}"
    return Call(Step.APPROVE, what, actor.address, actor.role, standing.consortium, data)


def withdraw_vote(standing: Standing, city: City, actor: Actor, number: int) -> Call:
    """Take a vote back."""
    data = encode_call("Consortium", "withdrawApproval", number, city.code)
    what = f"{city.name} takes its vote for proposal {number} back"
    return Call(Step.WITHDRAW_VOTE, what, actor.address, actor.role, standing.consortium, data)


def mark_passed(standing: Standing, actor: Actor, number: int) -> Call:
    """Begin the wait of a proposal that got its two thirds because others left, or anew where it had lost them."""
    data = encode_call("Consortium", "markPassed", number)
    what = f"the wait of proposal {number} begins"
    return Call(Step.MARK_PASSED, what, actor.address, actor.role, standing.consortium, data)


def execute(standing: Standing, actor: Actor, number: int) -> Call:
    """Carry a proposal out."""
    data = encode_call("Consortium", "execute", number)
    what = f"proposal {number} is carried out"
    return Call(Step.EXECUTE, what, actor.address, actor.role, standing.consortium, data)


def call_stop(standing: Standing, city: City, actor: Actor) -> Call:
    """Ask for the emergency stop of settlement."""
    data = encode_call("Consortium", "callStop", city.code, standing.house.address)
    what = f"{city.name} calls for a stop of settlement"
    return Call(Step.STOP, what, actor.address, actor.role, standing.consortium, data)


# ---------------------------------------------------------------- a city alone: keys


def add_key(
    standing: Standing,
    city: City,
    actor: Actor,
    key_id: int,
    address: str,
    window: tuple[int, int],
    present: tuple[str, int, int],
) -> Deed:
    """Register an issuer key, valid from, not including until (Unix seconds)."""
    valid_from, valid_until = window
    if present == (address, valid_from, valid_until):
        return nothing("add-key", f"{city.label} has issuer key {key_id} just so")
    until = f"until {format_moment(valid_until)}" if format_moment(valid_until) != "no end" else "with no end"
    says = (f"{city.label} adds issuer key {key_id}, {address}, valid from {format_moment(valid_from)} {until}",)
    call = registry_call(standing, city, actor, says[0], "addIssuerKey", key_id, address, valid_from, valid_until)
    return Deed("add-key", says, (call,))


def end_key(
    standing: Standing, city: City, actor: Actor, key_id: int, until: int, present: tuple[str, int, int]
) -> Deed:
    """Bring the end of an issuer key forward."""
    address, _, valid_until = present
    if valid_until <= standing.now and valid_until:
        return nothing("end-key", f"issuer key {key_id} of {city.label} ended at {format_moment(valid_until)}")
    grace = standing.house.parameters.grace
    says = (
        f"{city.label} ends issuer key {key_id}, {address}, at {format_moment(until)} (so far: "
        f"{format_moment(valid_until)})",
    )
    notes = (
        "gates refuse entries with its tickets from their next sync on; rides begun before "
        f"{format_moment(until + grace)} still settle",
    )
    return Deed("end-key", says, (registry_call(standing, city, actor, says[0], "endIssuerKey", key_id, until),), notes)


def add_submitter(standing: Standing, city: City, actor: Actor, address: str, is_one: bool) -> Deed:
    """Let a key sign the city's batches."""
    if is_one:
        return nothing("add-submitter", f"{address} is a submitter of {city.label}")
    says = (f"{city.label} lets {address} sign its batches",)
    return Deed("add-submitter", says, (registry_call(standing, city, actor, says[0], "addSubmitter", address),))


def remove_submitter(standing: Standing, city: City, actor: Actor, address: str, is_one: bool) -> Deed:
    """Stop a key from signing the city's batches."""
    if not is_one:
        return nothing("remove-submitter", f"{address} is no submitter of {city.label}")
    says = (f"{city.label} lets {address} sign its batches no more",)
    return Deed("remove-submitter", says, (registry_call(standing, city, actor, says[0], "removeSubmitter", address),))


# ---------------------------------------------------------------- a city alone: admin and treasury


def move_admin(standing: Standing, city: City, actor: Actor, address: str) -> Deed:
    """Propose another admin."""
    if city.new_admin == address:
        return nothing("move-admin", f"{address} may accept from {format_moment(city.new_admin_from)} on")
    says = (f"{city.label} proposes {address} as its admin in place of {city.admin}",)
    notes = ("in 2 days it accepts with `accept-admin`; until then admin or treasury can `cancel-changes`",)
    return Deed("move-admin", says, (registry_call(standing, city, actor, says[0], "proposeAdmin", address),), notes)


def move_treasury(standing: Standing, city: City, actor: Actor, address: str) -> Deed:
    """Propose another treasury; the treasury signs, or the admin where there is none."""
    if city.new_treasury == address:
        return nothing("move-treasury", f"{address} may accept from {format_moment(city.new_treasury_from)} on")
    says = (f"{city.label} proposes {address} as its treasury in place of {city.treasury or 'none'}",)
    notes = ("in 2 days it accepts with `accept-treasury`; until then admin or treasury can `cancel-changes`",)
    return Deed(
        "move-treasury", says, (registry_call(standing, city, actor, says[0], "proposeTreasury", address),), notes
    )


def accept_admin(standing: Standing, city: City, actor: Actor) -> Deed:
    """Take over as admin."""
    says = (f"{actor.address} takes over as admin of {city.label} from {city.admin}",)
    return Deed("accept-admin", says, (registry_call(standing, city, actor, says[0], "acceptAdmin"),))


def accept_treasury(standing: Standing, city: City, actor: Actor) -> Deed:
    """Take over as treasury."""
    says = (f"{actor.address} takes over as treasury of {city.label} from {city.treasury or 'none'}",)
    return Deed("accept-treasury", says, (registry_call(standing, city, actor, says[0], "acceptTreasury"),))


def cancel_changes(standing: Standing, city: City, actor: Actor) -> Deed:
    """Call the proposed changes of admin, treasury and recovery address off."""
    proposed = [
        f"its admin becoming {city.new_admin}" if city.new_admin else "",
        f"its treasury becoming {city.new_treasury}" if city.new_treasury else "",
        f"its recovery address becoming {city.recovery.new}" if city.recovery.new else "",
    ]
    says = (f"{city.label} calls off {' and '.join(filter(None, proposed)) or 'what is proposed'}",)
    return Deed("cancel-changes", says, (registry_call(standing, city, actor, says[0], "cancelChanges"),))


def freeze(standing: Standing, city: City, actor: Actor, frozen: bool) -> Deed:
    """Stop all that the treasury can do with the city's money, and its handing on, or allow it again."""
    act = "freeze" if frozen else "unfreeze"
    if city.frozen == frozen:
        return nothing(act, f"the treasury of {city.label} is {'frozen' if frozen else 'not frozen'}")
    says = (
        f"{city.label} {'stops' if frozen else 'allows'} its treasury's withdrawals, refunds and disputes"
        f"{'' if frozen else ' again'}",
    )
    return Deed(act, says, (registry_call(standing, city, actor, says[0], "freezeTreasury", frozen),))


# ---------------------------------------------------------------- a city alone: tariff, tickets, leaving


def publish_tariff(
    standing: Standing,
    city: City,
    actor: Actor,
    uri: str,
    tariff_hash: bytes,
    valid_from: int,
    published: Sequence[tuple[str, bytes, int]],
) -> Deed:
    """Publish a tariff, or have the last one begin sooner; `valid_from` 0 is from the block's time on."""
    same = bool(published) and (published[-1][0], bytes(published[-1][1])) == (uri, tariff_hash)
    if same and published[-1][2] <= (valid_from or standing.now):
        return nothing("tariff", f"{city.label} published it; it holds from {format_moment(published[-1][2])} on")
    when = format_moment(valid_from) if valid_from else "now"
    says = (f"{city.label} publishes the tariff {uri}, hash 0x{tariff_hash.hex()}, to hold from {when} on",)
    call = registry_call(standing, city, actor, says[0], "publishTariff", uri, tariff_hash, valid_from)
    return Deed("tariff", says, (call,))


def revoke(
    standing: Standing, city: City, actor: Actor, operator: City, serials: Collection[int], revoked: Collection[int]
) -> Deed:
    """Revoke tickets that the city issued for one operator."""
    new = sorted(set(serials) - set(revoked))
    before = len(set(serials)) - len(new)
    notes: tuple[str, ...] = ()
    if before:
        notes = (f"{before} of them {'was' if before == 1 else 'were'} revoked before",)
    if not new:
        return Deed("revoke", ("nothing to do: all of them are revoked",), (), notes)
    if len(new) > REVOCATIONS_A_DAY:
        raise InputError(
            f"expected at most {REVOCATIONS_A_DAY:,} tickets for one operator to be revoked in a day (UTC), found "
            f"{len(new):,}: end the issuer key that signed them with `end-key`, or revoke the rest tomorrow"
        )
    says = f"{city.label} revokes {len(new)} ticket{'' if len(new) == 1 else 's'} for {operator.label}"
    parts = [new[at : at + SERIALS_AT_ONCE] for at in range(0, len(new), SERIALS_AT_ONCE)]
    calls = []
    for part in parts:
        span = f"serial {part[0]}" if len(part) == 1 else f"{len(part)} serials from {part[0]} to {part[-1]}"
        calls.append(registry_call(standing, city, actor, f"{says}: {span}", "revokeTickets", operator.code, part))
    grace = standing.house.parameters.grace
    notes += (f"gates refuse them from their next sync on, at most {grace // 3600} hours from now",)
    return Deed("revoke", (says,), tuple(calls), notes)


def leave(standing: Standing, city: City, actor: Actor) -> Deed:
    """End the city's own membership."""
    says = (f"{city.label} leaves the consortium, for good",)
    return Deed("leave", says, (registry_call(standing, city, actor, says[0], "leaveConsortium"),))


def left_to_do(standing: Standing, city: City, disputed: int) -> tuple[str, ...]:
    """What there is to do, or to wait for, before a city that leaves has all of its money.

    Args:
        disputed: fen of its that hang on open disputes.
    """
    account, last = standing.house.accounts[city.code], standing.house.longest_claim
    left = [f"it holds {yuan(account.balance)}, of which it can withdraw {yuan(account.withdrawable)} now"]
    if account.owes:
        left.append(
            f"it owes {yuan(account.owes)} in arrears: deposit, then `pay-arrears`; until then it withdraws nothing"
        )
    if account.withheld:
        left.append(f"{yuan(account.withheld)} of that is withheld: `release-withheld` says until when")
    if account.is_owed:
        left.append(f"others owe it {yuan(account.is_owed)} in arrears: `pay-arrears` collects what they can pay")
    if account.reserve:
        ends = format_moment(city.exited_at + last) if city.exited_at else f"{format_length(last)} after it left"
        left.append(f"its reserve of {yuan(account.reserve)} stays until {ends}")
    if disputed:
        left.append(f"{yuan(disputed)} of its rides hang on open disputes")
    until = f"until {format_moment(city.exited_at + last)}" if city.exited_at else f"for {format_length(last)} after it"
    left.append(f"its rides of before can still be submitted, disputed and answered, {until} at most")
    return tuple(left)


# ---------------------------------------------------------------- shared


def nothing(act: str, because: str) -> Deed:
    """An act whose end is there already."""
    return Deed(act, (f"nothing to do: {because}",))


def registry_call(standing: Standing, city: City, actor: Actor, what: str, function: str, *arguments: object) -> Call:
    """A call of a function of the registry whose first argument is the city."""
    data = encode_call("CityRegistry", function, city.code, *arguments)
    return Call(Step.ACT, what, actor.address, actor.role, standing.registry, data)

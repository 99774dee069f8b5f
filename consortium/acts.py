"""What each act of governing is: which contract is called with what, and by whom.

Facts come in, calls go out; no network and no accounts here. An act whose end is there already has no calls.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from consortium.calls import Call, Step, encode_call
from consortium.standing import City, Parameters, Standing, yuan
from consortium.times import format_length, format_moment
from consortium.words import RESERVE_AFTER_EXIT, STOP_LENGTH

SERIALS_AT_ONCE: Final = 300
"""Revocations in one transaction: about 8 million gas."""


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


def recover(standing: Standing, city: City, admin: str, treasury: str) -> Motion:
    """Give a city whose key was stolen or lost another admin and treasury."""
    return Motion("recover", standing.registry, encode_call("CityRegistry", "recover", city.code, admin, treasury))


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
    """Begin the wait of a proposal that got its two thirds because others left."""
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
        return _nothing("add-key", f"{city.label} has issuer key {key_id} just so")
    until = f"until {format_moment(valid_until)}" if format_moment(valid_until) != "no end" else "with no end"
    says = (f"{city.label} adds issuer key {key_id}, {address}, valid from {format_moment(valid_from)} {until}",)
    call = _registry(standing, city, actor, says[0], "addIssuerKey", key_id, address, valid_from, valid_until)
    return Deed("add-key", says, (call,))


def end_key(
    standing: Standing, city: City, actor: Actor, key_id: int, until: int, present: tuple[str, int, int]
) -> Deed:
    """Bring the end of an issuer key forward."""
    address, _, valid_until = present
    if valid_until <= standing.now and valid_until:
        return _nothing("end-key", f"issuer key {key_id} of {city.label} ended at {format_moment(valid_until)}")
    grace = standing.house.parameters.grace
    says = (
        f"{city.label} ends issuer key {key_id}, {address}, at {format_moment(until)} (so far: "
        f"{format_moment(valid_until)})",
    )
    notes = (
        "gates refuse entries with its tickets from their next sync on; rides begun before "
        f"{format_moment(until + grace)} still settle",
    )
    return Deed("end-key", says, (_registry(standing, city, actor, says[0], "endIssuerKey", key_id, until),), notes)


def add_submitter(standing: Standing, city: City, actor: Actor, address: str, is_one: bool) -> Deed:
    """Let a key sign the city's batches."""
    if is_one:
        return _nothing("add-submitter", f"{address} is a submitter of {city.label}")
    says = (f"{city.label} lets {address} sign its batches",)
    return Deed("add-submitter", says, (_registry(standing, city, actor, says[0], "addSubmitter", address),))


def remove_submitter(standing: Standing, city: City, actor: Actor, address: str, is_one: bool) -> Deed:
    """Stop a key from signing the city's batches."""
    if not is_one:
        return _nothing("remove-submitter", f"{address} is no submitter of {city.label}")
    says = (f"{city.label} lets {address} sign its batches no more",)
    return Deed("remove-submitter", says, (_registry(standing, city, actor, says[0], "removeSubmitter", address),))


# ---------------------------------------------------------------- a city alone: admin and treasury


def move_admin(standing: Standing, city: City, actor: Actor, address: str) -> Deed:
    """Propose another admin."""
    if city.new_admin == address:
        return _nothing("move-admin", f"{address} may accept from {format_moment(city.new_admin_from)} on")
    says = (f"{city.label} proposes {address} as its admin in place of {city.admin}",)
    notes = ("in 2 days it accepts with `accept-admin`; until then admin or treasury can `cancel-changes`",)
    return Deed("move-admin", says, (_registry(standing, city, actor, says[0], "proposeAdmin", address),), notes)


def move_treasury(standing: Standing, city: City, actor: Actor, address: str) -> Deed:
    """Propose another treasury."""
    if city.new_treasury == address:
        return _nothing("move-treasury", f"{address} may accept from {format_moment(city.new_treasury_from)} on")
    says = (f"{city.label} proposes {address} as its treasury in place of {city.treasury}",)
    notes = ("in 2 days it accepts with `accept-treasury`; until then admin or treasury can `cancel-changes`",)
    return Deed("move-treasury", says, (_registry(standing, city, actor, says[0], "proposeTreasury", address),), notes)


def accept_admin(standing: Standing, city: City, actor: Actor) -> Deed:
    """Take over as admin."""
    says = (f"{actor.address} takes over as admin of {city.label} from {city.admin}",)
    return Deed("accept-admin", says, (_registry(standing, city, actor, says[0], "acceptAdmin"),))


def accept_treasury(standing: Standing, city: City, actor: Actor) -> Deed:
    """Take over as treasury."""
    says = (f"{actor.address} takes over as treasury of {city.label} from {city.treasury}",)
    return Deed("accept-treasury", says, (_registry(standing, city, actor, says[0], "acceptTreasury"),))


def cancel_changes(standing: Standing, city: City, actor: Actor) -> Deed:
    """Call the proposed changes of admin and treasury off."""
    proposed = [
        f"its admin becoming {city.new_admin}" if city.new_admin else "",
        f"its treasury becoming {city.new_treasury}" if city.new_treasury else "",
    ]
    says = (f"{city.label} calls off {' and '.join(filter(None, proposed)) or 'what is proposed'}",)
    return Deed("cancel-changes", says, (_registry(standing, city, actor, says[0], "cancelChanges"),))


def freeze(standing: Standing, city: City, actor: Actor, frozen: bool) -> Deed:
    """Stop the treasury's withdrawals, refunds and disputes, or allow them again."""
    act = "freeze" if frozen else "unfreeze"
    if city.frozen == frozen:
        return _nothing(act, f"the treasury of {city.label} is {'frozen' if frozen else 'not frozen'}")
    says = (
        f"{city.label} {'stops' if frozen else 'allows'} its treasury's withdrawals, refunds and disputes"
        f"{'' if frozen else ' again'}",
    )
    return Deed(act, says, (_registry(standing, city, actor, says[0], "freezeTreasury", frozen),))


def consent(standing: Standing, city: City, actor: Actor, admin: str, treasury: str, has_consented: bool) -> Deed:
    """Agree to being given this admin and this treasury by vote."""
    if has_consented:
        return _nothing("consent", f"{city.label} agreed to admin {admin} and treasury {treasury}")
    says = (f"{city.label} agrees to being given admin {admin} and treasury {treasury} by vote",)
    notes = (f"two thirds of the members have to `recover {city.code} --admin {admin} --treasury {treasury}`",)
    return Deed(
        "consent", says, (_registry(standing, city, actor, says[0], "consentToRecovery", admin, treasury),), notes
    )


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
        return _nothing("tariff", f"{city.label} published it; it holds from {format_moment(published[-1][2])} on")
    when = format_moment(valid_from) if valid_from else "now"
    says = (f"{city.label} publishes the tariff {uri}, hash 0x{tariff_hash.hex()}, to hold from {when} on",)
    call = _registry(standing, city, actor, says[0], "publishTariff", uri, tariff_hash, valid_from)
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
    says = f"{city.label} revokes {len(new)} ticket{'' if len(new) == 1 else 's'} for {operator.label}"
    parts = [new[at : at + SERIALS_AT_ONCE] for at in range(0, len(new), SERIALS_AT_ONCE)]
    calls = []
    for part in parts:
        span = f"serial {part[0]}" if len(part) == 1 else f"{len(part)} serials from {part[0]} to {part[-1]}"
        calls.append(_registry(standing, city, actor, f"{says}: {span}", "revokeTickets", operator.code, part))
    grace = standing.house.parameters.grace
    notes += (f"gates refuse them from their next sync on, at most {grace // 3600} hours from now",)
    return Deed("revoke", (says,), tuple(calls), notes)


def leave(standing: Standing, city: City, actor: Actor) -> Deed:
    """End the city's own membership."""
    says = (f"{city.label} leaves the consortium, for good",)
    return Deed("leave", says, (_registry(standing, city, actor, says[0], "leaveConsortium"),))


def left_to_do(standing: Standing, city: City, disputed: int) -> tuple[str, ...]:
    """What there is to do, or to wait for, before a city that leaves has all of its money.

    Args:
        disputed: fen of its that hang on open disputes.
    """
    account = standing.house.accounts[city.code]
    left = [f"it holds {yuan(account.balance)}, of which it can withdraw {yuan(account.withdrawable)} now"]
    if account.owes:
        left.append(
            f"it owes {yuan(account.owes)} in arrears: deposit, then `pay-arrears`; until then it withdraws nothing"
        )
    if account.is_owed:
        left.append(f"others owe it {yuan(account.is_owed)} in arrears: `pay-arrears` collects what they can pay")
    if account.reserve:
        ends = (
            f"until {format_moment(city.exited_at + RESERVE_AFTER_EXIT)}"
            if city.exited_at
            else f"until {RESERVE_AFTER_EXIT // 86_400} days after it left"
        )
        left.append(f"its reserve of {yuan(account.reserve)} stays {ends}")
    if disputed:
        left.append(f"{yuan(disputed)} of its rides hang on open disputes")
    times = standing.house.parameters
    last = times.submission_window + 2 * STOP_LENGTH + times.dispute_time + times.answer_time
    until = f"until {format_moment(city.exited_at + last)}" if city.exited_at else f"for {format_length(last)} after it"
    left.append(f"its rides of before can still be submitted, disputed and answered, {until} at most")
    return tuple(left)


# ---------------------------------------------------------------- a city alone: money


def deposit(standing: Standing, city: City, actor: Actor, amount: int, reference: bytes, allowance: int) -> Deed:
    """Take tokens of the sender into a city's balance, fen."""
    says = (f"{actor.address} deposits {yuan(amount)} to {city.label}",)
    house = standing.house.address
    calls = []
    if allowance < amount:
        data = encode_call("SettlementToken", "approve", house, amount)
        what = f"{actor.address} allows the deposit"
        calls.append(Call(Step.ALLOW, what, actor.address, actor.role, standing.token, data))
    data = encode_call("Clearinghouse", "deposit", city.code, amount, reference)
    calls.append(Call(Step.DEPOSIT, says[0], actor.address, actor.role, house, data))
    return Deed("deposit", says, tuple(calls))


def withdraw(standing: Standing, city: City, actor: Actor, amount: int, reference: bytes) -> Deed:
    """Pay a part of the city's balance out to its treasury, fen."""
    says = (f"{city.label} withdraws {yuan(amount)} to its treasury {city.treasury}",)
    data = encode_call("Clearinghouse", "withdraw", city.code, amount, reference)
    return Deed("withdraw", says, (Call(Step.ACT, says[0], actor.address, actor.role, standing.house.address, data),))


def pay_arrears(standing: Standing, debtor: City, actor: Actor, owed: Sequence[tuple[City, int]]) -> Deed:
    """Pay a debtor's arrears to its creditors, as far as its balance reaches; anyone may."""
    balance = standing.house.accounts[debtor.code].balance
    if not owed:
        return _nothing("pay-arrears", f"{debtor.label} owes nothing")
    says, calls = [], []
    for creditor, amount in owed:
        paid = min(amount, balance)
        balance -= paid
        if not paid:
            says.append(f"{debtor.label} owes {creditor.label} {yuan(amount)}, and has nothing to pay it from")
            continue
        what = f"{debtor.label} pays {creditor.label} {yuan(paid)} of the {yuan(amount)} that it owes"
        data = encode_call("Clearinghouse", "payArrears", debtor.code, creditor.code)
        says.append(what)
        calls.append(Call(Step.ACT, what, actor.address, actor.role, standing.house.address, data))
    return Deed("pay-arrears", tuple(says), tuple(calls))


def _nothing(act: str, because: str) -> Deed:
    return Deed(act, (f"nothing to do: {because}",))


def _registry(standing: Standing, city: City, actor: Actor, what: str, function: str, *arguments: object) -> Call:
    data = encode_call("CityRegistry", function, city.code, *arguments)
    return Call(Step.ACT, what, actor.address, actor.role, standing.registry, data)

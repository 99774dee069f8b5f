"""Governing: who acts, what they may want to know before, and what came of it. Each run reads the chain first."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from consortium import acts, recovery
from consortium.acts import Actor, Deed, Motion
from consortium.calls import Call, encode_call
from consortium.chain import Chain, Receipt
from consortium.costs import Cost
from consortium.deployments import Deployment
from consortium.errors import AccountMissingError, ConsortiumError, InputError
from consortium.onboarding import require_on_chain
from consortium.outcome import Outcome
from consortium.proposals import Proposal, ReadProposal, State
from consortium.standing import City, Standing
from consortium.survey import Survey
from consortium.times import format_moment
from consortium.words import Reading, read_call
from interline.errors import MalformedError
from interline.signatures import parse_address, to_checksum

logger = logging.getLogger(__name__)

_HOLDERS: Final[dict[str, Callable[[City], str | None]]] = {
    "admin": lambda city: city.admin,
    "treasury": lambda city: city.treasury,
    "proposed admin": lambda city: city.new_admin,
    "proposed treasury": lambda city: city.new_treasury,
    "recovery address": lambda city: city.recovery.address,
    "proposed recovery address": lambda city: city.recovery.new,
}
"""Whose address a role is."""
_INSTEAD: Final = {
    "treasury": "its admin names one with `move-treasury`",
    "proposed recovery address": "admin and treasury name one with `change-recovery`",
}
"""What to do where nobody has a role."""


class Desk:
    """Where members govern: one deployment, on one chain.

    Args:
        voices: names or codes of the cities that act.
        account: alias or address of the Ape account that signs, where it isn't the one that the chain names.
        dry_run: whether to send nothing.

    Raises:
        DeploymentError: the deployment is another chain's, or its contracts aren't there.
        ChainError: the node doesn't answer.
    """

    def __init__(
        self,
        chain: Chain,
        deployment: Deployment,
        *,
        voices: Sequence[str] = (),
        account: str | None = None,
        dry_run: bool = False,
    ) -> None:
        require_on_chain(chain, deployment)
        self.chain = chain
        self.dry_run = dry_run
        self.survey = Survey(chain, deployment)
        self.standing: Standing = self.survey.standing()
        self._voices = voices
        self._account = None if account is None else _address_of(chain, account)

    def city(self, who: str) -> City:
        """The city of a name or code. Raises InputError where none is meant."""
        return self.standing.city(who)

    # ------------------------------------------------------------ who acts

    def acting(self, *roles: str) -> tuple[City, Actor]:
        """The one city that acts, and who signs for it: the holder of the first of the roles whose account is here.

        Raises:
            InputError: no city is named, and none or several could be meant; or several are named.
        """
        cities = self._cities(roles)
        if len(cities) != 1:
            raise InputError(f"expected one city that acts, came {', '.join(city.label for city in cities)}")
        return cities[0], self._actor(cities[0], roles)

    def acting_each(self, *roles: str) -> list[tuple[City, Actor]]:
        """All cities that act, and who signs for each. Raises InputError."""
        return [(city, self._actor(city, roles)) for city in self._cities(roles)]

    def actor_for(self, city: City, role: str) -> Actor:
        """Who signs for a city in a role, or `--account`. Raises InputError where nobody has that role."""
        return self._actor(city, (role,))

    def anyone(self) -> Actor:
        """Whoever is here, for what anyone may do.

        Raises AccountMissingError where nobody is.
        """
        if self._account is not None:
            return self._settled(Actor(self._account, "--account"))
        if self._voices:
            return self._actor(self.standing.city(self._voices[0]), ("admin", "treasury"))
        for city in self.standing.cities.values():
            for role in ("admin", "treasury"):
                address = _HOLDERS[role](city)
                if address is not None and self.chain.signers.has(address):
                    return self._settled(Actor(address, f"{role} of {city.name}"))
        raise AccountMissingError(
            "expected an account that can sign, there is none of a city here: name one with --account; any will do"
        )

    def _cities(self, roles: Sequence[str]) -> list[City]:
        if self._voices:
            return [self.standing.city(voice) for voice in self._voices]
        here = [city for city in self.standing.cities.values() if any(self._holds(city, role) for role in roles)]
        if len(here) == 1:
            return here
        found = (
            f"accounts of {', '.join(city.label for city in here)} are here" if here else "no city's account is here"
        )
        raise InputError(f"expected --as with the city that acts, for {found}: name it, such as --as {_first(here)}")

    def _holds(self, city: City, role: str) -> bool:
        address = _HOLDERS[role](city)
        return address is not None and self.chain.signers.has(address)

    def _actor(self, city: City, roles: Sequence[str]) -> Actor:
        if self._account is not None:
            return self._settled(Actor(self._account, f"--account, for {city.name}"))
        role = next((role for role in roles if self._holds(city, role)), roles[0])
        address = _HOLDERS[role](city)
        if address is None:
            raise InputError(
                f"expected a {role} of {city.label}, there is none: {_INSTEAD.get(role, 'propose one first')}"
            )
        return self._settled(Actor(address, f"{role} of {city.name}"))

    def _settled(self, actor: Actor) -> Actor:
        """The actor, once no transaction of theirs waits that could change what was read."""
        if not self.dry_run:
            self.chain.wait_for_pending([actor.address])
            if self.chain.head()[0] != self.standing.block:
                self.standing = self.survey.standing()
        return actor

    # ------------------------------------------------------------ acts of one city

    def do(self, deed: Deed, **more: Any) -> Outcome:
        """Do what a city does alone; nothing where its end is there already, or in a dry run."""
        receipts, costs = self._carry_out(deed.calls)
        return Outcome(deed.act, deed.says, self.dry_run, receipts, costs, notes=deed.notes, more=more)

    def planned(self, act: str, says: tuple[str, ...], costs: tuple[Cost, ...], notes: tuple[str, ...]) -> Outcome:
        """What a dry run has to say of an act that goes on with something that isn't there yet."""
        return Outcome(act, says, True, costs=costs, notes=notes)

    def call_stop(self) -> Outcome:
        """Ask for the emergency stop; it begins when enough members have."""
        city, actor = self.acting("admin")
        call = acts.call_stop(self.standing, city, actor)
        receipts, costs = self._carry_out([call])
        house = self.standing.house
        if house.stopped_until > self.standing.now:
            says = f"settlement stands still until {format_moment(house.stopped_until)}"
        else:
            asked = f"{house.stop_calls} of the {house.stop_needed} members that it takes"
            lapse = f"; their calls lapse at {format_moment(house.stop_lapses)}" if house.stop_lapses else ""
            says = f"{asked} called for a stop{' so far' if self.dry_run else ''}{lapse}"
        stop = {"calls": house.stop_calls, "needed": house.stop_needed, "stopped_until": house.stopped_until}
        return Outcome("stop", (call.what, says), self.dry_run, receipts, costs, more={"stop": stop})

    # ------------------------------------------------------------ votes

    def read(self, target: str, data: bytes) -> Reading:
        """What a call by the Consortium would do now."""
        refusal = self.chain.refusal(self.standing.consortium, target, data)
        return read_call(target, data, self.standing, refusal)

    def proposals(self, *, all_of_them: bool = False) -> list[ReadProposal]:
        """The open proposals, or all, the newest first, each in plain words."""
        found = self.survey.proposals(self.standing)
        return [self._read_proposal(one) for one in found if all_of_them or one.is_open(self.standing.now)]

    def proposal(self, number: int) -> ReadProposal:
        """One proposal in plain words. Raises InputError where there is none."""
        return self._read_proposal(self._proposal(number))

    def move(self, motion: Motion, *, execute: bool = False) -> Outcome:
        """Propose a motion; where an open proposal says the same, approve that one. Carry it out, if asked."""
        city, actor = self.acting("admin")
        reading = self.read(motion.target, motion.data)
        there = self._open_like(motion)
        calls, notes = [], list(reading.warnings)
        if there is None:
            calls = [acts.propose(self.standing, city, actor, motion, reading.sentence)]
        elif city.code in there.approved_by:
            notes.append(f"{city.label} approved proposal {there.id} before, which says the same")
        else:
            notes.append(f"proposal {there.id} by {self.standing.label(there.proposer)} says the same")
            calls = [acts.approve(self.standing, city, actor, there.id)]
        receipts, costs = self._carry_out(calls)
        says = (f"{city.label} proposes: {reading.sentence}", *reading.effects)
        if self.dry_run:
            return Outcome(motion.act, says, True, costs=costs, notes=tuple(notes), more={"call": reading.call})
        number = self._proposed(motion, receipts[0].block) if there is None else there.id
        return self._voted(motion.act, [number], says, receipts, tuple(notes), execute)

    def cost_of(self, motion: Motion) -> Cost:
        """What proposing a motion would cost. Raises TransactionError where the acting city can't propose."""
        city, actor = self.acting("admin")
        (cost,) = self.chain.costs([acts.propose(self.standing, city, actor, motion, motion.act)])
        return cost

    def vote(self, number: int, *, execute: bool = False) -> Outcome:
        """Vote for a proposal in the name of each city that acts. Carry it out, if asked."""
        one = self.proposal(number)
        says, notes, calls = (one.reading.sentence, *one.reading.effects), list(one.reading.warnings), []
        for city, actor in self.acting_each("admin"):
            if city.code in one.proposal.approved_by:
                notes.append(f"{city.label} approved proposal {number} before")
            else:
                calls.append(acts.approve(self.standing, city, actor, number))
        receipts, costs = self._carry_out(calls, together=True)
        return self._voted("vote", [number], says, receipts, tuple(notes), execute, costs)

    def withdraw_vote(self, number: int) -> Outcome:
        """Take the acting city's vote for a proposal back."""
        one = self.proposal(number)
        city, actor = self.acting("admin")
        calls = [acts.withdraw_vote(self.standing, city, actor, number)]
        receipts, costs = self._carry_out(calls)
        return self._voted("withdraw-vote", [number], (calls[0].what, one.reading.sentence), receipts, (), False, costs)

    def request_recovery(self, city: City) -> Outcome:
        """Ask the others to give a city back to its recovery address, which signs; a request replaces one before."""
        actor = self.actor_for(city, "recovery address")
        call = recovery.request_recovery(self.standing, city, actor)
        motion = Motion("request-recovery", self.standing.registry, _recovery_call(city, actor.address))
        reading, there = self.read(motion.target, motion.data), self._open_like(motion)
        notes = list(reading.warnings)
        if there is not None:
            notes.append(f"it takes the place of the request that is open, proposal {there.id}, with its votes")
        receipts, costs = self._carry_out([call])
        says = (call.what, *reading.effects)
        if self.dry_run:
            return Outcome(motion.act, says, True, costs=costs, notes=tuple(notes), more={"call": reading.call})
        number = self._proposed(motion, receipts[0].block)
        return self._voted(motion.act, [number], says, receipts, tuple(notes), False)

    def withdraw_request(self, number: int) -> Outcome:
        """Take a request for a recovery back; the recovery address that asked signs."""
        one = self.proposal(number)
        city = self.standing.cities[one.proposal.proposer]
        call = recovery.withdraw_request(self.standing, self.actor_for(city, "recovery address"), number)
        receipts, costs = self._carry_out([call])
        return self._voted("withdraw-request", [number], (call.what, one.reading.sentence), receipts, (), False, costs)

    def open_request(self, city: City) -> ReadProposal | None:
        """The request for a city's recovery that is open."""
        like = Motion("recover", self.standing.registry, _recovery_call(city, city.recovery.address))
        found = self._open_like(like)
        return None if found is None else self._read_proposal(found)

    def mark_passed(self, number: int) -> Outcome:
        """Begin the wait of a proposal that has its two thirds, where it didn't begin or was lost; anyone may."""
        one = self.proposal(number)
        calls = []
        if one.proposal.state(self.standing.now) not in (State.WAITING, State.READY, State.EXECUTED):
            calls = [acts.mark_passed(self.standing, self.anyone(), number)]
        receipts, costs = self._carry_out(calls)
        says = (*(call.what for call in calls), one.reading.sentence)
        return self._voted("mark-passed", [number], says, receipts, (), False, costs)

    def execute(self, number: int) -> Outcome:
        """Carry a proposal out, or begin its wait where nobody has."""
        one = self.proposal(number)
        return self._voted("execute", [number], (one.reading.sentence, *one.reading.effects), (), (), True)

    def _voted(
        self,
        act: str,
        numbers: list[int],
        says: tuple[str, ...],
        receipts: tuple[Receipt, ...],
        notes: tuple[str, ...],
        execute: bool,
        costs: tuple[Cost, ...] = (),
    ) -> Outcome:
        """What came of a vote, after carrying it out if asked."""
        waits_for: tuple[str, ...] = ()
        if execute and not (self.dry_run and act != "execute"):
            more_receipts, more_costs, waits_for = self._execute(self._proposal(numbers[0]))
            receipts, costs = receipts + more_receipts, costs + more_costs
        after = [self.proposal(number) for number in numbers]
        notes += tuple(f"proposal {one.proposal.id} {self._stands(one.proposal)}" for one in after)
        shown = tuple(one.to_json(self.standing) for one in after)
        return Outcome(act, says, self.dry_run, receipts, costs, shown, waits_for, notes)

    def _execute(self, one: Proposal) -> tuple[tuple[Receipt, ...], tuple[Cost, ...], tuple[str, ...]]:
        state, waits = one.state(self.standing.now), f"proposal {one.id} {self._stands(one)}"
        if state in (State.EXPIRED, State.WITHDRAWN):
            raise ConsortiumError(f"expected an open proposal, {waits}: propose it anew")
        if state is State.EXECUTED:
            return (), (), ()
        if state is State.READY:
            return (*self._carry_out([acts.execute(self.standing, self.anyone(), one.id)]), ())
        if state is State.WAIT_NOT_BEGUN:
            receipts, costs = self._carry_out([acts.mark_passed(self.standing, self.anyone(), one.id)])
            return receipts, costs, (f"proposal {one.id} {self._stands(self._proposal(one.id))}",)
        return (), (), (waits,)

    def _stands(self, one: Proposal) -> str:
        return f"has {one.votes} of {one.votes_needed} votes: {one.says_when(self.standing.now)}"

    def _proposal(self, number: int) -> Proposal:
        count = self.survey.count(self.standing)
        if not 1 <= number <= count:
            raise InputError(f"expected a proposal's number from 1 to {count}, came {number}: see `proposals --all`")
        return self.survey.proposal(number, self.standing)

    def _read_proposal(self, one: Proposal) -> ReadProposal:
        if one.is_open(self.standing.now):
            return ReadProposal(one, self.read(one.target, one.data))
        return ReadProposal(one, read_call(one.target, one.data, self.standing, None))

    def _open_like(self, motion: Motion) -> Proposal | None:
        """An open proposal that says the same: that with the most votes, then the oldest."""
        alike = [
            one
            for one in self.survey.proposals(self.standing)
            if one.is_open(self.standing.now) and motion.is_like(one.target, one.data)
        ]
        return max(alike, key=lambda one: (one.votes, -one.id), default=None)

    def _proposed(self, motion: Motion, block: int) -> int:
        events = self.chain.events("Consortium", self.standing.consortium, "Proposed", (block, block))
        ours = [one for one in events if (one["target"], bytes(one["data"])) == (motion.target, motion.data)]
        return max(int(one["id"]) for one in ours)

    def _carry_out(
        self, calls: Sequence[Call], *, together: bool = False
    ) -> tuple[tuple[Receipt, ...], tuple[Cost, ...]]:
        """Send calls, each once the one before it is in a block unless they may go together; or ask their cost."""
        if self.dry_run:
            return (), tuple(self.chain.costs(calls))
        rounds = [calls] if together else [[call] for call in calls]
        receipts = tuple(receipt for some in rounds for receipt in self.chain.send(some))
        if receipts:
            self.standing = self.survey.standing()
        return receipts, ()


def checked_address(text: str, what: str) -> str:
    """An address of the command line, checksummed. Raises InputError where it is none."""
    try:
        return to_checksum(parse_address(text))
    except MalformedError as error:
        raise InputError(f"{what}: {error}") from error


def _recovery_call(city: City, address: str) -> bytes:
    """The call that a request for a city's recovery proposes."""
    return encode_call("CityRegistry", "recover", city.code, address)


def _address_of(chain: Chain, account: str) -> str:
    return checked_address(account, "--account") if account.startswith("0x") else chain.signers.by_alias(account)


def _first(cities: Sequence[City]) -> str:
    return cities[0].name if cities else "Hangzhou"

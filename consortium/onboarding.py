"""Bringing cities in, step by step. Each run reads from the chain what is missing, and does that alone."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from consortium.calls import Call, Step
from consortium.chain import Chain, Receipt
from consortium.deployments import Deployment
from consortium.errors import AccountMissingError, ConsortiumError, DeploymentError
from consortium.state import Reader
from consortium.steps import CityState, Member, Phase, Proposal, Status, missing, next_calls, notes, require_consistent
from interline.cities import CityFile
from interline.naming import find_city

logger = logging.getLogger(__name__)

_ROUNDS: Final = 20  # far more than bringing a city in takes


@dataclass(frozen=True, slots=True)
class Onboarding:
    """What one run did for one city, and how the city stands after it."""

    city: CityFile
    state: CityState
    """Read back from the chain at the end."""
    members_before: int
    """Cities that had joined when it was admitted, or have joined now if it wasn't."""
    proposal: Proposal | None
    """Its vote, as this run last saw it; None where it was over before, or never began."""
    receipts: tuple[Receipt, ...]
    """The transactions of this run, in their order."""
    waits_for: tuple[str, ...]
    """What keeps the steps that were asked for from being done here; empty when they are done."""
    notes: tuple[str, ...]
    """What people should know that is no fault."""
    seconds: float
    """How long this run took."""

    @property
    def gas(self) -> int:
        """Gas of this run's transactions but for the votes.

        That is: the proposal (which holds its proposer's own vote), the execution, issuer keys, submitters, mint,
        allowance and deposit. What other members' approvals took is `vote_gas`.
        """
        return sum(receipt.gas for receipt in self.receipts if receipt.call.step is not Step.APPROVE)

    @property
    def vote_gas(self) -> int:
        """Gas of this run's approvals."""
        return sum(receipt.gas for receipt in self.receipts if receipt.call.step is Step.APPROVE)

    @property
    def status(self) -> str:
        """How the city stands: not proposed, proposed, passed, member (something is missing), complete."""
        state = self.state
        if state.status is Status.NONE:
            return "not proposed" if state.proposal is None else "passed" if state.proposal.passed else "proposed"
        keys = all(key.id in state.issuer_keys for key in self.city.issuer_keys)
        submitters = state.submitters.issuperset(self.city.submitters)
        return "complete" if keys and submitters and state.deposited >= self.city.deposit else "member"

    def to_json(self) -> dict[str, Any]:
        """The city's entry in `ape run onboard … --json`. Gas is this run's; amounts in fen."""
        proposal = self.proposal
        return {
            "city": self.city.name,
            "code": self.city.code,
            "status": self.status,
            "members_before": self.members_before,
            "gas": self.gas,
            "vote_gas": self.vote_gas,
            "gas_by_step": _gas_by_step(self.receipts),
            "votes": None if proposal is None else {"cast": proposal.votes, "needed": proposal.votes_needed},
            "approvals": sum(receipt.call.step is Step.APPROVE for receipt in self.receipts),
            "seconds": round(self.seconds, 3),
            "transactions": [
                {
                    "step": str(receipt.call.step),
                    "what": receipt.call.what,
                    "sender": receipt.call.sender,
                    "transaction": receipt.transaction,
                    "block": receipt.block,
                    "gas": receipt.gas,
                }
                for receipt in self.receipts
            ],
            "balance": self.state.balance,
            "waits_for": list(self.waits_for),
            "notes": list(self.notes),
        }


class Office:
    """Where cities are brought in: one deployment, on one chain.

    Raises:
        DeploymentError: the deployment is another chain's, or its contracts aren't there.
        ChainError: the node doesn't answer.
    """

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        require_on_chain(chain, deployment)
        self._chain = chain
        self._reader = Reader(chain, deployment)

    def member(self, who: str) -> Member:
        """The member of a name or code, which is to vote here.

        Raises:
            ConsortiumError: there is no such member, or its seat doesn't count yet.
            AccountMissingError: its admin's account isn't here.
        """
        members = self._reader.members()
        code = find_city(who, [(member.code, (member.name,)) for member in members])
        for member in members:
            if member.code == code:
                self._chain.signers.require(member.admin, f"admin of {member.name}")
                return member
        known = ", ".join(f"{member.name} ({member.code})" for member in members)
        raise ConsortiumError(
            f"expected --as with the name or code of a member whose seat counts, which it does 7 days after joining; "
            f"came {who!r}: there are {known}"
        )

    def bring_in(self, city: CityFile, phases: Phase = Phase.ALL, voice: int | None = None) -> Onboarding:
        """Do what is missing of the given phases for a city, as far as the accounts here can.

        Args:
            voice: code of the member that alone proposes and votes.

        Raises:
            ContradictionError: the chain says otherwise than the city's file.
            TransactionError: a contract refuses something.
            ChainError: the node doesn't answer.
        """
        started = time.monotonic()
        state = self._settled_state(city)
        members_before, proposal = state.members_before, state.proposal
        receipts: list[Receipt] = []
        for _ in range(_ROUNDS):
            calls = self._next(city, state, phases, voice)
            if not calls:
                break
            receipts += self._chain.send(calls)
            state = self._reader.city(city)
            require_consistent(city, state)
            proposal = state.proposal or proposal
        else:
            raise ConsortiumError(
                f"expected {city.name} to be in after {_ROUNDS} rounds, it isn't: {calls[0].what} again"
            )
        left = missing(city, state, self._reader.contracts, phases, self._chain.signers.has)
        remarks = notes(city, state)
        seconds = time.monotonic() - started
        return Onboarding(city, state, members_before, proposal, tuple(receipts), tuple(left), tuple(remarks), seconds)

    def set_up(self, cities: Sequence[CityFile]) -> list[Receipt]:
        """Register keys and submitters of cities that are members, and make their deposits, all cities at once.

        Raises:
            AccountMissingError: an account that is needed isn't here; what others can do was done.
            ContradictionError, TransactionError, ChainError: as of bring_in.
        """
        states = [self._settled_state(city) for city in cities]
        receipts: list[Receipt] = []
        for _ in range(_ROUNDS):
            calls = [
                call
                for city, state in zip(cities, states, strict=True)
                for call in self._next(city, state, Phase.COMPLETE, None)
            ]
            if not calls:
                break
            receipts += self._chain.send(calls)
            states = [self._reader.city(city) for city in cities]
        for city, state in zip(cities, states, strict=True):
            require_consistent(city, state)
            left = missing(city, state, self._reader.contracts, Phase.COMPLETE, self._chain.signers.has)
            if left:
                raise AccountMissingError(f"{city.name} isn't set up yet: {'; '.join(left)}")
        return receipts

    def _next(self, city: CityFile, state: CityState, phases: Phase, voice: int | None) -> list[Call]:
        return next_calls(city, state, self._reader.contracts, phases, self._chain.signers.has, voice)

    def _settled_state(self, city: CityFile) -> CityState:
        """The city's state once no transaction waits that could change it."""
        state = self._reader.city(city)
        require_consistent(city, state)
        involved = {city.admin, city.treasury, state.bank, *(member.admin for member in state.members)}
        self._chain.wait_for_pending([address for address in involved if self._chain.signers.has(address)])
        if self._chain.head()[0] != state.block:
            state = self._reader.city(city)
            require_consistent(city, state)
        return state


def require_on_chain(chain: Chain, deployment: Deployment) -> None:
    """Make sure that a deployment's contracts are on this chain.

    Raises DeploymentError where they aren't.
    """
    if deployment.chain_id != chain.chain_id:
        raise DeploymentError(
            f"expected chain {deployment.chain_id}, for which the deployment was made, this is chain {chain.chain_id}: "
            "choose another --network or --deployment"
        )
    for name, contract in sorted(deployment.contracts.items()):
        if not chain.has_code(contract.address):
            raise DeploymentError(
                f"expected {name} at {contract.address}, there is no contract: the chain was started afresh, or is "
                "another one of the same id. Choose another --network or --deployment, or deploy anew with "
                "`ape run deploy --replace`"
            )


def _gas_by_step(receipts: Sequence[Receipt]) -> dict[str, int]:
    gas: dict[str, int] = {}
    for receipt in receipts:
        gas[receipt.call.step] = gas.get(receipt.call.step, 0) + receipt.gas
    return {str(step): amount for step, amount in gas.items()}

"""What the chain says about a city that is to join, or has joined."""

from functools import partial
from typing import Any, Final

from consortium.calls import decode_call
from consortium.chain import Chain
from consortium.deployments import Deployment
from consortium.errors import ChainError
from consortium.steps import CityState, Contracts, Member, Proposal, Rival, Status, admission, opening_reference
from interline.cities import CityFile
from interline.safe_text import short_name
from rpc import Answer

_NAME, _STATUS, _ADMIN = range(3)  # of what CityRegistry.city returns
_COUNTS_FROM: Final = 3  # of what CityRegistry.voterOf returns
_MEMBERS: Final = (Status.ACTIVE, Status.SUSPENDED)
_TARGET, _DATA, _PROPOSED_AT, _EXECUTED, _VOTES, _NEEDED = 0, 1, 3, 4, 5, 6  # of what Consortium.proposal returns
NOBODY: Final = "0x" + 40 * "0"
_REGISTRY: Final = "CityRegistry"


class Reader:
    """Reads the states of cities from one deployment, each at one block."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self._chain = chain
        self._made = deployment.contracts["Clearinghouse"].block
        self.contracts = Contracts(
            clearinghouse=deployment.address("Clearinghouse"),
            registry=deployment.address(_REGISTRY),
            consortium=deployment.address("Consortium"),
            token=deployment.address("SettlementToken"),
        )

    def members(self) -> list[Member]:
        """The members whose seats count, by admission."""
        return self._members(*self._chain.head())[1]

    def city(self, city: CityFile) -> CityState:
        """What the chain says about a city now. Raises ChainError."""
        block, now = self._chain.head()
        reads = self._chain.reads(block)
        ask = partial(reads, _REGISTRY, self.contracts.registry)
        entry, recovery, voter = (ask(name, city.code) for name in ("city", "recoveryOf", "voterOf"))
        submitters = {s: ask("isSubmitter", city.code, s) for s in city.submitters}
        balance = reads("Clearinghouse", self.contracts.clearinghouse, "balanceOf", city.code)
        token = partial(reads, "SettlementToken", self.contracts.token)
        tokens = token("balanceOf", city.treasury)
        allowance = token("allowance", city.treasury, self.contracts.clearinghouse)
        bank = token("bank")
        _, status, admin, treasury, *_ = entry()
        codes, members = self._members(block, now)
        joined = status != Status.NONE
        proposal, rivals = (None, []) if joined else self._proposals(city, members, block, now)
        return CityState(
            block=block,
            now=now,
            status=Status(status),
            name=short_name(entry()[_NAME]),
            admin=admin,
            treasury=treasury,
            recovery=recovery(),
            counts_from=voter()[_COUNTS_FROM],
            issuer_keys=self._issuer_keys(city.code, block),
            submitters=frozenset(submitter for submitter, may in submitters.items() if may()),
            balance=balance(),
            deposited=self._deposited(city, block),
            tokens=tokens(),
            allowance=allowance(),
            bank=_known(bank),
            members=tuple(members),
            members_before=codes.index(city.code) if joined else len(codes),
            proposal=proposal,
            rivals=tuple(rivals),
        )

    def _members(self, block: int, now: int) -> tuple[list[int], list[Member]]:
        """The codes of all cities that ever joined, and those of them whose seats count."""
        reads = self._chain.reads(block)
        ask = partial(reads, _REGISTRY, self.contracts.registry)
        codes = list(self._registry("cities", block=block))
        asked = [(code, ask("city", code), ask("voterOf", code)) for code in codes]
        found = [(code, entry(), voter()[_COUNTS_FROM]) for code, entry, voter in asked]
        return codes, [
            Member(code, short_name(entry[_NAME]), entry[_ADMIN])
            for code, entry, counts_from in found
            if entry[_STATUS] in _MEMBERS and counts_from <= now
        ]

    def _issuer_keys(self, code: int, block: int) -> dict[int, tuple[str, int, int]]:
        reads = self._chain.reads(block)
        ids = self._registry("issuerKeyIds", code, block=block)
        asked = {key_id: reads(_REGISTRY, self.contracts.registry, "issuerKey", code, key_id) for key_id in ids}
        return {key_id: tuple(key()) for key_id, key in asked.items()}

    def _deposited(self, city: CityFile, block: int) -> int:
        """Anyone may deposit to a city, with any reference: only its treasury's own deposits count."""
        indexed: dict[str, Any] = {"city": city.code, "from": city.treasury}
        events = self._chain.events(
            "Clearinghouse", self.contracts.clearinghouse, "Deposited", (self._made, block), **indexed
        )
        return sum(event["amount"] for event in events if event["bankReference"] == opening_reference(city.code))

    def _proposals(
        self, city: CityFile, members: list[Member], block: int, now: int
    ) -> tuple[Proposal | None, list[Rival]]:
        """The open proposals for a city; of several alike, that with the most votes, then the oldest."""
        period = self._consortium("VOTING_PERIOD", block=block)
        alike: list[tuple[int, int, int]] = []
        rivals: list[Rival] = []
        for number in range(self._consortium("proposalCount", block=block), 0, -1):
            entry = self._consortium("proposal", number, block=block)
            if now > entry[_PROPOSED_AT] + period:
                break  # older ones have expired too
            if entry[_EXECUTED] or entry[_TARGET] != self.contracts.registry:
                continue
            if entry[_DATA] == admission(city):
                alike.append((number, entry[_VOTES], entry[_NEEDED]))
            elif (arguments := decode_call(_REGISTRY, "admit", entry[_DATA])) and arguments[0] == city.code:
                _, name, *keys = arguments
                rivals.append(Rival(number, short_name(name), *keys))
        if not alike:
            return None, rivals
        number, votes, needed = max(alike, key=lambda one: (one[1], -one[0]))
        reads = self._chain.reads(block)
        asked = {m.code: reads("Consortium", self.contracts.consortium, "hasApproved", number, m.code) for m in members}
        return Proposal(number, votes, needed, frozenset(code for code, has in asked.items() if has())), rivals

    def _registry(self, function: str, *arguments: Any, block: int) -> Any:
        return self._chain.read(_REGISTRY, self.contracts.registry, function, *arguments, block=block)

    def _consortium(self, function: str, *arguments: Any, block: int) -> Any:
        return self._chain.read("Consortium", self.contracts.consortium, function, *arguments, block=block)


def _known(bank: Answer) -> str:
    """Who mints the token; nobody known where the settlement currency isn't that of a test network."""
    try:
        return str(bank())
    except ChainError:
        return NOBODY

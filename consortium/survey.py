"""Reads how the consortium stands, and its proposals, each at one block."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from consortium.chain import Ask, Chain
from consortium.deployments import Deployment
from consortium.errors import ChainError
from consortium.proposals import Proposal
from consortium.standing import Account, City, House, Parameters, Recovery, Standing, Suspension
from consortium.state import NOBODY
from consortium.steps import Status
from interline.safe_text import short_name

logger = logging.getLogger(__name__)

_MOST_HOUSES: Final = 50  # far more Clearinghouses than ever follow one another


class Survey:
    """Reads one deployment's consortium."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self._chain = chain
        self._consortium = deployment.address("Consortium")
        self._registry = deployment.address("CityRegistry")
        self._clearinghouse = deployment.address("Clearinghouse")
        self._token = deployment.address("SettlementToken")

    def standing(self) -> Standing:
        """Everything but the proposals, now. Raises ChainError."""
        block, now = self._chain.head()
        reads = self._chain.reads(block)
        codes = tuple(self._of_registry("cities", block=block))
        cities = [self._city(code, reads) for code in codes]
        house = self._house(self._clearinghouse, codes, reads)
        houses = self._houses(house(), codes, reads)
        by_code = {city.code: city for city in (read() for read in cities)}
        return Standing(block, now, self._consortium, self._registry, self._token, by_code, houses)

    def count(self, standing: Standing) -> int:
        """How many proposals there ever were, at the block of `standing`."""
        return int(self._of_consortium("proposalCount", block=standing.block))

    def proposals(self, standing: Standing) -> list[Proposal]:
        """All proposals ever made, the newest first, at the block of `standing`."""
        return self._proposals(range(self.count(standing), 0, -1), standing)

    def proposal(self, number: int, standing: Standing) -> Proposal:
        """One proposal, at the block of `standing`. Raises ChainError where there is none."""
        return self._proposals([number], standing)[0]

    def _proposals(self, numbers: Sequence[int], standing: Standing) -> list[Proposal]:
        reads = self._chain.reads(standing.block)
        ask = partial(reads, "Consortium", self._consortium)
        entries = [(number, ask("proposal", number)) for number in numbers]
        approvals = [{code: ask("hasApproved", number, code) for code in standing.cities} for number in numbers]
        delays = [ask("delayOf", entry()[0], entry()[1]) for _, entry in entries]
        found = []
        for (number, entry), approved, delay in zip(entries, approvals, delays, strict=True):
            target, data, proposer, proposed_at, executed, votes, needed, executable_from, expires_at = entry()
            found.append(
                Proposal(
                    id=number,
                    target=target,
                    data=bytes(data),
                    proposer=proposer,
                    proposed_at=proposed_at,
                    executed=executed,
                    votes=votes,
                    votes_needed=needed,
                    approved_by=tuple(code for code, has in approved.items() if has()),
                    delay=delay(),
                    executable_from=executable_from,
                    expires_at=expires_at,
                )
            )
        return found

    def issuer_key(self, code: int, key_id: int) -> tuple[str, int, int]:
        """An issuer key: address, valid from, valid until; the zero address if there is none."""
        address, valid_from, valid_until = self._of_registry("issuerKey", code, key_id)
        return address, valid_from, valid_until

    def is_submitter(self, code: int, address: str) -> bool:
        """Whether a key may sign a city's batches."""
        return bool(self._of_registry("isSubmitter", code, address))

    def tariffs(self, code: int) -> list[tuple[str, bytes, int]]:
        """The tariffs that a city published: URI, hash, valid from."""
        count = self._of_registry("tariffCount", code)
        reads = self._chain.reads(self._chain.head()[0])
        found = [reads("CityRegistry", self._registry, "tariff", code, index) for index in range(count)]
        return [tariff() for tariff in found]

    def revoked(self, issuer: int, operator: int) -> set[int]:
        """The serials of an issuer's tickets for an operator that are revoked."""
        first = self._of_registry("deployedAt")
        events = self._chain.events(
            "CityRegistry",
            self._registry,
            "TicketRevoked",
            (first, self._chain.head()[0]),
            issuer=issuer,
            operator=operator,
        )
        return {event["serial"] for event in events}

    def arrears(self, debtor: int, creditor: int) -> tuple[int, int]:
        """What one city owes another in arrears, and what of it is withheld, fen."""
        read = self._chain.read
        owed = int(read("Clearinghouse", self._clearinghouse, "arrears", debtor, creditor))
        return owed, int(read("Clearinghouse", self._clearinghouse, "withheld", debtor, creditor)) if owed else 0

    def disputed(self, house: House, issuer: int, operator: int) -> int:
        """What hangs on open disputes between two cities, fen."""
        return int(self._chain.read("Refunds", house.refunds, "disputed", issuer, operator))

    def tokens(self, holder: str) -> tuple[int, int]:
        """Settlement tokens of an address, and those that the Clearinghouse may take of it."""
        read = self._chain.read
        return (
            int(read("SettlementToken", self._token, "balanceOf", holder)),
            int(read("SettlementToken", self._token, "allowance", holder, self._clearinghouse)),
        )

    def _city(self, code: int, reads: Ask) -> Callable[[], City]:
        ask = partial(reads, "CityRegistry", self._registry)
        city, changes, voter = ask("city", code), ask("proposedChanges", code), ask("voterOf", code)
        exited_at, frozen, suspensions = ask("exitedAt", code), ask("isFrozen", code), ask("suspensions", code)
        recovery, new_recovery = ask("recoveryOf", code), ask("proposedRecovery", code)

        def answered() -> City:
            name, status, admin, treasury, _, suspended_at = city()
            new_admin, admin_from, new_treasury, treasury_from = changes()
            new, named_by, new_from = new_recovery()
            return City(
                code=code,
                name=short_name(name),
                status=Status(status),
                admin=admin,
                treasury=_or_none(treasury),
                suspended_at=suspended_at,
                exited_at=exited_at(),
                frozen=frozen(),
                new_admin=_or_none(new_admin),
                new_admin_from=admin_from,
                new_treasury=_or_none(new_treasury),
                new_treasury_from=treasury_from,
                recovery=Recovery(recovery(), _or_none(new), _or_none(named_by), new_from),
                counts_from=voter()[3],
                suspensions=tuple(Suspension(*one) for one in suspensions()),
            )

        return answered

    def _houses(self, ours: House, codes: tuple[int, ...], reads: Ask) -> tuple[House, ...]:
        """The deployment's Clearinghouse, and those that votes put before and after it."""
        houses = [ours]
        for following in ("predecessor", "successor"):
            last = houses[0]
            while (address := getattr(last, following)) is not None and len(houses) < _MOST_HOUSES:
                try:
                    house = self._house(address, codes, reads)()
                except ChainError as error:  # a vote can name any contract
                    logger.warning("no Clearinghouse of these interfaces at %s: %s", address, error)
                    break
                if following == "predecessor" and house.successor != last.address:
                    break  # no vote has said that the one takes over from the other
                houses.append(house)
                last = house
        return tuple(houses)

    def _house(self, address: str, codes: tuple[int, ...], reads: Ask) -> Callable[[], House]:
        ask = partial(reads, "Clearinghouse", address)
        names = ("maxFare", "grace", "submissionWindow", "disputeTime", "answerTime", "disputeFee")
        parameters, before, pending = [ask(name) for name in names], ask("parametersAt", 0), ask("pendingParameters")
        refunds, predecessor, successor = ask("refunds"), ask("predecessor"), ask("successor")
        stopped_until, closes_at = ask("stoppedUntil"), ask("closesAt")
        stops = reads("Consortium", self._consortium, "stopCalls", address)
        accounts = _accounts(ask, codes)

        def answered() -> House:
            later, later_from = pending()
            calls, needed, lapses = stops()
            return House(
                address=address,
                refunds=refunds(),
                parameters=Parameters(*(value() for value in parameters)),
                before=Parameters(*before()),
                pending=Parameters(*later) if later_from else None,
                pending_from=later_from,
                stopped_until=stopped_until(),
                stop_calls=calls,
                stop_needed=needed,
                stop_lapses=lapses,
                predecessor=_or_none(predecessor()),
                successor=_or_none(successor()),
                closes_at=closes_at(),
                accounts=accounts(),
            )

        return answered

    def _of_registry(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        return self._chain.read("CityRegistry", self._registry, function, *arguments, block=block)

    def _of_consortium(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        return self._chain.read("Consortium", self._consortium, function, *arguments, block=block)


def _accounts(ask: Ask, codes: tuple[int, ...]) -> Callable[[], dict[int, Account]]:
    names = ("balanceOf", "reserve", "withdrawable", "arrearsOf", "arrearsDue", "dailyLimit")
    asked = {code: [ask(name, code) for name in names] for code in codes}

    def answered() -> dict[int, Account]:
        found = {code: [answer() for answer in answers] for code, answers in asked.items()}
        withheld = {
            code: [ask("withheld", code, other) for other in codes if other != code]
            for code, (_, _, _, owes, _, _) in found.items()
            if owes
        }
        accounts = {}
        for code, (balance, reserve, withdrawable, owes, is_owed, (limit, taken)) in found.items():
            held = sum(one() for one in withheld.get(code, ()))
            accounts[code] = Account(balance, reserve, withdrawable, owes, is_owed, held, limit, taken if limit else 0)
        return accounts

    return answered


def _or_none(address: str) -> str | None:
    return None if address == NOBODY else str(address)

"""Reads how the consortium stands, and its proposals, each at one block."""

import logging
from typing import Any, Final

from consortium.chain import Chain
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
        codes = self._of_registry("cities", block=block)
        cities = {code: self._city(code, block) for code in codes}
        houses = self._houses(tuple(codes), block)
        return Standing(block, now, self._consortium, self._registry, self._token, cities, houses)

    def count(self, standing: Standing) -> int:
        """How many proposals there ever were, at the block of `standing`."""
        return int(self._of_consortium("proposalCount", block=standing.block))

    def proposals(self, standing: Standing) -> list[Proposal]:
        """All proposals ever made, the newest first, at the block of `standing`."""
        return [self.proposal(number, standing) for number in range(self.count(standing), 0, -1)]

    def proposal(self, number: int, standing: Standing) -> Proposal:
        """One proposal, at the block of `standing`. Raises ChainError where there is none."""
        block = standing.block
        target, data, proposer, proposed_at, executed, votes, needed, executable_from, expires_at = self._of_consortium(
            "proposal", number, block=block
        )
        approved = [code for code in standing.cities if self._of_consortium("hasApproved", number, code, block=block)]
        return Proposal(
            id=number,
            target=target,
            data=bytes(data),
            proposer=proposer,
            proposed_at=proposed_at,
            executed=executed,
            votes=votes,
            votes_needed=needed,
            approved_by=tuple(approved),
            delay=self._of_consortium("delayOf", target, data, block=block),
            executable_from=executable_from,
            expires_at=expires_at,
        )

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
        return [self._of_registry("tariff", code, index) for index in range(count)]

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

    def _city(self, code: int, block: int) -> City:
        name, status, admin, treasury, _, suspended_at = self._of_registry("city", code, block=block)
        new_admin, admin_from, new_treasury, treasury_from = self._of_registry("proposedChanges", code, block=block)
        return City(
            code=code,
            name=short_name(name),
            status=Status(status),
            admin=admin,
            treasury=_or_none(treasury),
            suspended_at=suspended_at,
            exited_at=self._of_registry("exitedAt", code, block=block),
            frozen=self._of_registry("isFrozen", code, block=block),
            new_admin=_or_none(new_admin),
            new_admin_from=admin_from,
            new_treasury=_or_none(new_treasury),
            new_treasury_from=treasury_from,
            recovery=self._recovery(code, block),
            counts_from=self._of_registry("voterOf", code, block=block)[3],
            suspensions=tuple(Suspension(*one) for one in self._of_registry("suspensions", code, block=block)),
        )

    def _recovery(self, code: int, block: int) -> Recovery:
        new, named_by, new_from = self._of_registry("proposedRecovery", code, block=block)
        address = self._of_registry("recoveryOf", code, block=block)
        return Recovery(address, _or_none(new), _or_none(named_by), new_from)

    def _houses(self, codes: tuple[int, ...], block: int) -> tuple[House, ...]:
        """The deployment's Clearinghouse, and those that votes put before and after it."""
        houses = [self._house(self._clearinghouse, codes, block)]
        for following in ("predecessor", "successor"):
            last = houses[0]
            while (address := getattr(last, following)) is not None and len(houses) < _MOST_HOUSES:
                try:
                    house = self._house(address, codes, block)
                except ChainError as error:  # a vote can name any contract
                    logger.warning("no Clearinghouse of these interfaces at %s: %s", address, error)
                    break
                if following == "predecessor" and house.successor != last.address:
                    break  # no vote has said that the one takes over from the other
                houses.append(house)
                last = house
        return tuple(houses)

    def _house(self, address: str, codes: tuple[int, ...], block: int) -> House:
        def read(function: str, *arguments: Any) -> Any:
            return self._chain.read("Clearinghouse", address, function, *arguments, block=block)

        names = ("maxFare", "grace", "submissionWindow", "disputeTime", "answerTime", "disputeFee")
        pending, pending_from = read("pendingParameters")
        calls, needed, lapses = self._of_consortium("stopCalls", address, block=block)
        return House(
            address=address,
            refunds=read("refunds"),
            parameters=Parameters(*(read(name) for name in names)),
            before=Parameters(*read("parametersAt", 0)),
            pending=Parameters(*pending) if pending_from else None,
            pending_from=pending_from,
            stopped_until=read("stoppedUntil"),
            stop_calls=calls,
            stop_needed=needed,
            stop_lapses=lapses,
            predecessor=_or_none(read("predecessor")),
            successor=_or_none(read("successor")),
            closes_at=read("closesAt"),
            accounts={code: _account(read, code, codes) for code in codes},
        )

    def _of_registry(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        return self._chain.read("CityRegistry", self._registry, function, *arguments, block=block)

    def _of_consortium(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        return self._chain.read("Consortium", self._consortium, function, *arguments, block=block)


def _account(read: Any, code: int, codes: tuple[int, ...]) -> Account:
    names = ("balanceOf", "reserve", "withdrawable", "arrearsOf", "arrearsDue")
    balance, reserve, withdrawable, owes, is_owed = (read(name, code) for name in names)
    withheld = sum(read("withheld", code, other) for other in codes if other != code) if owes else 0
    limit, taken = read("dailyLimit", code)
    return Account(balance, reserve, withdrawable, owes, is_owed, withheld, limit, taken if limit else 0)


def _or_none(address: str) -> str | None:
    return None if address == NOBODY else str(address)

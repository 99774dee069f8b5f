"""Cities with their three addresses, and which of them count in votes: the CityRegistry in plain Python.

An address is any text; "" is none. Cities are frozen values, so that a state is copied by copying a dictionary. Times
are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.reference.members import Status

DAY = 24 * 3600
NONE = ""
"""No address."""
SEAT_DELAY = 7 * DAY
HANDOVER_DELAY = 2 * DAY
RECOVERY_DELAY = 14 * DAY
HANDOVER_PERIOD = 14 * DAY
SEATS = 216
ADMISSIONS_A_YEAR = 32
YEAR = 365 * DAY


class Refused(Exception):
    """An act that changes nothing; `cause` is the name of the contract's error."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Handover:
    """Who was proposed, and from when on it may accept; 0 where the city's other key has to agree first."""

    to: str
    acceptable_from: int


@dataclass(frozen=True, slots=True)
class City:
    """A city that is or was a member; all empty if it never was."""

    code: int = 0
    status: Status = Status.NONE
    admin: str = NONE
    treasury: str = NONE
    recovery: str = NONE
    admitted_at: int = 0
    counts_from: int = 0
    suspended_at: int = 0
    exited_at: int = 0
    suspensions: tuple[tuple[int, int], ...] = ()
    """Past ones: from, up to and not including, to."""
    frozen: bool = False
    next_admin: Handover | None = None
    next_treasury: Handover | None = None
    next_recovery: Handover | None = None
    recovery_named_by: str = NONE
    recovery_named_at: int = 0
    """By whom first, and when, the recovery address that is proposed was named."""

    @property
    def is_member(self) -> bool:
        return self.status in (Status.ACTIVE, Status.SUSPENDED)

    def counts_at(self, moment: int) -> bool:
        """Whether its seat counts in votes then; the moment isn't after the last act."""
        return self.counts_from <= moment and (self.is_member or moment < self.exited_at)

    def suspended_from(self, moment: int) -> int:
        """When the past suspension began in which the moment lies; 0 if it lies in none."""
        return next((start for start, end in self.suspensions if start <= moment < end), 0)

    @property
    def changes(self) -> tuple[Handover | None, ...]:
        return self.next_admin, self.next_treasury, self.next_recovery

    def without_changes(self) -> City:
        return replace(self, next_admin=None, next_treasury=None, next_recovery=None)


NO_CITY = City()


class Registry:
    """All cities ever admitted, by code, in the order of their seats.

    Every act takes who does it, and when; it raises {Refused} and changes nothing, or is done.
    """

    def __init__(self) -> None:
        self.cities: dict[int, City] = {}

    def city(self, code: int) -> City:
        """A city; {NO_CITY} if it was never admitted."""
        return self.cities.get(code, NO_CITY)

    def seat(self, code: int) -> int:
        """The number of its bit in a roll."""
        return list(self.cities).index(code)

    def voters_at(self, moment: int) -> frozenset[int]:
        """The cities whose seats count then."""
        return frozenset(code for code, city in self.cities.items() if city.counts_at(moment))

    # ------------------------------------------------------------ membership, by vote

    def admit(self, code: int, admin: str, treasury: str, recovery: str, *, now: int, founder: bool = False) -> None:
        if code == 0:
            raise Refused("InvalidCityCode")
        if code in self.cities:
            raise Refused("CityAlreadyAdmitted")
        if NONE in (admin, treasury, recovery):
            raise Refused("ZeroAddress")
        if len({admin, treasury, recovery}) < 3:
            raise Refused("SameAddress")
        if len(self.cities) == SEATS:
            raise Refused("TooManyCities")
        if sum(now < city.admitted_at + YEAR for city in self.cities.values()) >= ADMISSIONS_A_YEAR:
            raise Refused("TooManyAdmissions")
        counts_from = now if founder else now + SEAT_DELAY
        self.cities[code] = City(code, Status.ACTIVE, admin, treasury, recovery, now, counts_from)

    def suspend(self, code: int, *, now: int) -> None:
        if self.city(code).status != Status.ACTIVE:
            raise Refused("WrongStatus")
        self._change(code, status=Status.SUSPENDED, suspended_at=now)

    def reinstate(self, code: int, *, now: int) -> None:
        city = self.city(code)
        if city.status != Status.SUSPENDED:
            raise Refused("WrongStatus")
        past = (*city.suspensions, (city.suspended_at, now))
        self._change(code, status=Status.ACTIVE, suspended_at=0, suspensions=past)

    def expel(self, code: int, *, now: int) -> None:
        city = self.city(code)
        if not city.is_member:
            raise Refused("WrongStatus")
        began = now if city.status == Status.ACTIVE else city.suspended_at
        self._change(code, status=Status.EXITED, suspended_at=began, exited_at=now)

    def recover(self, code: int, to: str, *, now: int) -> None:
        """A city that left, too: its money is still there."""
        if to == NONE or to != self.city(code).recovery:
            raise Refused("NotRecoveryAddress")
        self.cities[code] = self.cities[code].without_changes()
        self._change(code, admin=to, treasury=NONE, frozen=False)

    # ------------------------------------------------------------ a city's own affairs

    def leave_consortium(self, sender: str, code: int, *, now: int) -> None:
        self._require_admin(sender, code)
        self.expel(code, now=now)

    def propose_admin(self, sender: str, code: int, to: str, *, now: int) -> None:
        self._require_admin(sender, code)
        self._require_other(code, to)
        self._change(code, next_admin=Handover(to, now + HANDOVER_DELAY))

    def accept_admin(self, sender: str, code: int, *, now: int) -> None:
        self._require_acceptable(sender, code, self.city(code).next_admin, now)
        self._change(code, next_admin=None, next_recovery=None, admin=sender)

    def propose_treasury(self, sender: str, code: int, to: str, *, now: int) -> None:
        """The treasury hands itself on; only where there is none, the admin names one."""
        city = self.city(code)
        if sender != (city.treasury or city.admin):
            raise Refused("NotTreasury")
        if city.frozen:
            raise Refused("TreasuryIsFrozen")
        self._require_other(code, to)
        self._change(code, next_treasury=Handover(to, now + HANDOVER_DELAY))

    def accept_treasury(self, sender: str, code: int, *, now: int) -> None:
        city = self.city(code)
        self._require_acceptable(sender, code, city.next_treasury, now)
        if city.frozen:
            raise Refused("TreasuryIsFrozen")
        self._change(code, next_treasury=None, next_recovery=None, treasury=sender)

    def change_recovery(self, sender: str, code: int, to: str, *, now: int) -> None:
        """One of the two keys names an address, which the other has to name within 14 days; from then on it waits."""
        city = self._require_of(sender, code)
        if sender == city.treasury and city.frozen:
            raise Refused("TreasuryIsFrozen")
        self._require_other(code, to)
        last = city.next_recovery
        lapses_at = city.recovery_named_at + HANDOVER_PERIOD
        if last is None or last.to != to or now > lapses_at + RECOVERY_DELAY:
            self._change(code, next_recovery=Handover(to, 0), recovery_named_by=sender, recovery_named_at=now)
        elif city.recovery_named_by == sender or last.acceptable_from:
            raise Refused("RecoveryAlreadyNamed")
        elif now > lapses_at:
            self._change(code, next_recovery=Handover(to, 0), recovery_named_by=sender, recovery_named_at=now)
        else:
            self._change(code, next_recovery=Handover(to, now + RECOVERY_DELAY))

    def accept_recovery(self, sender: str, code: int, *, now: int) -> None:
        self._require_acceptable(sender, code, self.city(code).next_recovery, now)
        self._change(code, next_recovery=None, recovery=sender)

    def cancel_changes(self, sender: str, code: int, *, now: int) -> None:
        city = self._require_of(sender, code)
        if not any(city.changes):
            raise Refused("NotProposed")
        self.cities[code] = city.without_changes()

    def freeze_treasury(self, sender: str, code: int, frozen: bool, *, now: int) -> None:
        self._require_admin(sender, code)
        if self.city(code).frozen == frozen:
            raise Refused("AlreadySo")
        self._change(code, frozen=frozen)

    # ------------------------------------------------------------ money, as far as keys decide of it

    def withdraw(self, sender: str, code: int, *, now: int) -> None:
        """Whether somebody may move the city's money; how much there is, is the ledger's."""
        city = self.city(code)
        if city.frozen:
            raise Refused("TreasuryFrozen")
        if sender == NONE or sender != city.treasury:
            raise Refused("NotTreasury")

    # ------------------------------------------------------------ internals

    def _change(self, code: int, **fields: object) -> None:
        self.cities[code] = replace(self.cities[code], **fields)  # type: ignore[arg-type]

    def _require_admin(self, sender: str, code: int) -> None:
        if sender == NONE or sender != self.city(code).admin:
            raise Refused("NotCityAdmin")

    def _require_of(self, sender: str, code: int) -> City:
        city = self.city(code)
        if sender == NONE or sender not in (city.admin, city.treasury):
            raise Refused("NotOfCity")
        return city

    def _require_other(self, code: int, to: str) -> None:
        city = self.city(code)
        if to == NONE:
            raise Refused("ZeroAddress")
        if to in (city.admin, city.treasury, city.recovery):
            raise Refused("SameAddress")

    def _require_acceptable(self, sender: str, code: int, handover: Handover | None, now: int) -> None:
        if handover is None or handover.to != sender:
            raise Refused("NotProposed")
        if handover.acceptable_from == 0 or now < handover.acceptable_from:
            raise Refused("TooEarly")
        if now > handover.acceptable_from + HANDOVER_PERIOD:
            raise Refused("HandoverExpired")
        self._require_other(code, sender)

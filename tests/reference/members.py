"""Who is a member, and whose keys count (protocol sections 1 and 7)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

NO_END = 2**40 - 1


class Status(IntEnum):
    """Where a city stands."""

    NONE = 0
    ACTIVE = 1
    SUSPENDED = 2
    EXITED = 3


@dataclass(slots=True)
class IssuerKey:
    """An issuer key: 20 bytes of address, good from `valid_from` up to, not including, `valid_until`."""

    address: bytes
    valid_from: int
    valid_until: int = NO_END


@dataclass(slots=True)
class City:
    """A city that is or was a member."""

    status: Status = Status.ACTIVE
    pauses: list[tuple[int, int | None]] = field(default_factory=list)
    """When its rides stopped counting, and from when on, not included in the pause, they counted again; None for not
    yet.
    """
    exited_at: int = 0
    issuer_keys: dict[int, IssuerKey] = field(default_factory=dict)
    submitters: set[bytes] = field(default_factory=set)

    @property
    def suspended_at(self) -> int:
        """Start of the present suspension or exit; 0 while active."""
        return self.pauses[-1][0] if self.status in (Status.SUSPENDED, Status.EXITED) else 0

    @property
    def suspensions(self) -> list[tuple[int, int]]:
        """Those that are over."""
        return [(start, end) for start, end in self.pauses if end is not None]

    def stood_at(self, moment: int, grace_after: Callable[[int], int]) -> bool:
        """Whether the city was active at that time, or so soon after a pause began that gates couldn't know yet."""
        return not any(
            start + grace_after(start) <= moment and (end is None or moment < end) for start, end in self.pauses
        )


class Members:
    """All cities ever admitted, by code."""

    def __init__(self) -> None:
        self.cities: dict[int, City] = {}
        self.revoked: dict[tuple[int, int, int], int] = {}
        """When tickets were revoked, by (issuer, operator, serial)."""

    def admit(self, code: int) -> City:
        assert code not in self.cities
        self.cities[code] = City()
        return self.cities[code]

    def suspend(self, code: int, now: int) -> None:
        city = self.cities[code]
        assert city.status == Status.ACTIVE
        city.status = Status.SUSPENDED
        city.pauses.append((now, None))

    def reinstate(self, code: int, now: int) -> None:
        """The suspension is over, and stays on record: rides of that time stay refused."""
        city = self.cities[code]
        assert city.status == Status.SUSPENDED
        city.status = Status.ACTIVE
        city.pauses[-1] = (city.pauses[-1][0], now)

    def leave(self, code: int, now: int) -> None:
        """By its own will or by vote; what began its suspension stays, where it leaves suspended."""
        city = self.cities[code]
        assert city.status in (Status.ACTIVE, Status.SUSPENDED)
        if city.status == Status.ACTIVE:
            city.pauses.append((now, None))
        city.status, city.exited_at = Status.EXITED, now

    def revoke(self, issuer: int, operator: int, serials: list[int], now: int) -> list[int]:
        """Revoke tickets; those that weren't revoked before, once each. A first revocation is the one that counts."""
        fresh = [serial for serial in dict.fromkeys(serials) if (issuer, operator, serial) not in self.revoked]
        self.revoked |= {(issuer, operator, serial): now for serial in fresh}
        return fresh

    def issuer_key(self, code: int, key_id: int) -> IssuerKey | None:
        city = self.cities.get(code)
        return city.issuer_keys.get(key_id) if city else None

    def end_issuer_key(self, code: int, key_id: int, valid_until: int) -> None:
        self.cities[code].issuer_keys[key_id].valid_until = valid_until

"""Random rides and batches: mostly right, often wrong in one way, sometimes in two, and often just at a boundary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from interline.batch import MAX_RIDES, Batch
from interline.domain import Domain, ticket_hash
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.signatures import sign_compact
from network.accounts import Role
from tests.contracts.story import DAY, HOUR, City, Claim
from tests.reference import Ledger

UINT32_MAX = 2**32 - 1
UINT40_MAX = 2**40 - 1
SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
ROLES = {1: Role.ISSUER_KEY, 2: Role.SPARE_ISSUER_KEY, 3: Role.SPARE, 4: Role.SUBMITTER}
"""The issuer keys of each city by id; 3 ended long ago, and 4 is the key that submits its batches, too."""
UNKNOWN_KEY = 9
PHONES = [RiderPrivateKey.from_scalar(scalar.to_bytes(32, "big")) for scalar in range(1, 9)]
"""The riders'. One for each ticket would be right, and costs time."""

Fields = dict[str, Any]


@dataclass
class RideMaker:
    """Makes rides for the ledger as it stands; reads the reference, changes nothing."""

    random: Random
    ledger: Ledger
    members: list[City]
    outsider: City
    _next_serial: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    # ------------------------------------------------------------ batches

    def batch(self, operator: City, now: int) -> Batch:
        """A batch of the operator's, of any size and of any of the others' riders."""
        size = self.random.choice([1, 2, 3, 5, 8, 13, 21, 34, 60])
        wrong = self.random.choice([0.0, 0.1, 0.2, 0.3, 1.0])
        others = [city for city in self.members if city is not operator]
        issuers = self.random.sample(others, self.random.randint(1, 4))
        claims: dict[tuple[int, int, int], Claim] = {}
        for _ in range(size):
            issuer = self.random.choice(issuers)
            if operator is not self.outsider and self.random.random() < 0.02:
                issuer = self.outsider
            key_id = self.random.choices([1, 2, 3, 4, UNKNOWN_KEY], [60, 28, 3, 6, 3])[0]
            ride = self.ride(issuer, key_id, operator, now, self.random.random() < wrong)
            claims[issuer.code, key_id, ride.serial] = (issuer.code, key_id, ride)
        batch = Batch.build(operator.code, claims.values())
        return self._with_refusals_first(batch) if self.random.random() < 0.1 else batch

    def _with_refusals_first(self, batch: Batch) -> Batch:
        """Mistake 14: the first rides are refused, so that the list of refusals grows while rides are still read."""
        spoilt = self.random.randint(1, max(1, batch.ride_count - 1))
        claims = [
            (issuer, key_id, replace(ride, issuer_signature=self._nobodys()) if index < spoilt else ride)
            for index, issuer, key_id, ride in batch.iter_rides()
        ]
        assert len(claims) <= MAX_RIDES
        return Batch.build(batch.operator, claims)

    def dense(self, operator: City, now: int, count: int) -> Batch:
        """A batch of so many good rides of one issuer, with serials in a row: whole storage words of them."""
        issuer = self.random.choice([city for city in self.members if city is not operator])
        first = self.random.randrange(2**33, 2**34)
        claims = []
        for serial in range(first, first + count):
            unsigned = Ride(**self._plain(issuer, operator, now) | {"serial": serial}, issuer_signature=bytes(64))
            signature = self._sign(self.ledger.domain, issuer, 1, operator, unsigned)
            claims.append((issuer.code, 1, replace(unsigned, issuer_signature=signature)))
        return Batch.build(operator.code, claims)

    # ------------------------------------------------------------ rides

    def ride(self, issuer: City, key_id: int, operator: City, now: int, wrong: bool) -> Ride:
        """One ride, valid but for what its key and cities are, or wrong in one or two ways."""
        fields = self._plain(issuer, operator, now)
        ways: list[Callable[[Fields, City, int, City, int], None]] = []
        if wrong:
            ways = self.random.sample(self._ways, self.random.choice([1, 1, 1, 2]))
        for way in ways:
            way(fields, issuer, key_id, operator, now)
        fields = {name: max(0, min(UINT32_MAX, value)) if name in _UINT32 else value for name, value in fields.items()}
        unsigned = Ride(**fields, issuer_signature=bytes(64))
        signature = self._sign(self.ledger.domain, issuer, key_id, operator, unsigned)
        if wrong and (not ways or self.random.random() < 0.15):
            signature = self._wrong_signature(signature, issuer, key_id, operator, unsigned)
        return replace(unsigned, issuer_signature=signature)

    def _plain(self, issuer: City, operator: City, now: int) -> Fields:
        entered = now - self.random.randint(600, 3 * HOUR)
        exited = entered + self.random.randint(1, now + 60 - entered)
        cap = self.random.randint(200, 3_000)
        fields: Fields = {
            "serial": self._serial(issuer, operator),
            "not_after": entered + self.random.randint(0, DAY),
            "fare_cap": cap,
            "rider": self.random.choice(PHONES).public.address,
            "entry_station": self.random.randint(1, 400),
            "exit_station": self.random.randint(1, 400),
            "entered_at": entered,
            "exited_at": exited,
            "fare": self.random.randint(0, cap),
        }
        if self.random.random() < 0.1:
            fields["exited_at"] = entered
            fields[self.random.choice(["entry_station", "exit_station"])] = 0
        return fields

    def _serial(self, issuer: City, operator: City) -> int:
        """Mostly a fresh one, a little shuffled; sometimes one of the last page, sometimes of a page further on."""
        chance = self.random.random()
        if chance < 0.08:
            return UINT40_MAX - self.random.randint(0, 300)
        if chance < 0.16:
            return self.random.choice([250, 2**16 - 3, 2**32 - 3]) + self.random.randint(0, 12)
        pair = issuer.code, operator.code
        self._next_serial[pair] += self.random.choice([0, 1, 1, 2])
        return max(0, self._next_serial[pair] + self.random.randint(-3, 12))

    def next_serials(self, issuer: City, operator: City) -> range:
        """Those that rides to come will have."""
        following = self._next_serial[issuer.code, operator.code]
        return range(following + 13, following + 60)

    @property
    def _ways(self) -> list[Callable[[Fields, City, int, City, int], None]]:
        return [
            self._expired,
            self._above_cap,
            self._spent,
            self._odd_times,
            self._late,
            self._outside_key,
            self._after_end,
            self._around_change,
        ]

    def _expired(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        entered = fields["entered_at"]
        fields["not_after"] = self.random.choice([entered, entered - 1, entered - DAY, entered - DAY - 1, 0])

    def _above_cap(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        highest, cap = self.ledger.schedule.at(max(0, fields["exited_at"])).max_fare, fields["fare_cap"]
        if self.random.random() < 0.5:
            fields["fare"] = cap + self.random.choice([0, 1, 500])
        else:
            fields["fare_cap"] = self.random.choice([highest + 1, UINT32_MAX])
            fields["fare"] = self.random.choice([highest, highest + 1, UINT32_MAX])

    def _spent(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        pair = (issuer.code, operator.code)
        spent = sorted(serial for *cities, serial in self.ledger.settled if tuple(cities) == pair)
        if spent:
            fields["serial"] = self.random.choice(spent)

    def _odd_times(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        entered = fields["entered_at"]
        exits = [now + 60, now + 61, entered, entered - 1, entered + DAY, entered + DAY + 1, 0, UINT32_MAX]
        fields["exited_at"] = self.random.choice(exits)
        fields["entry_station"], fields["exit_station"] = self.random.choice([(0, 0), (0, 5), (5, 0), (5, 5)])

    def _late(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        window = self.random.choice(self.ledger.schedule.last_two).submission_window
        exited = now - window - self.random.choice([-1, 0, 1, DAY])
        self._move(fields, exited - self.random.randint(0, HOUR), exited)

    def _outside_key(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        key = self.ledger.members.issuer_key(issuer.code, key_id)
        if key is not None:
            end = key.valid_until + self._some_grace()
            entered = self.random.choice([key.valid_from, end] if end < now else [key.valid_from])
            entered -= self.random.choice([0, 1])
            self._move(fields, entered, entered + self.random.randint(1, HOUR))

    def _after_end(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        """Around the last second that a suspended issuer's or operator's rides are settled for, or the second from
        which on a reinstated one's are again.
        """
        pauses = [
            pause
            for city in (issuer, operator)
            if (member := self.ledger.members.cities.get(city.code))
            for pause in member.pauses[-3:]
        ]
        if pauses:
            start, end = self.random.choice(pauses)
            last = end if end is not None and self.random.random() < 0.4 else start + self._some_grace()
            last -= self.random.choice([0, 1])
            if self.random.random() < 0.5:
                self._move(fields, last, last + self.random.randint(1, HOUR))
            else:
                self._move(fields, last - self.random.randint(1, HOUR), last)

    def _around_change(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        """Around the second from which on other parameters hold, or held."""
        exited = self.ledger.schedule.changes[-1][0] - self.random.choice([0, 1])
        if exited > 0:
            self._move(fields, exited - self.random.randint(1, HOUR), exited)
            fields["fare_cap"] = UINT32_MAX
            fares = [known.max_fare + more for known in self.ledger.schedule.last_two for more in (0, 1)]
            fields["fare"] = self.random.choice([fields["fare"], *fares])

    def _some_grace(self) -> int:
        return self.random.choice(self.ledger.schedule.last_two).grace

    def _move(self, fields: Fields, entered: int, exited: int) -> None:
        fields["entered_at"], fields["exited_at"] = entered, exited
        fields["not_after"] = entered + self.random.randint(0, DAY)

    # ------------------------------------------------------------ signatures

    def _sign(self, domain: Domain, issuer: City, key_id: int, operator: City, ride: Ride) -> bytes:
        digest = ticket_hash(
            domain,
            issuer=issuer.code,
            key_id=key_id,
            operator=operator.code,
            serial=ride.serial,
            not_after=ride.not_after,
            fare_cap=ride.fare_cap,
            rider=ride.rider,
        )
        return sign_compact(issuer.key(ROLES.get(key_id, Role.ISSUER_KEY)), digest)

    def _wrong_signature(self, signature: bytes, issuer: City, key_id: int, operator: City, ride: Ride) -> bytes:
        another = self.random.choice([city for city in self.members if city is not operator])
        elsewhere = Domain(self.ledger.domain.chain_id + 1, self.ledger.domain.clearinghouse)
        return self.random.choice(
            [
                self._nobodys,
                lambda: self.random.randbytes(64),
                lambda: signature[:32] + bytes([signature[32] ^ 0x80]) + signature[33:],  # the other parity
                lambda: signature[:63] + bytes([signature[63] ^ 1]),
                lambda: self._sign(self.ledger.domain, issuer, key_id % 4 + 1, operator, ride),
                lambda: self._sign(self.ledger.domain, another, key_id, operator, ride),
                lambda: self._sign(self.ledger.domain, issuer, key_id, another, ride),
                lambda: self._sign(elsewhere, issuer, key_id, operator, ride),
                lambda: self._sign(self.ledger.domain, issuer, key_id, operator, replace(ride, rider=bytes(20))),
            ]
        )()

    def _nobodys(self) -> bytes:
        """A signature that ecrecover says nothing about."""
        one = (1).to_bytes(32, "big")
        return self.random.choice(
            [
                bytes(64),
                b"\xff" * 64,
                bytes(32) + one,
                one + bytes(32),
                (5).to_bytes(32, "big") + one,
                SECP256K1_ORDER.to_bytes(32, "big") + one,
            ]
        )


_UINT32 = {"not_after", "fare_cap", "entered_at", "exited_at", "fare"}

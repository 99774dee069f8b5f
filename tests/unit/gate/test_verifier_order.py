"""Of several things that are wrong with a code the gate names the first, in the order of protocol section 4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest

from gate_client.tap import Direction, TicketState
from gate_client.trust_list import CityStatus, TrustList
from gate_client.verifier import Verifier, check_ticket_state
from interline.code import sign_code
from interline.domain import Domain
from interline.reasons import GateReason
from interline.rider_keys import RiderPrivateKey
from interline.ticket import sign_ticket
from network.accounts import Role
from tests.support.deploy import City
from tests.unit.gate.conftest import MAX_AGE, NOW

PHONE = RiderPrivateKey.from_scalar(bytes(31) + b"\x07")
THIEF = RiderPrivateKey.from_scalar(bytes(31) + b"\x08")


class Scene:
    """A code on its way in at Hangzhou, whose parts the flaws below spoil one by one."""

    def __init__(self, trust: TrustList, shanghai: City, xuzhou: City) -> None:
        self.trust = trust
        self.shanghai = shanghai
        self.xuzhou = xuzhou
        self.ticket: dict[str, int] = {"operator": trust.operator, "key_id": 1, "fare_cap": 2_000}
        self.ticket |= {"not_after": NOW + 3_600, "serial": 5}
        self.signer = shanghai.private_key(Role.ISSUER_KEY)
        self.phone = PHONE
        self.shown_at = NOW
        self.state: TicketState | None = None

    def reason(self, domain: Domain) -> GateReason:
        ticket = sign_ticket(domain, self.signer, issuer=self.shanghai.code, rider_key=PHONE.public.data, **self.ticket)
        code = sign_code(domain, ticket, self.phone, self.shown_at)
        verifier = Verifier(self.trust, max_age=MAX_AGE)
        decision = verifier.check_bytes(code.to_bytes(), Direction.ENTRY, NOW)
        if not decision.accepted:
            return decision.reason
        return check_ticket_state(decision, Direction.ENTRY, self.state)

    def change_city(self, **changes: object) -> None:
        cities = tuple(
            replace(city, **changes) if city.code == self.shanghai.code else city  # type: ignore[arg-type]
            for city in self.trust.cities
        )
        self.trust = replace(self.trust, cities=cities)

    def end_key(self) -> None:
        keys = self.trust.cities[0].keys
        self.change_city(keys=tuple(replace(key, valid_until=NOW) for key in keys))


FLAWS: dict[GateReason, Callable[[Scene], None]] = {
    GateReason.TRUST_LIST_EXPIRED: lambda s: setattr(s, "trust", replace(s.trust, block_time=NOW - MAX_AGE)),
    GateReason.WRONG_OPERATOR: lambda s: s.ticket.update(operator=s.xuzhou.code),
    GateReason.ISSUER_SUSPENDED: lambda s: s.change_city(status=CityStatus.SUSPENDED),
    GateReason.KEY_NOT_VALID: lambda s: s.end_key(),
    GateReason.BAD_ISSUER_SIGNATURE: lambda s: setattr(s, "signer", s.shanghai.private_key(Role.SPARE)),
    GateReason.REVOKED: lambda s: setattr(
        s, "trust", replace(s.trust, revoked=frozenset({(s.shanghai.code, s.ticket["serial"])}))
    ),
    GateReason.TICKET_EXPIRED: lambda s: s.ticket.update(not_after=NOW - 1),
    GateReason.FARE_CAP_TOO_LOW: lambda s: s.ticket.update(fare_cap=1),
    GateReason.CODE_EXPIRED: lambda s: setattr(s, "shown_at", NOW - 31),
    GateReason.BAD_RIDER_SIGNATURE: lambda s: setattr(s, "phone", THIEF),
    GateReason.SERIAL_CONFLICT: lambda s: setattr(s, "state", TicketState(bytes(32), NOW - 60, False)),
}


@pytest.fixture
def scene(trust: TrustList, shanghai: City, xuzhou: City) -> Scene:
    return Scene(trust, shanghai, xuzhou)


def test_the_scene_without_a_flaw_is_accepted(scene: Scene, domain: Domain) -> None:
    assert scene.reason(domain) is GateReason.ACCEPTED


@pytest.mark.parametrize("reason", FLAWS)
def test_each_flaw_alone_is_named(scene: Scene, domain: Domain, reason: GateReason) -> None:
    FLAWS[reason](scene)
    assert scene.reason(domain) is reason


@pytest.mark.parametrize(("first", "second"), combinations(FLAWS, 2))
def test_of_two_flaws_the_first_in_the_protocols_order_is_named(
    scene: Scene, domain: Domain, first: GateReason, second: GateReason
) -> None:
    FLAWS[second](scene)
    FLAWS[first](scene)
    assert scene.reason(domain) is first


def test_with_every_flaw_at_once_the_first_is_named(scene: Scene, domain: Domain) -> None:
    for spoil in FLAWS.values():
        spoil(scene)
    assert scene.reason(domain) is GateReason.TRUST_LIST_EXPIRED


def test_the_order_of_the_flaws_is_that_of_the_reasons() -> None:
    order = list(GateReason)
    assert sorted(FLAWS, key=order.index) == list(FLAWS)

"""Tickets and rides: field by field."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given

from interline.domain import Domain, ticket_hash
from interline.errors import MalformedError, UnsupportedVersionError
from interline.hashing import keccak256
from interline.ride import RIDE_BYTES, Ride
from interline.rider_keys import RiderPrivateKey, RiderPublicKey
from interline.signatures import recover_address
from interline.ticket import TICKET_BYTES, Ticket, sign_ticket

from . import strategies
from .conftest import City

TICKET_FIELDS = {"issuer": 16, "key_id": 8, "operator": 16, "serial": 40, "not_after": 32, "fare_cap": 32}
RIDE_FIELDS = {
    "serial": 40,
    "not_after": 32,
    "fare_cap": 32,
    "entry_station": 16,
    "exit_station": 16,
    "entered_at": 32,
    "exited_at": 32,
    "fare": 32,
}
NOT_INTEGERS = [1.0, "1", True, None, b"\x01"]


def test_a_ticket_is_116_bytes_in_the_order_of_the_protocol(ticket: Ticket) -> None:
    fields = [
        "01",  # version
        "0c83",  # issuer 3203, Xuzhou
        "01",  # keyId
        "0ce5",  # operator 3301, Hangzhou
        "0102030405",  # serial
        "5de48c40",  # notAfter 1575259200
        "000005dc",  # fareCap 1500
        ticket.rider_key.hex(),
        ticket.signature.hex(),
    ]
    assert ticket.to_bytes() == bytes.fromhex("".join(fields))
    assert len(ticket.to_bytes()) == TICKET_BYTES == 116


def test_a_ride_is_113_bytes_in_the_order_of_the_protocol(make_ride: Callable[..., Ride]) -> None:
    ride = make_ride(serial=0x0102030405)
    fields = [
        "0102030405",  # serial
        "5de48c40",  # notAfter 1575259200
        "000005dc",  # fareCap 1500
        ride.rider.hex(),
        "00f1",  # entryStation 241
        "03fb",  # exitStation 1019
        "5de33ac0",  # enteredAt 1575172800
        "5de33f70",  # exitedAt 1575174000
        "000001f7",  # fare 503
        ride.issuer_signature.hex(),
    ]
    assert ride.to_bytes() == bytes.fromhex("".join(fields))
    assert len(ride.to_bytes()) == RIDE_BYTES == 113


@pytest.mark.parametrize(("name", "bits"), TICKET_FIELDS.items())
def test_a_ticket_carries_every_field_to_both_ends_of_its_range(ticket: Ticket, name: str, bits: int) -> None:
    # Mistake 7: length fields parsed as decimal or shifted by 2: right for small values only.
    for value in (0, 1, 0xFF, 2**bits - 2, 2**bits - 1):
        changed = replace(ticket, **{name: value})
        assert getattr(Ticket.from_bytes(changed.to_bytes()), name) == value
        assert Ticket.from_bytes(changed.to_bytes()) == changed


@pytest.mark.parametrize(("name", "bits"), RIDE_FIELDS.items())
def test_a_ride_carries_every_field_to_both_ends_of_its_range(
    make_ride: Callable[..., Ride], name: str, bits: int
) -> None:
    # Mistake 7
    for value in (0, 1, 0xFF, 2**bits - 2, 2**bits - 1):
        ride = make_ride(**{name: value})
        assert getattr(Ride.from_bytes(ride.to_bytes()), name) == value


@pytest.mark.parametrize("name", TICKET_FIELDS)
@pytest.mark.parametrize("value", NOT_INTEGERS)
def test_a_tickets_field_is_an_integer_and_nothing_else(ticket: Ticket, name: str, value: Any) -> None:
    with pytest.raises(MalformedError, match="expected an integer"):
        replace(ticket, **{name: value})


@pytest.mark.parametrize(("name", "bits"), TICKET_FIELDS.items())
def test_a_tickets_field_beyond_its_range_is_refused(ticket: Ticket, name: str, bits: int) -> None:
    for value in (-1, 2**bits):
        with pytest.raises(MalformedError, match=f"expected an integer from 0 to {2**bits - 1}, came {value}"):
            replace(ticket, **{name: value})


@pytest.mark.parametrize(("name", "bits"), RIDE_FIELDS.items())
def test_a_rides_field_beyond_its_range_is_refused(make_ride: Callable[..., Ride], name: str, bits: int) -> None:
    for value in (-1, 2**bits):
        with pytest.raises(MalformedError, match=f"expected an integer from 0 to {2**bits - 1}, came {value}"):
            make_ride(**{name: value})


@pytest.mark.parametrize(("name", "bits"), TICKET_FIELDS.items())
def test_a_hash_of_a_field_beyond_its_range_is_refused(domain: Domain, ticket: Ticket, name: str, bits: int) -> None:
    fields = {name: getattr(ticket, name) for name in TICKET_FIELDS}
    for value in (-1, 2**bits, 1.0):
        with pytest.raises(MalformedError, match=f"expected an integer from 0 to {2**bits - 1}, came {value}"):
            ticket_hash(domain, **{**fields, name: value}, rider=ticket.rider)
    for rider in (ticket.rider[:-1], ticket.rider + b"\0"):
        with pytest.raises(MalformedError, match=f"rider: expected 20 bytes, came {len(rider)}"):
            ticket_hash(domain, **fields, rider=rider)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_an_issuer_signature_of_another_length_is_refused(
    ticket: Ticket, make_ride: Callable[..., Ride], length: int
) -> None:
    with pytest.raises(MalformedError, match=f"issuerSignature: expected 64 bytes, came {length}"):
        replace(ticket, signature=bytes(length))
    with pytest.raises(MalformedError, match=f"issuerSignature: expected 64 bytes, came {length}"):
        make_ride(issuer_signature=bytes(length))


@pytest.mark.parametrize("length", [0, 19, 21, 33])
def test_a_rides_rider_of_another_length_is_refused(make_ride: Callable[..., Ride], length: int) -> None:
    with pytest.raises(MalformedError, match=f"rider: expected 20 bytes, came {length}"):
        make_ride(rider=bytes(length))


def test_no_city_issues_tickets_for_itself(ticket: Ticket) -> None:
    with pytest.raises(MalformedError, match="expected another city than the issuer, came 3203"):
        replace(ticket, operator=ticket.issuer)
    data = bytearray(ticket.to_bytes())
    data[4:6] = data[1:3]
    with pytest.raises(MalformedError, match="expected another city than the issuer, came 3203"):
        Ticket.from_bytes(bytes(data))


def test_a_ticket_of_another_version_is_refused_by_its_own_reason(ticket: Ticket) -> None:
    # Mistake 3: the version says what follows, not the length; and each reason is its own.
    for version in (0, 2, 255):
        with pytest.raises(UnsupportedVersionError, match=f"expected version 1, came {version}"):
            Ticket.from_bytes(bytes((version,)) + ticket.to_bytes()[1:])


@pytest.mark.parametrize("length", [1, 52, TICKET_BYTES - 1, TICKET_BYTES + 1, 184])
def test_a_ticket_of_another_length_is_refused(ticket: Ticket, length: int) -> None:
    data = ticket.to_bytes().ljust(length, b"\0")[:length]
    with pytest.raises(MalformedError, match=f"expected 116 bytes, came {length}") as refused:
        Ticket.from_bytes(data)
    assert not isinstance(refused.value, UnsupportedVersionError)


def test_an_empty_ticket_is_refused() -> None:
    with pytest.raises(MalformedError, match="came nothing"):
        Ticket.from_bytes(b"")


def test_a_ticket_is_signed_by_its_issuer(domain: Domain, ticket: Ticket, xuzhou: City) -> None:
    assert recover_address(ticket.hash(domain), ticket.signature) == xuzhou.issuer_address


def test_a_strangers_ticket_names_the_stranger(
    domain: Domain, make_ticket: Callable[..., Ticket], xuzhou: City, stranger: bytes
) -> None:
    # Mistake 5: nothing in the ticket says who signed it but the signature; the key to compare with comes from outside.
    forged = make_ticket(signer=stranger)
    assert recover_address(forged.hash(domain), forged.signature) != xuzhou.issuer_address


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", 3100),
        ("key_id", 2),
        ("operator", 3302),
        ("serial", 6),
        ("not_after", 1),
        ("fare_cap", 2**32 - 1),
        ("rider_key", RiderPrivateKey.from_scalar((2).to_bytes(32, "big")).public.data),
    ],
)
def test_the_issuer_signs_every_field(
    domain: Domain, ticket: Ticket, xuzhou: City, name: str, value: int | bytes
) -> None:
    changed = replace(ticket, **{name: value})
    assert changed.hash(domain) != ticket.hash(domain)
    assert recover_address(changed.hash(domain), changed.signature) != xuzhou.issuer_address


def test_a_ticket_counts_in_one_domain_only(domain: Domain, ticket: Ticket, xuzhou: City) -> None:
    # Mistake 16: chain id and contract left out of what is signed.
    for elsewhere in (Domain(1, domain.clearinghouse), Domain(domain.chain_id, bytes(20))):
        assert recover_address(ticket.hash(elsewhere), ticket.signature) != xuzhou.issuer_address


def test_the_signature_is_no_part_of_the_tickets_name(domain: Domain, ticket: Ticket) -> None:
    # Mistake 15: signature bytes used as an id.
    other = replace(ticket, signature=ticket.signature[:-1] + bytes((ticket.signature[-1] ^ 1,)))
    assert other != ticket
    assert other.hash(domain) == ticket.hash(domain)


def test_a_ticket_is_kept_as_it_was_received(ticket: Ticket) -> None:
    # Mistake 2: bytes encoded anew need not be the bytes received. A signature that none of ours would make stays.
    strange = ticket.to_bytes()[:-64] + b"\xff" * 64
    assert Ticket.from_bytes(strange).to_bytes() == strange


def test_a_rider_key_that_is_no_point_is_refused(ticket: Ticket) -> None:
    data = bytearray(ticket.to_bytes())
    data[19] = 5  # the prefix
    with pytest.raises(MalformedError, match="expected a compressed point of P-256"):
        Ticket.from_bytes(bytes(data))


def test_signing_again_gives_the_same_ticket(make_ticket: Callable[..., Ticket]) -> None:
    assert make_ticket() == make_ticket()


def test_a_ticket_that_nobody_can_sign_is_refused(domain: Domain, stranger: bytes, ticket: Ticket) -> None:
    with pytest.raises(MalformedError, match="expected a compressed point"):
        sign_ticket(
            domain,
            stranger,
            issuer=3203,
            key_id=1,
            operator=3301,
            serial=0,
            not_after=0,
            fare_cap=0,
            rider_key=b"\x02" + b"\xff" * 32,
        )


@given(ticket=strategies.tickets())
def test_the_ticket_hash_is_what_eth_account_computes(ticket: Ticket) -> None:
    # Mistake 12: a second implementation, which is none of ours.
    domain = Domain(1337, bytes(range(20)))
    typed = encode_typed_data(
        {"name": "Interline", "version": "1", "chainId": 1337, "verifyingContract": "0x" + bytes(range(20)).hex()},
        {
            "Ticket": [
                {"name": "issuer", "type": "uint16"},
                {"name": "keyId", "type": "uint8"},
                {"name": "operator", "type": "uint16"},
                {"name": "serial", "type": "uint40"},
                {"name": "notAfter", "type": "uint32"},
                {"name": "fareCap", "type": "uint32"},
                {"name": "rider", "type": "bytes20"},
            ]
        },
        {
            "issuer": ticket.issuer,
            "keyId": ticket.key_id,
            "operator": ticket.operator,
            "serial": ticket.serial,
            "notAfter": ticket.not_after,
            "fareCap": ticket.fare_cap,
            "rider": RiderPublicKey.from_bytes(ticket.rider_key).address,
        },
    )
    assert ticket.hash(domain) == keccak256(b"\x19" + typed.version + typed.header + typed.body)
    signed = Account.sign_message(typed, bytes(31) + b"\x07")
    compact = signed.r.to_bytes(32, "big") + (signed.s | (signed.v - 27) << 255).to_bytes(32, "big")
    assert (
        sign_ticket(
            domain, bytes(31) + b"\x07", **{name: getattr(ticket, name) for name in [*TICKET_FIELDS, "rider_key"]}
        ).signature
        == compact
    )

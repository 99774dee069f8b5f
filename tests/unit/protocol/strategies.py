"""Everything that the codecs can carry, for property tests."""

from typing import Any

from hypothesis import strategies as st

from interline.batch import Batch
from interline.code import Code
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.ticket import Ticket

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RIDERS = [RiderPrivateKey.from_scalar(number.to_bytes(32, "big")) for number in (1, 2, 3, P256_ORDER - 1)]


def _uints(bits: int) -> st.SearchStrategy[int]:
    """Integers of so many bits, with a liking for both ends and for each power of 256 (mistake 7)."""
    edges = {edge + step for edge in [256**n for n in range(bits // 8 + 1)] for step in (-1, 0, 1)}
    return st.sampled_from(sorted(edge for edge in edges if 0 <= edge < 2**bits)) | st.integers(0, 2**bits - 1)


def _bytes(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


@st.composite
def tickets(draw: st.DrawFn) -> Ticket:
    issuer = draw(_uints(16))
    return Ticket(
        issuer=issuer,
        key_id=draw(_uints(8)),
        operator=draw(_uints(16).filter(lambda operator: operator != issuer)),
        serial=draw(_uints(40)),
        not_after=draw(_uints(32)),
        fare_cap=draw(_uints(32)),
        rider_key=draw(st.sampled_from(RIDERS)).public.data,
        signature=draw(_bytes(64)),
    )


def codes() -> st.SearchStrategy[Code]:
    return st.builds(Code, tickets(), _uints(32), _bytes(64))


def rides(**changed: st.SearchStrategy[Any]) -> st.SearchStrategy[Ride]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "serial": _uints(40),
        "not_after": _uints(32),
        "fare_cap": _uints(32),
        "rider": _bytes(20),
        "entry_station": _uints(16),
        "exit_station": _uints(16),
        "entered_at": _uints(32),
        "exited_at": _uints(32),
        "fare": _uints(32),
        "issuer_signature": _bytes(64),
    }
    return st.builds(Ride, **{**fields, **changed})


def _place(entry: tuple[int, int, Ride]) -> tuple[int, int, int]:
    issuer, key_id, ride = entry
    return issuer, key_id, ride.serial


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    operator = draw(_uints(16))
    issuers = st.sampled_from([3100, 3203, 3301, 0, 2**16 - 1]).filter(lambda issuer: issuer != operator)
    entries = st.tuples(issuers, _uints(8), rides())
    by_serial = st.lists(entries, min_size=1, max_size=6, unique_by=_place)
    return Batch.build(operator, draw(by_serial))

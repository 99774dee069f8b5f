"""Protocol sections 5 and 6: what refuses a batch as a whole, with an error and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from interline.batch import MAX_RIDES, Batch, sign_batch
from interline.domain import Domain, batch_digest
from interline.hashing import keccak256
from interline.ride import RIDE_BYTES
from interline.signatures import address_of, recover_address, sign_compact, to_checksum
from network.accounts import Role
from tests.contracts.node import Contract, reverts
from tests.contracts.story import (
    EVENING,
    HANGZHOU,
    LANZHOU,
    NINGBO,
    NOON,
    SHANGHAI,
    STRANGER,
    STRANGER_KEY,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    Claim,
    World,
)

OPERATOR_BYTES, HEADER_BYTES = 2, 5


def group(issuer: int, key_id: int, claims: Sequence[Claim], *, count: int | None = None) -> bytes:
    """A group's bytes, of rides in whatever order, and of whatever count."""
    rides = b"".join(ride.to_bytes() for _, _, ride in claims)
    return (
        issuer.to_bytes(2, "big")
        + bytes([key_id])
        + (len(claims) if count is None else count).to_bytes(2, "big")
        + rides
    )


def batch_of(*groups: bytes, operator: City = HANGZHOU) -> bytes:
    return operator.code.to_bytes(2, "big") + b"".join(groups)


@pytest.fixture
def shanghais(world: World) -> bytes:
    """The group of two of Shanghai's riders."""
    return group(SHANGHAI.code, 1, world.rides([3, 4], issuer=SHANGHAI))


@pytest.fixture
def xuzhous(world: World) -> bytes:
    """The group of one of Xuzhou's riders."""
    return group(XUZHOU.code, 1, world.rides([9]))


def send(world: World, data: bytes, *, operator: City = HANGZHOU, at: int = EVENING) -> tuple[bytes, int, int]:
    """Send bytes that the operator's submitter signed."""
    digest = batch_digest(world.domain, operator.code, keccak256(data))
    signature = sign_compact(operator.key(Role.SUBMITTER), digest)
    returned: tuple[bytes, int, int] = world.send(data, signature, at=at).returned
    return returned


# ---------------------------------------------------------------- bytes


def test_a_well_formed_batch_settles(world: World, shanghais: bytes, xuzhous: bytes) -> None:
    data = batch_of(shanghais, xuzhous)
    assert send(world, data) == (keccak256(data), 3, 0)


def test_every_batch_cut_short_is_refused_unless_it_is_a_batch_of_fewer_groups(
    world: World, clearinghouse: Contract, shanghais: bytes, xuzhous: bytes
) -> None:
    whole = batch_of(shanghais, xuzhous)
    second = OPERATOR_BYTES + len(shanghais)
    for length in range(len(whole)):
        with world.node.rolled_back():
            if length == second:
                assert send(world, whole[:length])[1:] == (2, 0)
                continue
            at_group = OPERATOR_BYTES if length < second else second
            offset = at_group if length >= OPERATOR_BYTES + HEADER_BYTES else length
            with reverts(clearinghouse, "MalformedBatch", offset=offset):
                send(world, whole[:length])


@pytest.mark.parametrize("tail", [bytes(1), bytes(4), b"\xff" * 4])
def test_trailing_bytes_are_refused(world: World, clearinghouse: Contract, xuzhous: bytes, tail: bytes) -> None:
    data = batch_of(xuzhous)
    with reverts(clearinghouse, "MalformedBatch", offset=len(data)):
        send(world, data + tail)


def test_zeros_behind_a_batch_are_no_group(world: World, clearinghouse: Contract, xuzhous: bytes) -> None:
    data = batch_of(xuzhous)
    with reverts(clearinghouse, "OutOfOrder", offset=len(data)):
        send(world, data + bytes(HEADER_BYTES + RIDE_BYTES))


def test_a_batch_without_a_group_is_refused(world: World, clearinghouse: Contract) -> None:
    with reverts(clearinghouse, "MalformedBatch", offset=OPERATOR_BYTES):
        send(world, batch_of())


def test_a_first_group_of_no_rides_is_refused(world: World, clearinghouse: Contract, xuzhous: bytes) -> None:
    with reverts(clearinghouse, "MalformedBatch", offset=OPERATOR_BYTES):
        send(world, batch_of(group(SHANGHAI.code, 1, []), xuzhous))


def test_a_last_group_of_no_rides_is_refused(world: World, clearinghouse: Contract, shanghais: bytes) -> None:
    with reverts(clearinghouse, "MalformedBatch", offset=OPERATOR_BYTES + len(shanghais)):
        send(world, batch_of(shanghais, group(XUZHOU.code, 1, [])))


@pytest.mark.parametrize("count", [2, 256, 65_535])
def test_a_count_above_the_rides_that_are_there_is_refused(world: World, clearinghouse: Contract, count: int) -> None:
    with reverts(clearinghouse, "MalformedBatch", offset=OPERATOR_BYTES):
        send(world, batch_of(group(XUZHOU.code, 1, world.rides([9]), count=count)))


def test_a_count_below_the_rides_that_are_there_is_refused(world: World, clearinghouse: Contract) -> None:
    data = batch_of(group(XUZHOU.code, 1, world.rides([9, 10]), count=1))
    with reverts(clearinghouse, "OutOfOrder", offset=len(data) - RIDE_BYTES):  # the ride's serial read as an issuer
        send(world, data)


# ---------------------------------------------------------------- order


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((XUZHOU, 1), (SHANGHAI, 1)),
        ((XUZHOU, 1), (SHANGHAI, 2)),
        ((XUZHOU, 2), (XUZHOU, 1)),
        ((XUZHOU, 1), (XUZHOU, 1)),
        ((XUZHOU, 255), (XUZHOU, 0)),
    ],
    ids=str,
)
def test_groups_that_do_not_ascend_are_refused(
    world: World, clearinghouse: Contract, first: tuple[City, int], second: tuple[City, int]
) -> None:
    groups = [
        group(issuer.code, key_id, world.rides([serial], issuer=issuer, key_id=key_id))
        for serial, (issuer, key_id) in enumerate([first, second])
    ]
    with reverts(clearinghouse, "OutOfOrder", offset=OPERATOR_BYTES + len(groups[0])):
        send(world, batch_of(*groups))


@pytest.mark.parametrize("key_ids", [(0, 1), (1, 2), (0, 255)], ids=str)
def test_groups_of_one_issuer_that_ascend_by_key_are_read(world: World, key_ids: tuple[int, int]) -> None:
    groups = [group(XUZHOU.code, key_id, world.rides([key_id], key_id=key_id)) for key_id in key_ids]
    settled, rejected = send(world, batch_of(*groups))[1:]
    assert settled + rejected == 2


@pytest.mark.parametrize(
    ("serials", "place"),
    [
        ((7, 7), 1),
        ((8, 7), 1),
        ((0, 0), 1),
        ((2**40 - 1, 2**40 - 1), 1),
        ((256, 255), 1),  # back to the storage word before
        ((255, 256, 255), 2),
        ((0, 300, 300), 2),
        ((5, 6, 7, 6), 3),
        ((2**40 - 1, 0), 1),
        ((2**32, 1), 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("fare", [503, 1_501], ids=["all settle", "all are refused"])
def test_serials_that_do_not_ascend_are_refused(
    world: World, clearinghouse: Contract, serials: tuple[int, ...], place: int, fare: int
) -> None:
    offset = OPERATOR_BYTES + HEADER_BYTES + place * RIDE_BYTES
    with reverts(clearinghouse, "OutOfOrder", offset=offset):
        send(world, batch_of(group(XUZHOU.code, 1, world.rides(serials, fare=fare))))


@pytest.mark.parametrize("unusual", range(3))
def test_an_unusual_ride_does_not_hide_a_serial_out_of_order(
    world: World, clearinghouse: Contract, unusual: int
) -> None:
    """Refused and lone rides are judged apart: the order is looked at all the same."""
    for change in ({"fare": 1_501}, {"exited_at": NOON, "exit_station": 0}):
        rides = world.rides([5, 6, 6])
        rides[unusual] = world.ride(serial=rides[unusual][2].serial, **change)
        with reverts(clearinghouse, "OutOfOrder", offset=OPERATOR_BYTES + HEADER_BYTES + 2 * RIDE_BYTES):
            send(world, batch_of(group(XUZHOU.code, 1, rides)))


def test_serials_begin_anew_in_each_group(world: World, shanghai: City, ningbo: City) -> None:
    groups = [group(city.code, 1, world.rides([0, 300], issuer=city)) for city in (shanghai, ningbo)]
    assert send(world, batch_of(*groups))[1:] == (4, 0)


# ---------------------------------------------------------------- how many, and whose


def test_a_batch_of_1000_rides_settles(world: World) -> None:
    assert send(world, batch_of(group(XUZHOU.code, 1, world.rides(range(MAX_RIDES)))))[1:] == (MAX_RIDES, 0)


def test_a_batch_of_1001_rides_is_refused(world: World, clearinghouse: Contract) -> None:
    with reverts(clearinghouse, "TooManyRides", count=1_001, limit=1_000):
        send(world, batch_of(group(XUZHOU.code, 1, world.rides(range(1_001)))))


def test_a_batch_of_1001_rides_in_two_groups_is_refused(world: World, clearinghouse: Contract) -> None:
    first = group(SHANGHAI.code, 1, world.rides(range(600), issuer=SHANGHAI))
    second = group(XUZHOU.code, 1, world.rides(range(401)))
    with reverts(clearinghouse, "TooManyRides", count=1_001, limit=1_000):
        send(world, batch_of(first, second))


def test_an_operators_own_tickets_are_refused(world: World, clearinghouse: Contract, shanghais: bytes) -> None:
    own = group(HANGZHOU.code, 1, world.rides([1], issuer=HANGZHOU))
    with reverts(clearinghouse, "OwnTickets", city=HANGZHOU.code):
        send(world, batch_of(shanghais, own))


# ---------------------------------------------------------------- who signed


@pytest.fixture
def valid(world: World) -> Batch:
    return Batch.build(HANGZHOU.code, [world.ride()])


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(
    world: World, clearinghouse: Contract, valid: Batch, length: int
) -> None:
    signature = (world.sign(valid) * 2)[:length]
    with reverts(clearinghouse, "InvalidSignatureLength", length=length):
        world.send(valid, signature)


@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(STRANGER_KEY, id="a stranger"),
        pytest.param(SHANGHAI.key(Role.SUBMITTER), id="another operator's submitter"),
        pytest.param(HANGZHOU.key(Role.ADMIN), id="the operator's admin"),
        pytest.param(HANGZHOU.key(Role.ISSUER_KEY), id="the operator's issuer key"),
        pytest.param(XUZHOU.key(Role.ISSUER_KEY), id="the issuer"),
    ],
)
def test_a_batch_that_no_submitter_signed_is_refused(
    world: World, clearinghouse: Contract, valid: Batch, signer: bytes
) -> None:
    with reverts(clearinghouse, "NotSubmitter", operator=HANGZHOU.code, signer=to_checksum(address_of(signer))):
        world.send(valid, world.sign(valid, signer=signer))


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64], ids=["zero", "ones"])
def test_a_batch_that_nobody_can_have_signed_is_refused(
    world: World, clearinghouse: Contract, valid: Batch, signature: bytes
) -> None:
    with reverts(clearinghouse, "NotSubmitter", operator=HANGZHOU.code, signer=ZERO_ADDRESS):
        world.send(valid, signature)


def test_a_removed_submitters_batch_is_refused(world: World, clearinghouse: Contract, valid: Batch) -> None:
    world.registry.removeSubmitter(HANGZHOU.code, HANGZHOU.submitter, sender=HANGZHOU.admin)
    with reverts(clearinghouse, "NotSubmitter", operator=HANGZHOU.code, signer=HANGZHOU.submitter):
        world.send(valid, world.sign(valid))


def test_a_second_submitters_batch_settles(world: World, valid: Batch) -> None:
    world.registry.addSubmitter(HANGZHOU.code, HANGZHOU.account(Role.SPARE), sender=HANGZHOU.admin)
    assert world.send(valid, world.sign(valid, signer=HANGZHOU.key(Role.SPARE))).returned[1:] == (1, 0)


def test_a_signature_for_another_batch_is_refused(world: World, clearinghouse: Contract, valid: Batch) -> None:
    other = world.sign(Batch.build(HANGZHOU.code, [world.ride(fare=504)]))
    signer = recover_address(batch_digest(world.domain, valid.operator, valid.id), other)
    assert signer is not None
    with reverts(clearinghouse, "NotSubmitter", operator=HANGZHOU.code, signer=to_checksum(signer)):
        world.send(valid, other)


def test_the_operator_that_was_signed_for_is_the_batchs_own(world: World, clearinghouse: Contract) -> None:
    """Shanghai's batch under Hangzhou's signature for Hangzhou: the operator stands in the signed data, too."""
    batch = Batch.build(SHANGHAI.code, [world.ride(operator=SHANGHAI)])
    signature = sign_compact(HANGZHOU.key(Role.SUBMITTER), batch_digest(world.domain, HANGZHOU.code, batch.id))
    signer = recover_address(batch_digest(world.domain, SHANGHAI.code, batch.id), signature)
    assert signer is not None
    with reverts(clearinghouse, "NotSubmitter", operator=SHANGHAI.code, signer=to_checksum(signer)):
        world.send(batch, signature)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: Domain(d.chain_id + 1, d.clearinghouse), id="another chain"),
        pytest.param(lambda d: Domain(d.chain_id, bytes(20)), id="another contract"),
    ],
)
def test_a_batch_signed_in_another_domain_is_refused(
    world: World, clearinghouse: Contract, valid: Batch, change: Callable[[Domain], Domain]
) -> None:
    """Mistake 16."""
    signature = sign_batch(change(world.domain), HANGZHOU.key(Role.SUBMITTER), valid)
    signer = recover_address(batch_digest(world.domain, valid.operator, valid.id), signature)
    assert signer is not None
    with reverts(clearinghouse, "NotSubmitter", operator=HANGZHOU.code, signer=to_checksum(signer)):
        world.send(valid, signature)


def test_an_operator_that_was_never_a_member_is_refused(world: World, clearinghouse: Contract) -> None:
    batch = Batch.build(LANZHOU.code, [world.ride(operator=LANZHOU)])
    with reverts(clearinghouse, "OperatorNotMember", operator=LANZHOU.code):
        world.send(batch, world.sign(batch, operator=LANZHOU))


def test_an_operator_that_left_still_submits_the_rides_of_before(world: World, valid: Batch, hangzhou: City) -> None:
    world.leave(hangzhou, at=NOON + 1800)
    assert world.send(valid, world.sign(valid)).returned[1:] == (1, 0)


# ---------------------------------------------------------------- there already


def test_a_batch_that_is_there_already_is_refused(world: World, clearinghouse: Contract, valid: Batch) -> None:
    world.send(valid, world.sign(valid))
    with reverts(clearinghouse, "BatchAlreadySettled", batchId=valid.id):
        world.send(valid, world.sign(valid), at=EVENING + 1)


def test_who_relays_a_batch_again_does_not_matter(world: World, clearinghouse: Contract, valid: Batch) -> None:
    world.send(valid, world.sign(valid), sender=STRANGER)
    with reverts(clearinghouse, "BatchAlreadySettled", batchId=valid.id):
        world.send(valid, world.sign(valid), at=EVENING + 1, sender=HANGZHOU.submitter)


def test_a_batch_that_is_there_is_refused_under_another_submitters_signature(
    world: World, clearinghouse: Contract, valid: Batch
) -> None:
    """Mistake 15: the batch's bytes are its id, whoever signed them and however."""
    world.send(valid, world.sign(valid))
    world.registry.addSubmitter(HANGZHOU.code, HANGZHOU.account(Role.SPARE), sender=HANGZHOU.admin)
    with reverts(clearinghouse, "BatchAlreadySettled", batchId=valid.id):
        world.send(valid, world.sign(valid, signer=HANGZHOU.key(Role.SPARE)), at=EVENING + 1)


def test_a_refused_batch_leaves_nothing_behind(world: World, clearinghouse: Contract, shanghais: bytes) -> None:
    """The fault stands behind two rides that settle."""
    data = batch_of(shanghais, group(XUZHOU.code, 1, world.rides([9, 9])))
    before = world.balances(SHANGHAI, HANGZHOU, NINGBO, XUZHOU)
    with reverts(clearinghouse, "OutOfOrder", offset=len(data) - RIDE_BYTES):
        send(world, data)
    assert world.balances(SHANGHAI, HANGZHOU, NINGBO, XUZHOU) == before
    assert not clearinghouse.isSettled(SHANGHAI.code, HANGZHOU.code, 3)
    assert send(world, batch_of(shanghais), at=EVENING + 1)[1:] == (2, 0)

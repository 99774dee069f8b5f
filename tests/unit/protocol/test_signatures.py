"""secp256k1 and P-256: what is taken, and what is nobody's signature."""

import pickle
import subprocess
import sys

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from eth_account import Account
from hypothesis import example, given
from hypothesis import strategies as st

from interline.errors import MalformedError
from interline.rider_keys import RiderPrivateKey, RiderPublicKey
from interline.signatures import address_of, parse_address, recover_address, sign_compact, to_checksum

from .conftest import City
from .strategies import P256_ORDER

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
DIGEST = bytes(range(32))
MESSAGE = b"Interline code v1, or so"
DER_SEQUENCE = 0x30

private_keys = st.integers(1, SECP256K1_ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def other_half(signature: bytes, order: int) -> bytes:
    """The same P-256 signature with n - s for s."""
    return signature[:32] + word(order - int.from_bytes(signature[32:], "big"))


@given(key=private_keys, digest=digests)
def test_whoever_signs_is_recovered(key: bytes, digest: bytes) -> None:
    signature = sign_compact(key, digest)
    assert len(signature) == 64
    assert int.from_bytes(signature[32:], "big") & (2**255 - 1) <= SECP256K1_ORDER // 2
    assert recover_address(digest, signature) == address_of(key)


@given(key=private_keys)
def test_an_address_is_the_one_eth_account_gives(key: bytes) -> None:
    assert to_checksum(address_of(key)) == Account.from_key(key).address


def test_s_in_the_upper_half_is_taken() -> None:
    # Section 2: verifiers needn't check. Any r and s are somebody's signature of a digest, and (r, n - s) with the
    # other parity is the same somebody's; the form has room for few of the upper half, just above n / 2.
    r = word(4)
    low, high = SECP256K1_ORDER // 2 - 4, SECP256K1_ORDER // 2 + 5
    assert low + high == SECP256K1_ORDER
    assert high < 2**255
    signer = recover_address(DIGEST, r + word(high))
    assert signer is not None
    assert signer == recover_address(DIGEST, r + word(low | 1 << 255))
    assert signer != recover_address(DIGEST, r + word(low))


@pytest.mark.parametrize("r", [0, SECP256K1_ORDER, SECP256K1_ORDER + 1, 2**256 - 1, 5])
def test_an_r_that_is_no_nonces_is_nobodys(r: int) -> None:
    # 0 and the order or more are none; 5 is no x of the curve's. The chain's ecrecover says nothing too (mistake 14).
    assert recover_address(DIGEST, word(r) + word(1)) is None


@pytest.mark.parametrize("parity", [0, 1 << 255])
def test_an_s_of_zero_is_nobodys(parity: int) -> None:
    assert recover_address(DIGEST, word(4) + word(parity)) is None


@pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
def test_a_signature_of_another_length_is_nobodys(xuzhou: City, length: int) -> None:
    signature = (sign_compact(xuzhou.issuer_key, DIGEST) + bytes(64))[:length]
    assert recover_address(DIGEST, signature) is None


@given(digest=digests, signature=st.binary(min_size=64, max_size=64))
@example(digest=bytes(32), signature=bytes(64))
@example(digest=b"\xff" * 32, signature=b"\xff" * 64)
def test_no_bytes_whatever_make_recovery_fail_loudly(digest: bytes, signature: bytes) -> None:
    signer = recover_address(digest, signature)
    assert signer is None or len(signer) == 20


def test_the_parity_is_in_the_top_bit_of_s(xuzhou: City) -> None:
    seen = set()
    for number in range(16):
        signature = sign_compact(xuzhou.issuer_key, word(number))
        seen.add(signature[32] >> 7)
        flipped = signature[:32] + bytes((signature[32] ^ 0x80,)) + signature[33:]
        assert recover_address(word(number), signature) == xuzhou.issuer_address
        assert recover_address(word(number), flipped) != xuzhou.issuer_address
    assert seen == {0, 1}


@pytest.mark.parametrize("length", [0, 31, 33])
def test_only_32_bytes_are_a_digest(xuzhou: City, length: int) -> None:
    with pytest.raises(MalformedError, match=f"digest: expected 32 bytes, came {length}"):
        sign_compact(xuzhou.issuer_key, bytes(length))
    with pytest.raises(MalformedError, match=f"digest: expected 32 bytes, came {length}"):
        recover_address(bytes(length), bytes(64))


@pytest.mark.parametrize("key", [word(0), word(SECP256K1_ORDER), b"\xff" * 32, b"\xab" * 31, b"\xab" * 33, b""])
def test_a_number_that_is_no_private_key_is_refused_and_not_told(key: bytes) -> None:
    for use in (lambda: sign_compact(key, DIGEST), lambda: address_of(key)):
        with pytest.raises(MalformedError, match="private key: expected") as refused:
            use()
        assert "ababab" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        # The examples of EIP-55.
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_addresses_have_the_checksum_of_eip_55(text: str) -> None:
    assert to_checksum(parse_address(text)) == text
    assert parse_address(text.lower()) == parse_address("0x" + text[2:].upper()) == parse_address(text)
    swapped = text[:-1] + text[-1].swapcase() if text[-1].isalpha() else text[:3] + text[3:].swapcase()
    with pytest.raises(MalformedError, match=f"expected the EIP-55 checksum {text}"):
        parse_address(swapped)


@pytest.mark.parametrize(
    "text", ["", "0x", "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "0x" + "1" * 39, "0x" + "g" * 40]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match="address: expected 0x and 40 hex digits"):
        parse_address(text)
    with pytest.raises(MalformedError, match="address: expected 0x and 40 hex digits"):
        parse_address("0x" + "1" * 40 + "\n")


def test_only_20_bytes_are_an_address() -> None:
    with pytest.raises(MalformedError, match="address: expected 20 bytes, came 32"):
        to_checksum(bytes(32))


def test_a_python_without_coincurve_is_told_so_at_once() -> None:
    script = "import sys; sys.modules['coincurve'] = None; import interline.signatures"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "ImportError: expected the package coincurve" in run.stderr
    assert "pip install coincurve" in run.stderr


def test_recovery_is_libsecp256k1s() -> None:
    key = PrivateKey(word(7))
    plain = key.sign_recoverable(DIGEST, hasher=None)
    compact = plain[:32] + bytes((plain[32] | plain[64] << 7,)) + plain[33:64]
    assert sign_compact(word(7), DIGEST) == compact


@given(number=st.integers(1, P256_ORDER - 1), message=st.binary(max_size=100))
def test_a_rider_key_verifies_what_it_signed_in_either_half(number: int, message: bytes) -> None:
    rider = RiderPrivateKey.from_scalar(word(number))
    signature = rider.sign(message)
    assert len(signature) == 64
    assert rider.public.verify(message, signature)
    assert rider.public.verify(message, other_half(signature, P256_ORDER))
    assert not rider.public.verify(message + b"!", signature)
    assert rider.to_scalar() == word(number)
    assert RiderPublicKey.from_bytes(rider.public.data) == rider.public


@pytest.mark.parametrize("r_or_s", [0, P256_ORDER, P256_ORDER + 1, 2**256 - 1])
def test_a_rider_signature_out_of_range_does_not_verify(rider: RiderPrivateKey, r_or_s: int) -> None:
    signature = rider.sign(MESSAGE)
    assert rider.public.verify(MESSAGE, signature)
    assert not rider.public.verify(MESSAGE, word(r_or_s) + signature[32:])
    assert not rider.public.verify(MESSAGE, signature[:32] + word(r_or_s))


@given(signature=st.binary(max_size=80))
@example(signature=bytes(64))
def test_no_bytes_whatever_verify(signature: bytes) -> None:
    rider = RiderPrivateKey.from_scalar(word(1))
    assert not rider.public.verify(MESSAGE, signature)


def test_a_rider_signature_with_a_leading_zero_in_s_is_none(rider: RiderPrivateKey) -> None:
    signature = rider.sign(MESSAGE)
    assert not rider.public.verify(MESSAGE, signature[:32] + b"\0" + signature[32:])


def test_a_der_signature_is_none_of_ours(rider: RiderPrivateKey) -> None:
    # Mistake 3: the form isn't guessed from the length.
    key = ec.derive_private_key(int.from_bytes(rider.to_scalar(), "big"), ec.SECP256R1())
    der = key.sign(MESSAGE, ec.ECDSA(SHA256()))
    assert der[0] == DER_SEQUENCE
    assert not rider.public.verify(MESSAGE, der)


def test_a_riders_address_is_the_hash_of_both_coordinates(rider: RiderPrivateKey) -> None:
    numbers = ec.derive_private_key(0xC0FFEE, ec.SECP256R1()).public_key().public_numbers()
    assert (rider.public.x, rider.public.y) == (word(numbers.x), word(numbers.y))
    assert rider.public.data == bytes((2 + numbers.y % 2,)) + word(numbers.x)
    assert len(rider.public.address) == 20


@pytest.mark.parametrize("x", [P256_PRIME, P256_PRIME + 5, 2**256 - 1])
@pytest.mark.parametrize("prefix", [2, 3])
def test_an_x_beyond_the_prime_is_no_second_way_to_write_a_point(x: int, prefix: int) -> None:
    # x = 0 and x = 5 are on the curve.
    if x < 2**256 - 1:
        RiderPublicKey.from_bytes(bytes((prefix,)) + word(x - P256_PRIME))
    with pytest.raises(MalformedError, match="expected a compressed point"):
        RiderPublicKey.from_bytes(bytes((prefix,)) + word(x))


@pytest.mark.parametrize("length", [0, 1, 32, 34, 65])
def test_a_rider_key_of_another_length_is_refused(rider: RiderPrivateKey, length: int) -> None:
    data = (rider.public.data + bytes(32))[:length]
    with pytest.raises(MalformedError, match=f"rider key: expected 33 bytes, came {length}"):
        RiderPublicKey.from_bytes(data)


@pytest.mark.parametrize("scalar", [word(0), word(P256_ORDER), b"\xab" * 31, b"\xff" * 32])
def test_a_number_that_is_no_rider_key_is_refused_and_not_told(scalar: bytes) -> None:
    with pytest.raises(MalformedError, match="rider private key: expected") as refused:
        RiderPrivateKey.from_scalar(scalar)
    assert scalar.hex() not in str(refused.value)


def test_a_rider_key_keeps_its_secret_in_print(rider: RiderPrivateKey) -> None:
    assert "c0ffee" not in repr(rider).lower().replace(rider.public.data.hex(), "")
    assert rider.public.data.hex() in repr(rider)


def test_every_fresh_rider_key_is_another() -> None:
    assert len({RiderPrivateKey.generate().public.address for _ in range(8)}) == 8


def test_a_public_key_can_be_sent_to_another_process(rider: RiderPrivateKey) -> None:
    again = pickle.loads(pickle.dumps(rider.public))
    assert again == rider.public
    assert again.address == rider.public.address
    assert again.verify(MESSAGE, rider.sign(MESSAGE))

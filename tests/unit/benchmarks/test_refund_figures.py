"""What the benchmark of refunds makes itself: signatures that are the same in every run, and its target."""

from __future__ import annotations

import pytest

from bench import refunds
from interline.rider_keys import RiderPrivateKey

PHONE = RiderPrivateKey.from_scalar((7).to_bytes(32, "big"))


def test_a_signature_is_good_in_the_lower_half_and_the_same_in_every_run() -> None:
    signature = refunds.sign(PHONE, b"a code")
    assert PHONE.public.verify(b"a code", signature)
    assert int.from_bytes(signature[32:], "big") <= refunds.P256_ORDER // 2
    assert refunds.sign(PHONE, b"a code") == signature
    assert refunds.sign(PHONE, b"another") != signature


@pytest.mark.parametrize(("gas", "met"), [(15_000_000, True), (15_000_001, False)])
def test_the_target_is_missed_by_one_act_that_cannot_be_sent(gas: int, met: bool) -> None:
    acts = dict.fromkeys(refunds.ACTS, 1) | {"dispute": gas}
    assert refunds.target_met({"limit": refunds.LIMIT, "hardforks": {"prague": [{"gas": acts}]}}) == met

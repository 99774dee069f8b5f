"""The pages, by name, and where each is in the small world."""

from __future__ import annotations

from typing import Final

from tests.contracts.corrections import Settled
from tests.support.small_world import HANGZHOU, SmallWorld

PLACES: Final = ("overview", "city", "batches", "batch", "ride", "votes")


def paths_in(small: SmallWorld) -> dict[str, str]:
    """Each page's path without its language; the ride is one whose dispute is open."""
    disputed = small.batches["disputed"]
    return {
        "overview": "/",
        "city": f"/cities/{HANGZHOU.code}",
        "batches": "/batches",
        "batch": batch_path(small.batches["refused"]),
        "ride": ride_path(disputed, 4),
        "votes": "/votes",
    }


def batch_path(of: Settled) -> str:
    """A batch's page."""
    return f"/batches/0x{of.id.hex()}"


def ride_path(of: Settled, index: int) -> str:
    """A ride's page."""
    return f"{batch_path(of)}/rides/{index}"

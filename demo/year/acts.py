"""What is done on the chain besides settling: a call by somebody, at a time."""

from dataclasses import dataclass
from typing import Any

from demo.year.story import Member
from network.accounts import Role, city_index


@dataclass(frozen=True, slots=True)
class Act:
    """A call of one of our contracts at a time (Unix seconds), signed by a test account.

    Where `ride` is a ride's number, the arguments begin with what names it: if `by_batch`, the batch's bytes, the list
    of its refused rides, and the ride's index; else the batch's id and the index. An answer's evidence is made last.
    """

    time: int
    account: int
    contract: str
    function: str
    arguments: tuple[Any, ...] = ()
    ride: int | None = None
    by_batch: bool = True


@dataclass(frozen=True, slots=True)
class Transfer:
    """A deposit (`into`) or a withdrawal as the bank books it: time, city, fen, and the reference on both sides."""

    time: int
    city: int
    into: bool
    amount: int
    reference: str


def account(member: Member, role: Role) -> int:
    """The test account of a city's role."""
    return city_index(member.position, role)


def reference_bytes(text: str) -> bytes:
    """A bank's reference as the chain carries it."""
    return text.encode("ascii").ljust(32, b"\0")

"""What the office reads from a chain, for modules that touch none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its number, its hash (32 bytes) and its time (Unix seconds)."""

    number: int
    hash: bytes
    time: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a ride by the parameters of when it ended: `grace` is how stale a gate's list may be,
    `dispute_time` how long after its settlement it may be disputed, `answer_time` how long that waits for an answer
    (seconds); `fee` is owed if one comes (fen)."""

    grace: int
    dispute_time: int
    answer_time: int
    fee: int


@dataclass(frozen=True, slots=True)
class House:
    """One Clearinghouse of a line of succession: its address and that of its refunds (20 bytes; None without any).

    `deployed_at` is the block to read logs from.
    """

    address: bytes
    refunds: bytes | None
    deployed_at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a transaction makes: the contract (20 bytes) and its data."""

    to: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Revocation:
    """A ticket that its issuer revoked, and the block in which it did."""

    operator: int
    serial: int
    block: int

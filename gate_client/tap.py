"""Taps: one accepted code at a gate, and where that leaves its ticket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which way through the gate."""

    ENTRY = "entry"
    EXIT = "exit"


class TapState(StrEnum):
    """What has become of a tap: it waits for its other half, is part of a ride, or is part of none for ever.

    Only exits are ever unused: those more than 24 h after their entry, which is then submitted alone.
    """

    WAITING = "waiting"
    PAIRED = "paired"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Tap:
    """One accepted code. `id` is its row in the journal; `code` the 184 bytes; `shown_at` in Unix seconds."""

    id: int
    issuer: int
    serial: int
    direction: Direction
    station: int
    shown_at: int
    code: bytes


@dataclass(frozen=True, slots=True)
class TicketState:
    """What the journal knows of one (issuer, serial): whose it is, and which taps it has.

    `entered_at` is the entry code's shownAt, None where there is no entry tap (yet).
    """

    ticket_hash: bytes
    entered_at: int | None
    exited: bool

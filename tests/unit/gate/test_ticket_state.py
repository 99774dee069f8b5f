"""Step 9: what the journal knows of a ticket decides whether it may tap now."""

from __future__ import annotations

import pytest

from gate_client.tap import Direction, TicketState
from gate_client.verifier import Decision, check_ticket_state
from interline.reasons import GateReason
from tests.support.riders import Rider
from tests.unit.gate.conftest import NOW

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
OTHER_TICKET = b"\x01" * 32


@pytest.fixture
def passed(rider: Rider) -> Decision:
    """A code shown at NOW that passed steps 1 to 8."""
    return Decision(GateReason.ACCEPTED, rider.shows(NOW), rider.ticket.hash(rider.domain))


@pytest.mark.parametrize(
    ("direction", "entered_at", "exited", "reason"),
    [
        (ENTRY, None, True, GateReason.ALREADY_USED),
        (ENTRY, NOW - 60, False, GateReason.ALREADY_ENTERED),
        (ENTRY, NOW - 60, True, GateReason.ALREADY_USED),
        (EXIT, None, True, GateReason.ALREADY_USED),
        (EXIT, NOW - 60, True, GateReason.ALREADY_USED),
        (EXIT, NOW - 1, False, GateReason.ACCEPTED),
        (EXIT, NOW, False, GateReason.CODE_EXPIRED),
        (EXIT, NOW + 1, False, GateReason.CODE_EXPIRED),
    ],
)
def test_a_ticket_enters_once_and_leaves_once_and_later(
    passed: Decision, direction: Direction, entered_at: int | None, exited: bool, reason: GateReason
) -> None:
    assert passed.ticket_hash is not None
    state = TicketState(passed.ticket_hash, entered_at, exited)
    assert check_ticket_state(passed, direction, state) is reason


@pytest.mark.parametrize("direction", [ENTRY, EXIT])
def test_a_ticket_that_was_never_seen_is_accepted_either_way(passed: Decision, direction: Direction) -> None:
    assert check_ticket_state(passed, direction, None) is GateReason.ACCEPTED


@pytest.mark.parametrize("direction", [ENTRY, EXIT])
@pytest.mark.parametrize(("entered_at", "exited"), [(NOW - 60, False), (NOW - 60, True), (None, True)])
def test_another_ticket_under_the_same_serial_conflicts_before_anything_else(
    passed: Decision, direction: Direction, entered_at: int | None, exited: bool
) -> None:
    state = TicketState(OTHER_TICKET, entered_at, exited)
    assert check_ticket_state(passed, direction, state) is GateReason.SERIAL_CONFLICT


def test_a_code_that_could_not_be_read_has_no_state() -> None:
    with pytest.raises(ValueError, match="step 9"):
        check_ticket_state(Decision(GateReason.MALFORMED), ENTRY, None)

"""How an answer of the gate looks: one JSON object for programs, one line for people."""

from __future__ import annotations

import json

from gate_client.gate import Answer


def to_json(answer: Answer) -> str:
    """One compact JSON object; what couldn't be read of a code is null."""
    ticket = answer.code.ticket if answer.code else None
    return json.dumps(
        {
            "decision": "accept" if answer.accepted else "reject",
            "reason": answer.reason.value,
            "issuer": ticket.issuer if ticket else None,
            "operator": ticket.operator if ticket else None,
            "serial": ticket.serial if ticket else None,
            "ticket_hash": "0x" + answer.ticket_hash.hex() if answer.ticket_hash else None,
            "shown_at": answer.code.shown_at if answer.code else None,
            "direction": answer.direction.value,
            "station": answer.station,
            "image": answer.image,
            "elapsed_ms": round(answer.elapsed_ms, 3),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def to_line(answer: Answer) -> str:
    """One line: open or shut, why, whose ticket, and how long it took."""
    mark = "\N{CHECK MARK} open" if answer.accepted else "\N{BALLOT X} shut"
    ticket = f"ticket {answer.code.ticket.serial} of {answer.code.ticket.issuer}" if answer.code else "no readable code"
    source = f"  {answer.image}" if answer.image else ""
    place = f"{answer.direction.value} {answer.station}"
    return f"{mark}  {answer.reason.value:<22} {place}  {ticket}  {answer.elapsed_ms:.1f} ms{source}"

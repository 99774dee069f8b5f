"""`refund` put together: the line of Clearinghouses, and the journal, if there is one here."""

from __future__ import annotations

from collections.abc import Mapping

from gate_client.chain import Chain
from gate_client.config import GateConfig
from gate_client.dispute_log import batch_in
from gate_client.journal import Journal, bound_line
from gate_client.line import Line, find_line
from gate_client.refunding import Refund, plan_refund
from interline.hashing import keccak256


def open_refund(
    config: GateConfig,
    batch_id: bytes,
    index: int,
    amount: int | None,
    *,
    given: Mapping[bytes, bytes] | None = None,
    clearinghouse: bytes | None = None,
) -> tuple[Chain, Refund]:
    """The refund of a ride, and the chain's view of the Clearinghouse where it settled.

    The batch's bytes are the journal's; else those `given` by hand (by their ids); else the node's.

    Raises:
        RefundError: it can't be made.
        ChainUnavailableError: the node doesn't answer.
    """
    chain = Chain(config.rpc, config.clearinghouse)
    known = bound_line(config.journal)
    line = find_line(chain, known=known)
    domains = (*line.domains, *(() if known is None else known.called_off))
    houses = [chain.at(domain.clearinghouse) for domain in domains]
    stored = _stored(config, line, batch_id) or (given or {}).get(batch_id)
    planned = plan_refund(houses, config.operator, batch_id, index, amount, stored, clearinghouse)
    return chain.at(planned.domain.clearinghouse), planned


def _stored(config: GateConfig, line: Line, batch_id: bytes) -> bytes | None:
    """The batch out of the journal; the treasury's machine may well have none."""
    if not config.journal.exists():
        return None
    with Journal(
        config.journal, operator=config.operator, domain=line.domain, predecessors=line.predecessors
    ) as journal:
        found = (batch_in(journal, domain, batch_id) for domain in (*line.domains, *journal.line.called_off))
        return next((data for data in found if data is not None and keccak256(data) == batch_id), None)

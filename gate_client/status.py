"""`status`: what the journal and the trust list hold, as one document."""

from __future__ import annotations

import time

from gate_client import ride_log, tap_log
from gate_client.config import GateConfig
from gate_client.errors import TrustListError
from gate_client.journal import Journal, bound_line, require_journal
from gate_client.line import predecessor_documents
from gate_client.tap import TapState
from gate_client.trust_list import load_trust_list
from interline.domain import Domain
from interline.signatures import to_checksum

RIDE_STATES = ("ready", "batched", "settled", "rejected")


def read_status(config: GateConfig) -> dict[str, object]:
    """Scans by reason, taps and rides by state, what waits, and the trust list. Amounts in fen, ages in seconds.

    `domains` has the same of each Clearinghouse of the line, the newest first, and of those that were called off.

    Raises:
        JournalError: the journal can't be read, is another operator's, or nobody has scanned or synced there.
    """
    require_journal(config.journal, config.trust_list)
    document: dict[str, object] = {
        "operator": config.operator,
        "station": config.station,
        "journal": str(config.journal),
        "trust_list": _trust_list(config),
        "scans": {},
        "taps": dict.fromkeys(map(str, TapState), 0),
        "rides": dict.fromkeys(RIDE_STATES, 0),
        "rejected": {},
        "settled_fares": 0,
        "domains": [],
        "waiting": [],
    }
    line = bound_line(config.journal)
    if line is None:
        return document
    with Journal(config.journal, operator=config.operator, domain=line.domain) as journal:
        document["scans"] = tap_log.count_scans(journal)
        document["taps"] = dict.fromkeys(map(str, TapState), 0) | tap_log.count_taps(journal)
        document["rides"] = dict.fromkeys(RIDE_STATES, 0) | ride_log.count_rides(journal)
        document["rejected"] = ride_log.count_rejected(journal)
        document["settled_fares"] = ride_log.settled_fares(journal)
        line = journal.line
        document["domains"] = [_domain(journal, domain) for domain in (*line.domains, *line.called_off)]
        document["waiting"] = [
            {
                "batch_id": "0x" + batch_id.hex(),
                "clearinghouse": to_checksum(clearinghouse),
                "state": state,
                "rides": rides,
                "problem": refusal,
            }
            for clearinghouse, batch_id, state, rides, refusal in ride_log.waiting_batches(journal)
        ]
    return document


def _domain(journal: Journal, domain: Domain) -> dict[str, object]:
    return {
        "chain_id": domain.chain_id,
        "clearinghouse": to_checksum(domain.clearinghouse),
        "closes_at": journal.line.closes_at(domain),
        "called_off": domain in journal.line.called_off,
        "taps": dict.fromkeys(map(str, TapState), 0) | tap_log.count_taps(journal, domain),
        "rides": dict.fromkeys(RIDE_STATES, 0) | ride_log.count_rides(journal, domain),
    }


def _trust_list(config: GateConfig) -> dict[str, object]:
    try:
        trust = load_trust_list(config.trust_list)
    except TrustListError as error:
        return {"problem": str(error)}
    age = int(time.time()) - trust.block_time
    limit = trust.limit(config.trust_list_max_age)
    return {
        "block": trust.block,
        "block_time": trust.block_time,
        "age": age,
        "limit": limit,
        "expired": age >= limit,
        "cities": len(trust.cities),
        "revoked": len(trust.revoked),
        "chain_id": trust.domain.chain_id,
        "clearinghouse": to_checksum(trust.domain.clearinghouse),
        "predecessors": predecessor_documents(trust.line),
        "ends": trust.ends,
        "problem": trust.problem,
        "called_off": [to_checksum(domain.clearinghouse) for domain in trust.called_off],
        "owing": [
            {
                "clearinghouse": to_checksum(one.clearinghouse),
                "debtor": one.debtor,
                "arrears": one.arrears,
                "withheld": one.withheld,
            }
            for one in trust.owing
        ],
    }

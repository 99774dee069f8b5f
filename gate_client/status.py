"""`status`: what the journal and the trust list hold, as one document."""

from __future__ import annotations

import time

from gate_client import ride_log, tap_log
from gate_client.config import GateConfig
from gate_client.errors import TrustListError
from gate_client.journal import Journal, bound_domain
from gate_client.tap import TapState
from gate_client.trust_list import load_trust_list

RIDE_STATES = ("ready", "batched", "settled", "rejected")


def read_status(config: GateConfig) -> dict[str, object]:
    """Scans by reason, taps and rides by state, what waits, and the trust list. Amounts in fen, ages in seconds.

    Raises:
        JournalError: the journal can't be read, or is another operator's.
    """
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
        "waiting": [],
    }
    domain = bound_domain(config.journal)
    if domain is None:
        return document
    with Journal(config.journal, operator=config.operator, domain=domain) as journal:
        document["scans"] = tap_log.count_scans(journal)
        document["taps"] = dict.fromkeys(map(str, TapState), 0) | tap_log.count_taps(journal)
        document["rides"] = dict.fromkeys(RIDE_STATES, 0) | ride_log.count_rides(journal)
        document["rejected"] = ride_log.count_rejected(journal)
        document["settled_fares"] = ride_log.settled_fares(journal)
        document["waiting"] = [
            {"batch_id": "0x" + batch_id.hex(), "state": state, "rides": rides, "problem": refusal}
            for batch_id, state, rides, refusal in ride_log.waiting_batches(journal)
        ]
    return document


def _trust_list(config: GateConfig) -> dict[str, object]:
    try:
        trust = load_trust_list(config.trust_list)
    except TrustListError as error:
        return {"problem": str(error)}
    age = int(time.time()) - trust.block_time
    return {
        "block": trust.block,
        "block_time": trust.block_time,
        "age": age,
        "expired": age >= config.trust_list_max_age,
        "cities": len(trust.cities),
        "revoked": len(trust.revoked),
        "chain_id": trust.domain.chain_id,
        "clearinghouse": "0x" + trust.domain.clearinghouse.hex(),
    }

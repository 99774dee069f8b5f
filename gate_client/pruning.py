"""Deleting codes that nobody can ask for any more: riders' journeys aren't kept for longer than they have to be.

A tap's code is evidence until its ride can't be disputed and answered for (:class:`EvidenceTimes`). Codes of rides that
haven't settled, and of those with a dispute that can still be answered, stay. Taps, rides and scans themselves stay,
too: it is the codes, with the rider's key and signatures, that go.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_client.errors import TrustListError
from gate_client.journal import Journal
from gate_client.trust_list import TrustList


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many codes of taps and of scans were deleted, or would be, all of them shown or scanned before `before`.

    `unsettled` and `disputed` are taps as old that keep theirs. `before` is in Unix seconds.
    """

    before: int
    taps: int
    scans: int
    unsettled: int
    disputed: int


def prune(journal: Journal, trust: TrustList, *, dry_run: bool) -> Pruned:
    """Delete what can't be asked for, as of the last sync; what was deleted leaves nothing in the file.

    Raises:
        TrustListError: the last sync didn't ask how long codes may be asked for.
        JournalError: nothing could be written.
    """
    if trust.evidence_for is None:
        raise TrustListError("the trust list doesn't say how long codes may be asked for; run gate-client sync")
    before = trust.block_time - trust.evidence_for
    when = {"before": before, "now": trust.block_time}
    with journal.transaction() as db:

        def count(query: str) -> int:
            return int(db.execute(f"SELECT count(*) FROM {query}", when).fetchone()[0])

        found = Pruned(
            before=before,
            taps=count(f"taps WHERE {_DONE}"),
            scans=count(f"scans WHERE {_SCANS}"),
            unsettled=count(f"taps WHERE {_OLD} AND {_UNSETTLED}"),
            disputed=count(f"taps WHERE {_OLD} AND NOT {_UNSETTLED} AND {_DISPUTED}"),
        )
        if not dry_run:
            db.execute(f"UPDATE scans SET code = NULL WHERE {_SCANS}", when)  # first: it asks which taps are old
            db.execute(f"UPDATE taps SET code = NULL WHERE {_DONE}", when)
    if not dry_run:
        journal.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return found


_OLD = "code IS NOT NULL AND shown_at < :before"

_UNSETTLED = """(state = 'waiting' OR EXISTS (
  SELECT 1 FROM rides WHERE rides.id = taps.ride AND rides.state <> 'settled'))"""

_DISPUTED = """EXISTS (
  SELECT 1 FROM batch_rides JOIN batches ON batches.id = batch_rides.batch
  JOIN disputes ON disputes.domain = batches.domain AND disputes.batch_id = batches.batch_id
               AND disputes.place = batch_rides.position
  WHERE batch_rides.ride = taps.ride AND disputes.state = 'open' AND disputes.answer_until >= :now)"""

_DONE = f"{_OLD} AND NOT {_UNSETTLED} AND NOT {_DISPUTED}"

# A scan that became a tap goes with it; any other when it is as old.
_SCANS = f"""code IS NOT NULL AND scanned_at < :before AND NOT EXISTS (
  SELECT 1 FROM taps WHERE taps.scan = scans.id AND NOT ({_DONE}))"""

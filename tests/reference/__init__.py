"""The ledger in plain Python, that the contracts are compared with. See README.md."""

from tests.reference.corrections import Answer, Case, Corrections, Named, Posted, Stage
from tests.reference.ledger import BatchRefused, Cause, Ledger, NotAllowed, PairTotal, Parameters, Settlement
from tests.reference.members import City, IssuerKey, Members, Status
from tests.reference.rules import Judgement, reason_for

__all__ = [
    "Answer",
    "BatchRefused",
    "Case",
    "Cause",
    "City",
    "Corrections",
    "IssuerKey",
    "Judgement",
    "Ledger",
    "Members",
    "Named",
    "NotAllowed",
    "PairTotal",
    "Parameters",
    "Posted",
    "Settlement",
    "Stage",
    "Status",
    "reason_for",
]

"""The ledger in plain Python, that the contracts are compared with. See README.md."""

from tests.reference.corrections import Answer, Case, Corrections, Named, Posted, Stage
from tests.reference.errors import NotAllowed
from tests.reference.ledger import BatchRefused, Cause, Ledger, PairTotal, Settlement
from tests.reference.members import City, IssuerKey, Members, Status
from tests.reference.parameters import Parameters, Schedule
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
    "Schedule",
    "Settlement",
    "Stage",
    "Status",
    "reason_for",
]

"""The ledger in plain Python, that the contracts are compared with. See README.md."""

from tests.reference.ledger import BatchRefused, Cause, Ledger, NotAllowed, PairTotal, Parameters, Settlement
from tests.reference.members import City, IssuerKey, Members, Status
from tests.reference.rules import Judgement, reason_for

__all__ = [
    "BatchRefused",
    "Cause",
    "City",
    "IssuerKey",
    "Judgement",
    "Ledger",
    "Members",
    "NotAllowed",
    "PairTotal",
    "Parameters",
    "Settlement",
    "Status",
    "reason_for",
]

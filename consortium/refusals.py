"""What it means that a contract refuses, a sentence for each of its errors: why, and what to do. No network."""

from collections.abc import Callable
from typing import Any, Final

from consortium.calls import Refusal, decode_revert
from consortium.standing import yuan
from consortium.times import format_moment
from interline.safe_text import short_hex

_SENTENCES: Final = {
    # who
    "NotCityAdmin": "only the admin of city {city} may, and {caller} isn't it",
    "NotOfCity": "only the admin or the treasury of city {city} may, and {caller} is neither",
    "NotTreasury": "only the treasury of city {city} may, while it isn't frozen, and {caller} isn't that",
    "NotConsortium": "only the Consortium may, after a vote, and {caller} isn't it: propose it instead",
    "NotRefunds": "only the contract that refunds rides may, and {caller} isn't it",
    "NotProposed": "nothing of the kind is proposed for city {city}, or not to {caller}",
    "NotMember": "city {city} never was a member",
    "TreasuryFrozen": "the admin of city {city} froze its treasury: `unfreeze` allows it again",
    # members and keys
    "InvalidCityCode": "a city's code isn't 0",
    "CityAlreadyAdmitted": "city {city} was admitted before, and a code is admitted once",
    "TooManyCities": "there are {limit} seats, all taken",
    "TooManyAdmissions": "{limit} cities are admitted in 365 days at most: the next one from {earliest:time} on",
    "WrongStatus": "city {city} is {status:status}, and this needs one that stands otherwise",
    "ZeroAddress": "that address is zero",
    "IssuerKeyExists": "city {city} has an issuer key {keyId} already, and an id is used once: take another id",
    "UnknownIssuerKey": "city {city} has no issuer key {keyId}",
    "InvalidKeyWindow": "a key that holds from {validFrom:time} can't end at {validUntil:time}",
    "InvalidKeyEnd": "a key's end moves forward only: from {earliest:time} on, and before {current:time}, its end now; "
    "came {validUntil:time}",
    "SubmitterExists": "{key} is a submitter of city {city} already",
    "UnknownSubmitter": "{key} is no submitter of city {city}",
    "TooEarly(uint40)": "it can be accepted from {acceptableFrom:time} on",
    "AlreadySo": "the treasury of city {city} stands so already: frozen is {frozen}",
    "SameAddress": "{account} is another address of the city: admin, treasury and recovery address are three",
    "HandoverExpired": "it could be accepted until {until:time}: propose it anew",
    "TreasuryIsFrozen": "the admin of city {city} froze its treasury: `unfreeze` allows it again",
    "RecoveryAlreadyNamed": "this key of city {city} named {recovery} before, or both did: the other one has to, or "
    "`cancel-changes` comes before a change of mind",
    "NotRecoveryAddress": "only the recovery address of city {city} may, and the one that asked: it is another one",
    "TooManyRevocations": "of one issuer's tickets for one operator {limit} are revoked in a day (UTC) at most, {left} "
    "more today: end the issuer key, or revoke the rest tomorrow",
    "TariffTooEarly": "a tariff holds from {earliest:time} on at the earliest, came {validFrom:time}",
    "NoSuchTariff": "city {city} has published {count} tariffs, none is number {index}",
    # votes
    "NoFounders": "a consortium needs a founder",
    "NoVote": "the seat of city {city} counts in votes from {countsFrom:time} on, a week after it joined",
    "RecoveryNeedsRequest": "no member proposes a recovery: the recovery address of city {city} asks for it, with "
    "`request-recovery`",
    "RequestIsWithdrawn": "the recovery address took request {id} back, or asked anew: see `proposals`",
    "TargetHasNoCode": "there is no contract at {target}",
    "UnknownProposal": "there is no proposal {id}",
    "AlreadyExecuted": "proposal {id} was carried out before",
    "ProposalExpired": "proposal {id} expired at {expiredAt:time}: propose it anew",
    "AlreadyApproved": "city {city} approved proposal {id} before",
    "NotApproved": "city {city} didn't approve proposal {id}",
    "TooEarly(uint256,uint256)": "proposal {id} waits: it can be carried out from {executableFrom:time} on",
    "NotPassed": "proposal {id} has {votes} of the {votesNeeded} votes it needs",
    "StopAlreadyCalled": "city {city} has asked for this stop already",
    # money and rules
    "ZeroAmount": "the amount isn't 0",
    "InsufficientFunds": "city {city} can withdraw {withdrawable:yuan} now, came {amount:yuan}",
    "TokensShort": "{tokens:yuan} of tokens don't cover the {held:yuan} that cities hold",
    "ParameterOutOfBounds": "it has to be from {lowest} to {highest}, came {value}",
    "SettlementIsStopped": "settlement stands still until {until:time}",
    "StopTooSoon": "stops can't be chained: the next one is possible from {earliest:time} on",
    "NotStopped": "settlement isn't stopped",
    "NotASuccessor": "{successor} isn't made with this one as its predecessor, on the same registry and token, or "
    "doesn't answer as a Clearinghouse",
    "NoSuccessor": "no successor is named",
    "AlreadyClosed": "this Clearinghouse closed at {closedAt:time}: its successor stays",
    "ParametersTooSoon": "rides of before the last change may still come and be disputed: the next change is possible "
    "from {earliest:time} on",
    "StillWithheld": "it is above the city's daily limit, and withheld until {releasableFrom:time} unless its treasury "
    "confirms it before",
    "WrongDecimals": "the settlement currency has 2 decimals, this one has {decimals}",
    "ClosesTooSoon": "it can close from {earliest:time} on, 30 days ahead; came {closesAt:time}",
    # batches, refunds, disputes
    "MalformedBatch": "the batch breaks the format at byte {offset}",
    "OutOfOrder": "groups and rides ascend; those at byte {offset} don't",
    "TooManyRides": "a batch has at most {limit} rides, came {count}",
    "OwnTickets": "tickets of city {city} with city {city} aren't settled here",
    "OperatorNotMember": "city {operator} never was a member",
    "InvalidSignatureLength": "a batch's signature has 64 bytes, came {length}",
    "NotSubmitter": "{signer}, who signed, is no submitter of city {operator}",
    "BatchAlreadySettled": "batch {batchId} was settled before",
    "UnknownBatch": "no ride of batch {batchId} settled here",
    "WrongRefusedList": "the list of refused rides isn't the one of batch {batchId}",
    "NoSuchRide": "the batch has {rides} rides, none is number {index}",
    "RideWasRefused": "ride {index} was refused: there is nothing to correct",
    "AboveFare": "{left:yuan} of the fare are left, came {amount:yuan}",
    "NothingLeft": "nothing of the fare of ride {index} is left",
    "AlreadyDisputed": "ride {index} was disputed before",
    "DisputeTooLate": "rides settled from {disputableFrom:time} on can be, this one settled at {settledAt:time}",
    "NotDisputed": "there is no open dispute of ride {index}",
    "AnswerTooLate": "the time for an answer ended at {until:time}",
    "AnswerStillPossible": "there is time for an answer until {until:time}",
    "WrongRideFacts": "the facts aren't those of the disputed ride",
    "WrongRiderKey": "the rider key isn't the one that the ticket names",
    "BadRiderSignature": "the rider key didn't sign the code shown at {shownAt:time}",
    "NotRevokedInTime": "the ride didn't begin long enough after a revocation of its ticket",
    # the token
    "ERC20InsufficientBalance": "{sender} has {balance:yuan} of tokens, {needed:yuan} are needed",
    "ERC20InsufficientAllowance": "{spender} may take {allowance:yuan}, {needed:yuan} are needed",
    "ZeroBank": "the bank's address is zero",
    "NotBank": "only the settlement bank may",
    # Solidity's own
    "Error": "{reason}",
    "Panic": "its code fails with number {code}",
}
"""By the error's name, or its whole signature where two contracts mean different things by one name."""
_AT_ZERO: Final = {
    "TooEarly(uint40)": "the city's other key has to name it first, with `change-recovery`",
    "TooEarly(uint256,uint256)": "proposal {id} has its votes, but its wait hasn't begun, or was lost: `mark-passed "
    "{id}` begins it anew",
    "NoVote(uint16,uint256)": "city {city} is no member, and has no vote",
}
"""By its whole signature, where an error's last argument, a time, is 0."""
_STATUSES: Final = ("no member", "active", "suspended", "gone")


class _Value:
    """An argument that knows how to be shown: `{until:time}`, `{amount:yuan}`, `{status:status}`."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, how: str) -> str:
        shown: dict[str, Callable[[Any], str]] = {"time": format_moment, "yuan": yuan, "status": _status, "": str}
        return shown[how](self._value)


def _status(status: int) -> str:
    return _STATUSES[status]


def explain_revert(data: bytes) -> str:
    """What a contract refused a call with, and what that means.

    Such as `NotPassed(id=1, votes=1, votesNeeded=2): proposal 1 has 1 of the 2 votes it needs`.
    """
    error = decode_revert(data)
    if error is None:
        return short_hex(data) if data else "no reason"
    sentence = _sentence(error)
    if sentence is None or error.malformed:
        return error.shown
    try:
        return f"{error.shown}: {sentence.format(**{name: _Value(value) for name, value in error.arguments.items()})}"
    except (KeyError, IndexError, ValueError):  # a contract of another version, whose error has other arguments
        return error.shown


def _sentence(error: Refusal) -> str | None:
    found = _SENTENCES.get(error.signature) or _SENTENCES.get(error.name)
    is_zero = bool(error.arguments) and list(error.arguments.values())[-1] == 0
    return _AT_ZERO.get(error.signature, found) if is_zero else found


def has_sentence(name: str, signature: str) -> bool:
    """Whether an error of our contracts is explained here."""
    return signature in _SENTENCES or name in _SENTENCES

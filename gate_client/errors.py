"""Everything that can stop the gate. A refused code is no error: it is an answer."""

from __future__ import annotations


class GateError(Exception):
    """The gate can't do what was asked; the message says what was expected, what came and what to do."""


class ConfigError(GateError):
    """`gate.toml` is missing, damaged, or says something that can't be."""


class TrustListError(GateError):
    """There is no usable trust list, or the new one may not take the place of the old one."""


class JournalError(GateError):
    """The journal can't be opened, belongs to another operator or domain, or can't be written."""


class PictureError(GateError):
    """A file that can't be read as a PNG or JPEG picture (a picture without a code is no error)."""


class ChainError(GateError):
    """Something about the chain; the two kinds that matter to a caller have their own classes."""


class ChainUnavailableError(ChainError):
    """The chain doesn't answer; nothing is lost, and the same command can be run again later."""


class ChainRefusalError(ChainError):
    """The contract refuses a call as a whole.

    `name` is the custom error (section 6), or what the node said where there is none; `details` its arguments.
    """

    def __init__(self, name: str, details: tuple[object, ...] = ()) -> None:
        super().__init__(f"{name}({', '.join(map(str, details))})" if details else name)
        self.name = name
        self.details = details


class SuccessionError(GateError):
    """Clearinghouses don't agree about who follows whom."""


class StaleNonceError(ChainError):
    """Another transaction of the same account has taken this one's nonce."""


class SubmissionError(GateError):
    """Batches can't be signed, sent or read back; they wait in the journal."""


class RefundError(GateError):
    """A refund that can't be made; nothing was sent, or what was is named."""

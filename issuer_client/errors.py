"""Everything that can stop the ticket office or the wallet.

A `RefusedError` is about what was asked for: nothing was done, and asking for something else may succeed. Every
other `IssuerError` means that the office or the wallet can't work as it is set up.
"""


class IssuerError(Exception):
    """What was asked can't be done; the message says what was expected, what came and what to do."""


class ConfigError(IssuerError):
    """`issuer.toml` is missing, damaged, or says something that can't be or doesn't fit the city's file."""


class DatabaseError(IssuerError):
    """A database can't be opened or written, is damaged, or belongs to something else."""


class QrError(IssuerError):
    """A text that doesn't fit the symbol of protocol section 3, or a picture that can't be written."""


class RefusedError(IssuerError):
    """What was asked for is not allowed; nothing was issued, added or changed."""


class TicketRefusedError(RefusedError):
    """A ticket that may not be issued: its operator, cap or time is not what it must be."""


class RiderKeyError(RefusedError):
    """A rider key that is no point of P-256, or that already has a ticket (a rider key per ticket)."""


class SerialsExhaustedError(RefusedError):
    """All 2^40 serials for an operator have been handed out."""


class WalletError(RefusedError):
    """A ticket that doesn't belong in this wallet, or one that isn't there."""


class DomainRefusedError(RefusedError):
    """A Clearinghouse that the office can't move to."""


class DisputeRefusedError(RefusedError):
    """A ride that can't be disputed: it isn't this city's, didn't settle, or was disputed before; or it is too late."""


class ChainError(IssuerError):
    """The chain can't be asked: the node refuses, there is no Clearinghouse, or it isn't the one that was meant."""


class ChainUnavailableError(ChainError):
    """The node doesn't answer; nothing is lost, and the same command may succeed later."""


class ChainRefusalError(ChainError):
    """A contract refuses a call; `name` is its custom error, or what the node says."""

    def __init__(self, name: str, arguments: tuple[object, ...] = ()) -> None:
        super().__init__(f"{name}({', '.join(map(str, arguments))})" if arguments else name)
        self.name = name
        self.arguments = arguments


class ChainMovedError(ChainError):
    """Blocks were replaced by others while they were read; the same command may succeed at once."""


class FeedFileError(IssuerError):
    """A file of the feed that can't be written, or that is another one."""

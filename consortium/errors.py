"""What can go wrong in an administrator's work. Every message says what was expected, what came and what to do."""


class ConsortiumError(Exception):
    """Anything that keeps an administrator's step from being done; what was done before stays."""


class DeploymentError(ConsortiumError):
    """A deployment's file is missing, wrong, unfinished, or of another chain."""


class ChainError(ConsortiumError):
    """The chain can't be reached, isn't the expected one, or doesn't answer in time."""


class TransactionError(ConsortiumError):
    """A contract refuses a transaction, or its sender didn't sign it."""


class AccountMissingError(ConsortiumError):
    """The account that has to sign isn't among Ape's accounts here."""


class ContradictionError(ConsortiumError):
    """A city file and the chain say different things."""


class InputError(ConsortiumError):
    """A name, address, time or number on the command line that isn't what it must be."""

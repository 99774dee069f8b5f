"""What can go wrong while the books are read. Every message says what was expected, what came and what to do."""


class LedgerError(Exception):
    """Anything that keeps the books from being read."""


class NoClearinghouseError(LedgerError):
    """There is no Clearinghouse at the address, on the chain that was asked."""


class TooMuchError(LedgerError):
    """The node doesn't answer for so much at once."""


class ChainMovedError(LedgerError):
    """The block that was read is no longer part of the chain."""


class BooksError(LedgerError):
    """The chain's events, posted one after another, can't have happened."""


class UnknownCityError(LedgerError):
    """No such city is or was a member."""


class IndexFileError(LedgerError):
    """The index can't be used: another program has it open, it is of another chain, or it is damaged."""


class PeriodError(LedgerError):
    """A period that doesn't exist, or of which the index knows nothing."""


class BankFileError(LedgerError):
    """A bank's file that can't be read."""


class RecordFileError(LedgerError):
    """An operator's journal or an issuer's register that can't be read, or is of another chain or city."""


class CityBooksError(LedgerError):
    """A city file lacks what a statement or an invoice needs."""


class FormError(LedgerError):
    """A statement can't be put into the form that was asked for."""

"""What can't be shown."""

from ledger.errors import LedgerError


class NoSuchPageError(LedgerError):
    """There is no such city, batch or ride in the index."""

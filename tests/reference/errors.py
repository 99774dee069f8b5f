"""What the reference refuses."""


class NotAllowed(Exception):
    """Something else than a batch that the ledger refuses; `cause` says why."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

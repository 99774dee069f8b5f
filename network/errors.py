"""What can go wrong with a local network."""


class NetworkError(Exception):
    """A local chain or test account can't be had; the message says what was expected, what came and what to do."""

"""What can go wrong in the demo."""


class DemoError(Exception):
    """A step of the demo didn't do what it should; the message says what was expected and what came."""


class NotReadyError(DemoError):
    """The demo can't begin: something that it needs isn't there."""

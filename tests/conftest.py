"""What all tests share: property tests have no deadline, for other tests keep the cores busy beside them."""

from hypothesis import settings

settings.register_profile("interline", settings(), deadline=None)
settings.load_profile("interline")

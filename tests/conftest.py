"""What all tests share.

Property tests have no deadline and don't mind being slow, for other tests keep the cores busy beside them; one that
fails says how to have the same example again. No thread that a test left behind keeps the process from ending. Each
unit test has the interpreter's own limit of recursion, as our programs have.
"""

import faulthandler
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

LEFT_OVER = 600.0
"""Seconds that threads which outlive the tests have until the process ends without them, and says where they hang."""

UNIT = Path(__file__).resolve().parent / "unit"
RECURSION_LIMIT = sys.getrecursionlimit()
"""Before any import of a test: py_ecc, of Ape's own chain, raises it so high that nested JSON ends the process."""

settings.register_profile("interline", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("interline")


@pytest.fixture(autouse=True)
def the_interpreter_s_own_recursion_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unit tests have what our programs have; Ape in the tests' own process needs more."""
    before = sys.getrecursionlimit()
    if UNIT in request.path.parents:
        sys.setrecursionlimit(RECURSION_LIMIT)
    yield
    sys.setrecursionlimit(before)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """From here on only threads are left that aren't daemons: a test hung, and its process would with it.

    pytest-xdist's workers wait here for each other, and are ended by the process that started them.
    """
    if not hasattr(config, "workerinput"):
        faulthandler.dump_traceback_later(LEFT_OVER, exit=True, file=sys.__stderr__)

"""What all tests share.

Property tests have no deadline and don't mind being slow, for other tests keep the cores busy beside them; one that
fails says how to have the same example again. No thread that a test left behind keeps the process from ending, and
no worker that died keeps the others waiting. Each unit test has the interpreter's own limit of recursion, as our
programs have.
"""

import faulthandler
import importlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

LEFT_OVER = 600.0
"""Seconds that threads which outlive the tests have until the process ends without them, and says where they hang."""

SILENCE = 2_100.0
"""Seconds without a word from any worker until the run ends: more than one test may take (`timeout` of pytest). Where
a worker dies, pytest-xdist has been seen to wait for it for ever."""

TESTS = Path(__file__).resolve().parent
UNIT = TESTS / "unit"
LONG = [
    TESTS / file
    for file in (
        "e2e/test_readme.py",
        "contracts/test_against_reference.py",
        "contracts/test_against_twin.py",
        "contracts/test_governance_against_reference.py",
        "privacy/test_linkage.py",
        "privacy/test_feed_of_a_rider.py",
        "unit/ledger/test_statement_property.py",
        "unit/ledger/test_forms_property.py",
    )
]
"""Files outside tests/e2e, or single tests in it, that take longest."""

RECURSION_LIMIT = sys.getrecursionlimit()
DEEPEST = 20_000
"""Frames that the stack has room for. Ape's own chain raises the limit to 100,000 when it is first imported, so high
that nested JSON ends the process instead of being refused: it is imported here, not in the midst of a test."""
importlib.import_module("eth")

os.environ["no_proxy"] = ",".join(filter(None, ["127.0.0.1", os.environ.get("no_proxy")]))
"""No proxy is asked for the tests' chains; requests otherwise looks through the whole environment, at every request."""

settings.register_profile("interline", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("interline")


@pytest.fixture(autouse=True)
def the_interpreter_s_own_recursion_limit(request: pytest.FixtureRequest) -> None:
    """Unit tests have what our programs have; Ape in the tests' own process needs more."""
    sys.setrecursionlimit(RECURSION_LIMIT if UNIT in request.path.parents else DEEPEST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no worker is left with one at the end while the others have nothing to do."""
    items.sort(key=lambda item: (item.path not in LONG, item.path.parent.name != "e2e"))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """The process that waits for the workers doesn't for ever."""
    if not hasattr(config, "workerinput") and config.getoption("numprocesses", None) is not None:
        _end_after(SILENCE)
        config.pluginmanager.register(_Listener(), "silence")


class _Listener:
    """Begins the time anew at each word of a worker."""

    def pytest_runtest_logreport(self) -> None:
        _end_after(SILENCE)


def _end_after(seconds: float) -> None:
    """End this process then, and say where its threads are, unless this is called again before."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """From here on only threads are left that aren't daemons: a test hung, and its process would with it.

    pytest-xdist's workers wait here for each other, and are ended by the process that started them.
    """
    if not hasattr(config, "workerinput"):
        _end_after(LEFT_OVER)

"""What the unit tests' process must not differ in from our programs'."""

import importlib
import sys


class TestTheLimitOfRecursion:
    def test_a_library_raises_it(self) -> None:
        importlib.import_module("py_ecc")
        sys.setrecursionlimit(100_000)

    def test_the_next_test_has_the_interpreter_s_own_again(self) -> None:
        assert sys.getrecursionlimit() < 10_000

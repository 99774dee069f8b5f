"""What the tests' own process must not differ in from our programs'."""

import sys


class TestTheLimitOfRecursion:
    def test_a_library_raises_it(self) -> None:
        import py_ecc  # noqa: F401

        sys.setrecursionlimit(100_000)

    def test_the_next_test_has_the_interpreter_s_own_again(self) -> None:
        assert sys.getrecursionlimit() < 10_000

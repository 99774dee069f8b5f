"""Which city is meant by a name or a code that somebody typed."""

from collections.abc import Iterable


def find_city(wanted: str, cities: Iterable[tuple[int, Iterable[str | None]]]) -> int | None:
    """The code of the city that is meant; None where there is none.

    A code goes before a name, and of cities with one name the first: nobody takes a member's place by a name of the
    same letters, or of another's digits.

    Args:
        wanted: a code or a name, in any case.
        cities: (code, names), in the order in which they joined.
    """
    known = [(code, {name.casefold() for name in names if name}) for code, names in cities]
    by_code = (code for code, _ in known if wanted == str(code))
    by_name = (code for code, names in known if wanted.casefold() in names)
    return next(by_code, next(by_name, None))

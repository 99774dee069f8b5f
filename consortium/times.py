"""Points and lengths of time as administrators write and read them. Inside they are Unix seconds."""

import re
from datetime import date, datetime
from typing import Final

from consortium.errors import InputError
from interline.safe_text import moment_text
from issuer_client.durations import parse_duration

_DAY: Final = 86_400
_SECONDS: Final = re.compile(r"[0-9]{1,13}")
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def parse_moment(text: str, now: int) -> int:
    """A point in time, Unix seconds: `now`, `+7d` from now, Unix seconds, or ISO 8601 with its offset from UTC.

    Args:
        now: the chain's time.

    Raises InputError where it is none of these.
    """
    if text == "now":
        return now
    if text.startswith("+"):
        return now + parse_length(text[1:])
    if _SECONDS.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(
            f"expected a time such as 2026-12-01T00:00:00+08:00, +7d, now, or Unix seconds, came {text!r}: name its "
            "offset from UTC"
        )
    return int(moment.timestamp())


def parse_length(text: str) -> int:
    """Seconds of a length of time such as 7d, 12h, 30m or 90s. Raises InputError where it is none."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{error}: write days as d, hours as h, minutes as m") from error


def format_moment(seconds: int) -> str:
    """A point in time for people: `2026-12-01 00:00:00 UTC`."""
    return moment_text(seconds)


def format_length(seconds: int) -> str:
    """A length of time for people: `30 days`, `1 hour 30 minutes`; at most its two largest units."""
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count:,} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"


def format_day(day: int) -> str:
    """A day (UTC, since 1970) for people and for `parse_day`: `2026-12-01`."""
    return format_moment(day * _DAY)[:10]


def parse_day(text: str) -> int:
    """The day (UTC, since 1970) of a date such as 2026-12-01. Raises InputError where it is none."""
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError as error:
        raise InputError(f"expected a day (UTC) such as 2026-12-01, found {text!r}: {error}") from error

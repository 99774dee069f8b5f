"""Lengths of time as people write them: `7d`, `12h`, `30m`, `90s`, or seconds."""

import re

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,10})([smhd]?)")


def parse_duration(text: str) -> int:
    """Seconds in `text`: a whole number, and s, m, h or d after it; without a unit, seconds.

    Raises:
        ValueError: it is something else, or no time at all.
    """
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if seconds <= 0:
        raise ValueError(f"expected a length of time like 7d, 12h, 30m or 90s, came {text!r}")
    return seconds

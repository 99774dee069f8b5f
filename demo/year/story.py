"""What the year is made of: who joined when, how many rode, and what else happened. All that is assumed is here.

From the article and its sources: the cities and their joining days (`cities/cities.csv`), nearly 3 million rides, and
20,700 scans on the busiest day, in July 2019. Everything else is an assumption, made to look like a metro's year:
how rides spread over months, days, hours, cities and stations, how treasurers pay, and what goes wrong.
docs/year.md lists both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from interline.cities import CityFile, load_cities
from interline.tariff import Tariff, load_tariff
from network.accounts import Role, city_index, test_private_key

REPOSITORY: Final = Path(__file__).resolve().parent.parent.parent
RIDES: Final = 3_000_000
"""Rides that settle in the whole year."""
CITIES: Final = 11
"""Xuzhou is the eleventh, on 2019-12-01; Changzhou, which came in the last week, is left out."""
FIRST_DAY: Final = date(2018, 12, 1)
LAST_DAY: Final = date(2019, 12, 31)
DAYS: Final = (LAST_DAY - FIRST_DAY).days + 1
PEAK_DAY: Final = date(2019, 7, 20)
"""The busiest day: a Saturday of the summer holidays. The article names the month."""
HOUR: Final = 3600
DAY: Final = 24 * HOUR
_SHANGHAI: Final = 8 * HOUR  # no summer time in these years
BEGIN: Final = int(datetime(2018, 12, 1, tzinfo=UTC).timestamp()) - _SHANGHAI
"""2018-12-01T00:00+08:00, Unix seconds."""
END: Final = BEGIN + DAYS * DAY + 3 * HOUR + HOUR // 2
"""2020-01-01T03:30+08:00: the last settlement, before the operating day 2019-12-31 is over."""

MONTHS: Final[Mapping[tuple[int, int], float]] = {
    (2018, 12): 0.62,
    (2019, 1): 0.66,
    (2019, 2): 0.72,
    (2019, 3): 0.72,
    (2019, 4): 0.80,
    (2019, 5): 0.86,
    (2019, 6): 0.95,
    (2019, 7): 1.08,
    (2019, 8): 1.04,
    (2019, 9): 0.95,
    (2019, 10): 1.00,
    (2019, 11): 0.92,
    (2019, 12): 0.95,
}
"""Rides a day, relative to one another: they grow with the members, and are highest in the summer holidays."""
WEEKDAY: Final = 0.95
DAY_OFF: Final = 1.12
HOLIDAYS: Final = (
    (date(2018, 12, 30), date(2019, 1, 1)),
    (date(2019, 2, 4), date(2019, 2, 10)),
    (date(2019, 4, 5), date(2019, 4, 7)),
    (date(2019, 5, 1), date(2019, 5, 4)),
    (date(2019, 6, 7), date(2019, 6, 9)),
    (date(2019, 9, 13), date(2019, 9, 15)),
    (date(2019, 10, 1), date(2019, 10, 7)),
)
"""Public holidays, first and last day; those of China in that year."""
PEAK_ABOVE: Final = 1.03
"""How far the busiest day is above the next one."""


@dataclass(frozen=True, slots=True)
class Traits:
    """How much a city's people ride, relative to other cities', and for how many days of rides it keeps funds."""

    sends: float
    receives: float
    float_days: int = 14


TRAITS: Final[Mapping[str, Traits]] = {
    "Shanghai": Traits(34, 22),
    "Hangzhou": Traits(17, 26),
    "Ningbo": Traits(9, 7, float_days=4),
    "Wenzhou": Traits(5, 4),
    "Hefei": Traits(8, 6, float_days=4),
    "Nanjing": Traits(12, 14),
    "Suzhou": Traits(9, 11),
    "Qingdao": Traits(5, 6),
    "Xiamen": Traits(4, 6),
    "Wuxi": Traits(6, 5),
    "Xuzhou": Traits(5, 3, float_days=4),
}
FORGETFUL: Final = (
    ("Ningbo", date(2019, 1, 24), date(2019, 3, 11)),
    ("Hefei", date(2019, 9, 16), date(2019, 11, 4)),
    ("Xuzhou", date(2019, 12, 2), date(2020, 1, 10)),
)
"""Cities that top up nothing from a day to before another, and run into arrears; Xuzhou's are open in the end."""
NEW_KEY_CITY: Final = "Shanghai"
NEW_KEY_FROM: Final = date(2019, 7, 1)
"""From when that city signs with its second key."""
OLD_KEY_UNTIL: Final = date(2019, 10, 1)

LATE: Final = 0.003
"""Rides whose gate was offline: sent 1 to 20 days later."""
LONE: Final = 0.003
"""Rides with one end missing."""
SAME_STATION: Final = 0.001
REFUSED: Final = 0.0004
"""Rides that the chain refuses, on top of those that settle."""
REFUNDS: Final = 0.0002
DISPUTES: Final = 0.0001
REVOKED: Final = 0.00001
LEAST: Final = {"late": 6, "lone": 4, "refused": 8, "refunds": 6, "disputes": 10, "revoked": 2}
"""However small the year is."""


@dataclass(frozen=True, slots=True)
class Member:
    """A city of the story, its tariff, and where its test accounts are."""

    file: CityFile
    position: int
    tariff: Tariff
    traits: Traits

    @property
    def code(self) -> int:
        """The city's code."""
        return self.file.code

    @property
    def name(self) -> str:
        """The city's English name."""
        return self.file.name

    @property
    def joined(self) -> date:
        """The day from which its people ride elsewhere."""
        return date.fromisoformat(self.file.joined)

    @property
    def founder(self) -> bool:
        """Whether it is there from the first day on."""
        return self.joined == FIRST_DAY

    def private_key(self, role: Role) -> bytes:
        """The 32-byte secp256k1 key of one of its test accounts."""
        return test_private_key(city_index(self.position, role))


def load_members(count: int = CITIES) -> list[Member]:
    """The first cities of `cities/`, in the order in which they joined."""
    files = load_cities(REPOSITORY / "cities")[:count]
    return [Member(file, at, load_tariff(file.tariff), TRAITS[file.name]) for at, file in enumerate(files)]


def midnight(day: date) -> int:
    """When a day begins in China, Unix seconds."""
    return BEGIN + (day - FIRST_DAY).days * DAY


def day_of(moment: int) -> date:
    """The calendar day in China of a time (Unix seconds)."""
    return FIRST_DAY + timedelta(days=(moment - BEGIN) // DAY)

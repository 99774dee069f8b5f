"""A small tariff of Xuzhou: three stations of Line 1 and its fares, in files that a test may change in one place."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from interline.tariff import Tariff, load_tariff

LUWO, PENGCHENG_SQUARE, XUZHOU_EAST = 1, 8, 18

STOPS = """\
stop_id,stop_code,stop_name,stop_lat,stop_lon,zone_id
luwo,1,Luwo,34.243,117.095,1
pengcheng,8,Pengcheng Square,34.265,117.182,8
east,18,Xuzhou East Railway Station,34.268,117.301,18
"""
FARE_ATTRIBUTES = """\
fare_id,price,currency_type,payment_method,transfers
near,2.00,CNY,1,
middle,3.00,CNY,1,
far,5.00,CNY,1,
"""
FARE_RULES = """\
fare_id,origin_id,destination_id
near,1,1
middle,1,8
far,1,18
middle,8,1
near,8,8
middle,8,18
far,18,1
middle,18,8
near,18,18
"""


@dataclass(frozen=True)
class TariffFolder:
    """A folder of GTFS that can be changed in one place at a time."""

    path: Path

    def load(self) -> Tariff:
        return load_tariff(self.path)

    def replace(self, name: str, old: str, new: str) -> "TariffFolder":
        """Replace `old`, which must be there exactly once, in the file `name`."""
        text = (self.path / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
        (self.path / name).write_text(text.replace(old, new), encoding="utf-8")
        return self

    def append(self, name: str, line: str) -> "TariffFolder":
        """Add one line to the file `name`."""
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return self


@pytest.fixture
def xuzhou(tmp_path: Path) -> TariffFolder:
    """Xuzhou's small tariff, valid as it is."""
    folder = tmp_path / "xuzhou"
    folder.mkdir()
    (folder / "stops.txt").write_text(STOPS, encoding="utf-8")
    (folder / "fare_attributes.txt").write_text(FARE_ATTRIBUTES, encoding="utf-8")
    (folder / "fare_rules.txt").write_text(FARE_RULES, encoding="utf-8")
    return TariffFolder(folder)

"""Xuzhou's city file, in a folder of its own, where a test may change it in one place."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from interline.cities import CityFile, load_city

# Accounts 200 to 203 and 206 of anvil's public mnemonic, and one more: nobody's money.
ADMIN = "0xCD5691EA878D262516be278cb46f2fd7fF132083"
TREASURY = "0x9B63F0Cef479924E5d2C4E22DBE31E6d0353B448"
ISSUER_KEY = "0xaAda98978453263132587D0805C4A17376Af9F13"
SUBMITTER = "0x55Ef996639b608A25AB4293f39247a9E23411d3A"
RECOVERY = "0xA8d91B470C8E7e2dDe59Ec4B7D393Efe37a290F7"
STRANGER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

XUZHOU = f"""\
code: 3203
name: Xuzhou
founder: false
joined: 2019-12-01                # a label; chains run in real time
admin: "{ADMIN}"
treasury: "{TREASURY}"
recovery: "{RECOVERY}"
issuer_keys:
  - {{id: 1, address: "{ISSUER_KEY}", valid_from: 2018-12-01T00:00:00+08:00}}
submitters: ["{SUBMITTER}"]
tariff: tariffs/xuzhou            # GTFS, beside the city files
deposit: "50000.00"               # yuan
"""


@dataclass(frozen=True)
class EditableCity:
    """A city file that can be changed in one place at a time."""

    path: Path

    def load(self) -> CityFile:
        return load_city(self.path)

    def replace(self, old: str, new: str) -> "EditableCity":
        """Replace `old`, which must be there exactly once."""
        text = self.path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the file"
        self.path.write_text(text.replace(old, new), encoding="utf-8")
        return self


def write_city(folder: Path, name: str, text: str) -> EditableCity:
    """Write a city file and the folder of its tariff, which the loader looks for but does not read."""
    (folder / "tariffs" / name).mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return EditableCity(path)


@pytest.fixture
def xuzhou(tmp_path: Path) -> EditableCity:
    """Xuzhou's city file, valid as it is."""
    return write_city(tmp_path, "xuzhou", XUZHOU)

"""The hash that a city publishes with its tariff."""

import zipfile
from pathlib import Path

import pytest

from interline.errors import TariffError
from interline.hashing import keccak256
from interline.tariff import tariff_hash
from tests.unit.tariff.conftest import TariffFolder


def packed(folder: Path, to: Path) -> Path:
    """A zip of a folder's files, in another order than theirs."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir(), reverse=True):
            archive.write(file, file.name)
    return to


def test_it_is_that_of_the_names_and_contents_in_order(xuzhou: TariffFolder) -> None:
    parts = [
        keccak256(name.encode()) + keccak256((xuzhou.path / name).read_bytes())
        for name in ("fare_attributes.txt", "fare_rules.txt", "stops.txt")
    ]
    assert tariff_hash(xuzhou.path) == keccak256(b"".join(parts))


def test_a_zip_has_the_hash_of_its_folder(xuzhou: TariffFolder, tmp_path: Path) -> None:
    assert tariff_hash(packed(xuzhou.path, tmp_path / "xuzhou.zip")) == tariff_hash(xuzhou.path)


def test_hidden_files_and_folders_do_not_count(xuzhou: TariffFolder) -> None:
    before = tariff_hash(xuzhou.path)
    (xuzhou.path / ".DS_Store").write_bytes(b"x")
    (xuzhou.path / "sources").mkdir()
    assert tariff_hash(xuzhou.path) == before


def test_a_changed_byte_and_another_file_change_it(xuzhou: TariffFolder) -> None:
    before = tariff_hash(xuzhou.path)
    stops = xuzhou.path / "stops.txt"
    stops.write_bytes(stops.read_bytes() + b"\n")
    changed = tariff_hash(xuzhou.path)
    (xuzhou.path / "agency.txt").write_bytes(b"agency_id\n")
    assert len({before, changed, tariff_hash(xuzhou.path)}) == 3


def test_what_is_no_tariff_has_none(xuzhou: TariffFolder, tmp_path: Path) -> None:
    (xuzhou.path / "stops.txt").unlink()
    with pytest.raises(TariffError, match=r"stops\.txt: expected this GTFS file, came none"):
        tariff_hash(xuzhou.path)
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(TariffError, match=r"no\.zip: expected a zip of GTFS files"):
        tariff_hash(tmp_path / "no.zip")
    with pytest.raises(TariffError, match="expected a folder or a zip of GTFS files"):
        tariff_hash(tmp_path / "nowhere")

"""How a city file is read, and what it must not say; each negative test changes one place."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from interline.cities import NO_END, CityFile, Invoicing, IssuerKey, LegalEntity, load_cities, load_city
from interline.errors import CityFileError
from interline.operating_day import OperatingDay

from .conftest import ADMIN, ISSUER_KEY, RECOVERY, STRANGER, SUBMITTER, TREASURY, XUZHOU, EditableCity, write_city

# 2018-12-01T00:00:00+08:00
FIRST_DAY = 1_543_593_600


def refused(city: EditableCity, *parts: str) -> None:
    """Load `city`, which must be refused with a message that has its path and `parts`, in this order."""
    with pytest.raises(CityFileError) as caught:
        city.load()
    parts = (str(city.path), *parts)
    message = str(caught.value)
    assert re.search(".*".join(re.escape(part) for part in parts), message, re.DOTALL), message


def test_a_city_file_is_read_whole(xuzhou: EditableCity, tmp_path: Path) -> None:
    assert xuzhou.load() == CityFile(
        path=tmp_path / "xuzhou.yaml",
        code=3203,
        name="Xuzhou",
        name_zh=None,
        founder=False,
        joined="2019-12-01",
        admin=ADMIN,
        treasury=TREASURY,
        recovery=RECOVERY,
        issuer_keys=(IssuerKey(1, bytes.fromhex(ISSUER_KEY[2:]), FIRST_DAY, NO_END),),
        submitters=(SUBMITTER,),
        tariff=tmp_path / "tariffs" / "xuzhou",
        deposit=5_000_000,
    )


def test_an_issuer_key_shows_its_address_with_the_checksum(xuzhou: EditableCity) -> None:
    (key,) = xuzhou.load().issuer_keys
    assert key.checksummed == ISSUER_KEY


def test_a_city_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CityFileError, match=r"atlantis\.yaml: expected a city file, came none"):
        load_city(tmp_path / "atlantis.yaml")


KEYS = [
    "code",
    "name",
    "founder",
    "joined",
    "admin",
    "treasury",
    "recovery",
    "issuer_keys",
    "submitters",
    "tariff",
    "deposit",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(xuzhou: EditableCity, key: str) -> None:
    text = xuzhou.path.read_text()
    lines = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
    if key == "issuer_keys":
        lines = [line for line in lines if not line.startswith("  -")]
    xuzhou.path.write_text("\n".join(lines))
    refused(xuzhou, f"{key}: expected a value, came no such key; add ")


def test_a_file_from_before_recovery_addresses_is_told_what_to_add(xuzhou: EditableCity) -> None:
    xuzhou.replace(f'recovery: "{RECOVERY}"\n', "")
    refused(
        xuzhou, "recovery: expected a value", "add the address of a key that is kept offline", "ape accounts generate"
    )


@pytest.mark.parametrize(
    ("key", "own", "other"),
    [("treasury", TREASURY, ADMIN), ("recovery", RECOVERY, ADMIN), ("recovery", RECOVERY, TREASURY)],
)
def test_admin_treasury_and_recovery_are_three_addresses(xuzhou: EditableCity, key: str, own: str, other: str) -> None:
    refused(
        xuzhou.replace(own, other), f"{key}: expected an address of its own, came {other} a second time; name another"
    )


@pytest.mark.parametrize("key", ["id: 1, ", f'address: "{ISSUER_KEY}", ', ", valid_from: 2018-12-01T00:00:00+08:00"])
def test_a_missing_key_of_an_issuer_key_is_named(xuzhou: EditableCity, key: str) -> None:
    name = key.strip(", ").split(":")[0]
    refused(xuzhou.replace(key, ""), f"issuer_keys[0].{name}: expected a value, came no such key")


def test_an_unknown_key_is_refused_with_those_that_are_known(xuzhou: EditableCity) -> None:
    xuzhou.replace("deposit:", "colour: red\ndeposit:")
    refused(xuzhou, "colour: expected one of the keys code, name, founder", "came the key 'colour'")


def test_an_unknown_key_of_an_issuer_key_is_refused(xuzhou: EditableCity) -> None:
    refused(xuzhou.replace("{id: 1,", "{id: 1, alg: SM2,"), "issuer_keys[0].alg: expected one of the keys id,")


def test_a_key_that_is_there_twice_is_refused(xuzhou: EditableCity) -> None:
    refused(xuzhou.replace("code: 3203\n", "code: 3203\ncode: 3204\n"), "'code' is there twice", "line 2")


@pytest.mark.parametrize("text", ["", "- code: 3203\n", "Xuzhou\n"])
def test_a_file_without_keys_is_refused(xuzhou: EditableCity, text: str) -> None:
    xuzhou.path.write_text(text)
    refused(xuzhou, "the file: expected keys with values")


@pytest.mark.parametrize("text", ["code: [3203\n", "code: !!python/object:os.system {}\n", "\tcode: 3203\n"])
def test_a_file_that_is_no_plain_yaml_is_refused(xuzhou: EditableCity, text: str) -> None:
    xuzhou.path.write_text(text)
    refused(xuzhou, "expected YAML")


def test_a_file_in_another_encoding_is_refused(xuzhou: EditableCity) -> None:
    xuzhou.path.write_bytes("name: 徐州".encode("gb18030"))
    refused(xuzhou, "expected a readable file in UTF-8")


@pytest.mark.parametrize("code", ["0", "65536", "-3203", '"3203"', "3203.0", "true", "", "0x"])
def test_a_code_is_an_integer_of_16_bits(xuzhou: EditableCity, code: str) -> None:
    refused(xuzhou.replace("code: 3203", f"code: {code}"), "code: expected an integer from 1 to 65535")


@pytest.mark.parametrize("name", ['""', '" Xuzhou"', '"Xu\\nzhou"', "3203", "[Xuzhou]", "X" * 65, ""])
def test_a_name_is_printable_text_of_64_characters_at_most(xuzhou: EditableCity, name: str) -> None:
    refused(xuzhou.replace("name: Xuzhou", f"name: {name}"), "name: expected a name")


@pytest.mark.parametrize("founder", ['"false"', "0", "no thanks", ""])
def test_founder_is_true_or_false(xuzhou: EditableCity, founder: str) -> None:
    refused(xuzhou.replace("founder: false", f"founder: {founder}"), "founder: expected true or false")


@pytest.mark.parametrize("label", ["2019-12-01", "2019-12", "2019", '"2019-12-01"'])
def test_the_label_of_joining_may_leave_out_what_is_not_known(xuzhou: EditableCity, label: str) -> None:
    assert xuzhou.replace("2019-12-01  ", f"{label}  ").load().joined == label.strip('"')


@pytest.mark.parametrize("label", ["2019-02-30", "2019-13", "12/2019", "2019-12-01T00:00:00", "soon", "201", ""])
def test_the_label_of_joining_is_a_day_a_month_or_a_year(xuzhou: EditableCity, label: str) -> None:
    refused(xuzhou.replace("2019-12-01  ", f"{label}  "), "joined: expected a day, a month or a year")


WRONG_ADDRESSES = {
    "a digit changed": ADMIN.replace("A8", "A9"),
    "lowercase": ADMIN.lower(),
    "no 0x": ADMIN[2:],
    "a digit short": ADMIN[:-1],
    "no hexadecimal": ADMIN.replace("CD", "XY"),
    "nobody's": "0x" + "0" * 40,
    "empty": "",
}


@pytest.mark.parametrize("wrong", WRONG_ADDRESSES.values(), ids=WRONG_ADDRESSES)
@pytest.mark.parametrize(
    ("right", "key"),
    [
        (ADMIN, "admin"),
        (TREASURY, "treasury"),
        (RECOVERY, "recovery"),
        (ISSUER_KEY, "issuer_keys[0].address"),
        (SUBMITTER, "submitters[0]"),
    ],
)
def test_an_address_without_its_checksum_is_refused(xuzhou: EditableCity, right: str, key: str, wrong: str) -> None:
    refused(xuzhou.replace(right, wrong), f"{key}: expected")


def test_an_address_that_yaml_reads_as_a_number_is_refused(xuzhou: EditableCity) -> None:
    refused(xuzhou.replace(f'"{ADMIN}"', ADMIN), "admin: expected an address", "(int); write it in quotes")


def test_two_issuer_keys_are_read_in_their_order(xuzhou: EditableCity) -> None:
    second = f'  - {{id: 0, address: "{STRANGER}", valid_from: 2020-01-01T00:00:00Z}}\nsubmitters'
    assert [key.id for key in xuzhou.replace("submitters", second).load().issuer_keys] == [1, 0]


@pytest.mark.parametrize("key_id", ["256", "-1", '"1"', "1.5", "true"])
def test_the_id_of_an_issuer_key_is_an_integer_of_8_bits(xuzhou: EditableCity, key_id: str) -> None:
    refused(xuzhou.replace("id: 1,", f"id: {key_id},"), "issuer_keys[0].id: expected an integer from 0 to 255")


def test_two_issuer_keys_with_the_same_id_are_refused(xuzhou: EditableCity) -> None:
    second = f'  - {{id: 1, address: "{STRANGER}", valid_from: 2018-12-01T00:00:00+08:00}}\nsubmitters'
    refused(xuzhou.replace("submitters", second), "issuer_keys[1].id: expected an id that no key before has")


def test_two_issuer_keys_with_the_same_address_are_refused(xuzhou: EditableCity) -> None:
    second = f'  - {{id: 2, address: "{ISSUER_KEY}", valid_from: 2018-12-01T00:00:00+08:00}}\nsubmitters'
    refused(xuzhou.replace("submitters", second), "issuer_keys[1].address: expected an address that no key")


@pytest.mark.parametrize("keys", ["[]", "", "none", f'{{id: 1, address: "{STRANGER}"}}', "[1]"])
def test_a_city_has_at_least_one_issuer_key(xuzhou: EditableCity, keys: str) -> None:
    text = re.sub(r"issuer_keys:\n.*\n", f"issuer_keys: {keys}\n", xuzhou.path.read_text())
    xuzhou.path.write_text(text)
    refused(xuzhou, "issuer_keys")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2018-11-30T16:00:00Z", FIRST_DAY),
        ("2018-11-30T16:00:00+00:00", FIRST_DAY),
        ('"2018-12-01T00:00:00+08:00"', FIRST_DAY),
        ("2018-12-01T00:00:01+08:00", FIRST_DAY + 1),
    ],
)
def test_a_time_is_read_with_its_offset(xuzhou: EditableCity, text: str, seconds: int) -> None:
    (key,) = xuzhou.replace("2018-12-01T00:00:00+08:00", text).load().issuer_keys
    assert key.valid_from == seconds


@pytest.mark.parametrize(
    "text",
    ["2018-12-01T00:00:00", "2018-12-01", "1543593600", "1969-12-31T23:59:59Z", "2018-12-01T00:00:00.5Z", "noon"],
)
def test_a_time_without_offset_or_between_seconds_is_refused(xuzhou: EditableCity, text: str) -> None:
    xuzhou.replace("2018-12-01T00:00:00+08:00", text)
    refused(xuzhou, "issuer_keys[0].valid_from: expected")


def test_an_issuer_key_may_have_an_end(xuzhou: EditableCity) -> None:
    (key,) = xuzhou.replace("+08:00}", "+08:00, valid_until: 2018-12-01T00:00:01+08:00}").load().issuer_keys
    assert (key.valid_from, key.valid_until) == (FIRST_DAY, FIRST_DAY + 1)


def test_an_issuer_key_that_ends_when_it_begins_is_refused(xuzhou: EditableCity) -> None:
    xuzhou.replace("+08:00}", "+08:00, valid_until: 2018-12-01T00:00:00+08:00}")
    refused(xuzhou, "issuer_keys[0].valid_until: expected a time after valid_from")


@pytest.mark.parametrize("submitters", ["[]", "", f'"{SUBMITTER}"'])
def test_a_city_has_a_list_of_submitters(xuzhou: EditableCity, submitters: str) -> None:
    refused(xuzhou.replace(f'["{SUBMITTER}"]', submitters), "submitters: expected a list")


def test_a_submitter_that_is_listed_twice_is_refused(xuzhou: EditableCity) -> None:
    xuzhou.replace(f'["{SUBMITTER}"]', f'["{SUBMITTER}", "{SUBMITTER}"]')
    refused(xuzhou, "submitters[1]: expected an address that is not listed yet")


@pytest.mark.parametrize("tariff", ["tariffs/nowhere", "xuzhou.yaml", '""', "7"])
def test_a_tariff_is_a_folder_that_is_there(xuzhou: EditableCity, tariff: str) -> None:
    refused(xuzhou.replace("tariffs/xuzhou", tariff), "tariff: expected")


@pytest.mark.parametrize(
    ("deposit", "fen"), [('"50000.00"', 5_000_000), ('"0.01"', 1), ('"0"', 0), ('"50000"', 5_000_000)]
)
def test_a_deposit_is_read_in_fen(xuzhou: EditableCity, deposit: str, fen: int) -> None:
    assert xuzhou.replace('"50000.00"', deposit).load().deposit == fen


@pytest.mark.parametrize(
    "deposit",
    ["50000.00", "50000", '"-50000.00"', '"50000.001"', '"50,000.00"', '"5e4"', '"NaN"', '""', '" 1"', "", '"１"'],
)
def test_a_deposit_is_text_not_negative_with_two_decimals_at_most(xuzhou: EditableCity, deposit: str) -> None:
    refused(xuzhou.replace('"50000.00"', deposit), 'deposit: expected an amount in yuan in quotes, like "50000.00"')


# Several cities in one folder


def changzhou(folder: Path) -> EditableCity:
    """A second city, with the keys of the first: only the registry minds that."""
    text = XUZHOU.replace("3203", "3204").replace("Xuzhou", "Changzhou").replace("xuzhou", "changzhou")
    return write_city(folder, "changzhou", text.replace("2019-12-01  ", "2019-12-25  "))


def test_cities_come_in_the_order_of_their_joining_when_there_is_no_list(xuzhou: EditableCity, tmp_path: Path) -> None:
    changzhou(tmp_path)
    assert [city.name for city in load_cities(tmp_path)] == ["Xuzhou", "Changzhou"]


def test_founders_come_before_all_others(xuzhou: EditableCity, tmp_path: Path) -> None:
    changzhou(tmp_path).replace("founder: false", "founder: true")
    assert [city.name for city in load_cities(tmp_path)] == ["Changzhou", "Xuzhou"]


def test_the_list_of_cities_gives_their_order_and_chinese_names(xuzhou: EditableCity, tmp_path: Path) -> None:
    changzhou(tmp_path)
    (tmp_path / "cities.csv").write_text(
        "code,name,name_zh,joined,note\n3204,Changzhou,常州,2019-12-25,\n3203,Xuzhou,徐州,2019-12-01,\n",
        encoding="utf-8",
    )
    assert [(city.name, city.name_zh) for city in load_cities(tmp_path)] == [
        ("Changzhou", "常州"),
        ("Xuzhou", "徐州"),
    ]


def test_a_city_that_is_not_in_the_list_comes_last(xuzhou: EditableCity, tmp_path: Path) -> None:
    changzhou(tmp_path)
    (tmp_path / "cities.csv").write_text(
        "code,name,name_zh,joined,note\n3204,Changzhou,常州,2019-12-25,\n", encoding="utf-8"
    )
    assert [(city.name, city.name_zh) for city in load_cities(tmp_path)] == [
        ("Changzhou", "常州"),
        ("Xuzhou", None),
    ]


@pytest.mark.parametrize(
    ("row", "key"), [("3203,Hsuchow,徐州,2019-12-01,", "name"), ("3203,Xuzhou,徐州,2019-12-02,", "joined")]
)
def test_a_city_file_that_disagrees_with_the_list_is_refused(
    xuzhou: EditableCity, tmp_path: Path, row: str, key: str
) -> None:
    (tmp_path / "cities.csv").write_text(f"code,name,name_zh,joined,note\n{row}\n", encoding="utf-8")
    refused(xuzhou, f"{key}: expected", "as in cities.csv", "correct one of the two")


def test_a_list_that_leaves_the_day_open_agrees_with_any_label(xuzhou: EditableCity, tmp_path: Path) -> None:
    (tmp_path / "cities.csv").write_text("code,name,name_zh,joined,note\n3203,Xuzhou,徐州,,\n", encoding="utf-8")
    assert xuzhou.load().joined == "2019-12-01"


def test_a_list_with_other_columns_is_refused(xuzhou: EditableCity, tmp_path: Path) -> None:
    (tmp_path / "cities.csv").write_text("code,name\n3203,Xuzhou\n")
    with pytest.raises(CityFileError, match=r"cities\.csv: expected the columns code,name,name_zh"):
        xuzhou.load()


@pytest.mark.parametrize(("old", "new", "key"), [("3204", "3203", "code"), ("Changzhou", "Xuzhou", "name")])
def test_two_cities_cannot_have_the_same_code_or_name(
    xuzhou: EditableCity, tmp_path: Path, old: str, new: str, key: str
) -> None:
    changzhou(tmp_path).replace(old, new)
    with pytest.raises(CityFileError, match=rf"{key}: expected one that no other city has"):
        load_cities(tmp_path)


def test_a_folder_without_city_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CityFileError, match="expected city files"):
        load_cities(tmp_path)


# ---- operating day and invoicing

BOOKS = """\
operating_day: {timezone: Asia/Urumqi, starts: "05:30"}
invoicing:
  rate: "3%"
  entities:
    - {name: Xuzhou Metro East, name_zh: 徐州地铁东, tax_id: "TEST-3203-02", stations: [10, 18]}
    - {name: Xuzhou Metro West, name_zh: 徐州地铁西, tax_id: "TEST-3203-01", stations: [1, 9]}
"""


@pytest.fixture
def with_books(tmp_path: Path) -> EditableCity:
    """Xuzhou's city file with all that accounts need."""
    return write_city(tmp_path, "xuzhou", XUZHOU + BOOKS)


def test_a_city_that_says_nothing_of_its_days_begins_them_at_four_in_china(xuzhou: EditableCity) -> None:
    assert xuzhou.load().operating_day == OperatingDay("Asia/Shanghai", "04:00")
    assert xuzhou.load().invoicing is None


def test_operating_day_and_companies_are_read(with_books: EditableCity) -> None:
    city = with_books.load()
    assert city.operating_day == OperatingDay("Asia/Urumqi", "05:30")
    west = LegalEntity("Xuzhou Metro West", "徐州地铁西", "TEST-3203-01", 1, 9)
    east = LegalEntity("Xuzhou Metro East", "徐州地铁东", "TEST-3203-02", 10, 18)
    assert city.invoicing == Invoicing(Decimal("0.03"), (west, east))


def test_a_station_belongs_to_one_company(with_books: EditableCity) -> None:
    invoicing = with_books.load().invoicing
    assert invoicing is not None
    owners = [one.tax_id if (one := invoicing.entity_of(station)) else None for station in (1, 9, 10, 18, 19, 0)]
    assert owners == ["TEST-3203-01", "TEST-3203-01", "TEST-3203-02", "TEST-3203-02", None, None]


@pytest.mark.parametrize(
    ("written", "rate"), [('"3%"', "0.03"), ('"0.03"', "0.03"), ('"2.75%"', "0.0275"), ('"0%"', "0"), ('"0"', "0")]
)
def test_a_rate_is_a_percentage_or_a_fraction(with_books: EditableCity, written: str, rate: str) -> None:
    invoicing = with_books.replace('"3%"', written).load().invoicing
    assert invoicing is not None
    assert invoicing.rate == Decimal(rate)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("Asia/Urumqi", "Asia/Xanadu", ("operating_day.timezone", "'Asia/Xanadu'", "tzdata")),
        ('"05:30"', '"5:30"', ("operating_day.starts", "'5:30'", "write HH:MM in quotes")),
        ('"05:30"', "5:30", ("operating_day.starts", "330 (int)")),
        (', starts: "05:30"', "", ("operating_day.starts", "no such key")),
        ('"3%"', "3%%", ("invoicing.rate", "'3%%'")),
        ('"3%"', "0.03", ("invoicing.rate", "0.03 (float)")),
        ('"3%"', '"-3%"', ("invoicing.rate", "'-3%'")),
        ('"3%"', '"100%"', ("invoicing.rate", "'100%'")),
        ("[10, 18]", "[9, 18]", ("invoicing.entities[1].stations", "meets Xuzhou Metro East's [9, 18]")),
        ("[10, 18]", "[18, 10]", ("invoicing.entities[0].stations", "first and the last")),
        ("[10, 18]", "[10]", ("invoicing.entities[0].stations", "first and the last")),
        ("[10, 18]", "[0, 18]", ("invoicing.entities[0].stations", "from 1 on")),
        ('"TEST-3203-02"', '"=1+1"', ("invoicing.entities[0].tax_id", "'=1+1'")),
        ("name: Xuzhou Metro East", "name: ''", ("invoicing.entities[0].name", "company's English name")),
        ("name_zh: 徐州地铁东, ", "", ("invoicing.entities[0].name_zh", "no such key")),
    ],
)
def test_what_accounts_cannot_use_is_refused(
    with_books: EditableCity, old: str, new: str, parts: tuple[str, ...]
) -> None:
    refused(with_books.replace(old, new), *parts)

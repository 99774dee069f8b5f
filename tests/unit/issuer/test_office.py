"""The ticket office: what it signs, what it refuses, and what it never does twice."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from interline.cities import load_city
from interline.errors import CityFileError, KeystoreError
from interline.fields import UINT32_MAX
from interline.keystores import save_keystore
from interline.rider_keys import RiderPrivateKey
from interline.signatures import address_of, recover_address, to_checksum
from interline.tariff import load_tariff
from issuer_client.config import IssuerConfig
from issuer_client.errors import (
    ConfigError,
    DatabaseError,
    RiderKeyError,
    SerialsExhaustedError,
    TicketRefusedError,
)
from issuer_client.office import PERIOD, TicketOffice, end_of_period
from issuer_client.register import TicketRegister
from issuer_client.serials import BLOCKS
from issuer_client.wallet import Wallet
from network.accounts import Role

from .conftest import CITIES, HANGZHOU, LIGHT_SCRYPT, NOON, PASSWORD, SHANGHAI, XUZHOU, issuer_key, rider_keys

OpenOffice = Callable[..., TicketOffice]
DAY = 86_400


def test_a_ticket_says_what_was_asked_for_and_is_signed_by_the_issuer_key(
    office: TicketOffice, config: IssuerConfig, xuzhou_key: bytes
) -> None:
    (key,) = rider_keys(1)
    (ticket,) = office.issue(HANGZHOU, [key], fare_cap=900, valid_for=3_600)
    assert (ticket.issuer, ticket.key_id, ticket.operator) == (XUZHOU, 1, HANGZHOU)
    assert (ticket.fare_cap, ticket.not_after, ticket.rider_key) == (900, NOON + 3_600, key)
    assert recover_address(ticket.hash(config.domain), ticket.signature) == address_of(xuzhou_key)


def test_every_ticket_has_its_own_serial_rider_key_and_signature(office: TicketOffice, config: IssuerConfig) -> None:
    """Mistake 8: every record sent with the sample id."""
    keys = rider_keys(300)
    tickets = office.issue(HANGZHOU, keys)
    assert [ticket.rider_key for ticket in tickets] == keys
    for distinct in (
        {ticket.serial for ticket in tickets},
        {ticket.signature for ticket in tickets},
        {ticket.hash(config.domain) for ticket in tickets},
        {one.ticket.to_bytes() for one in office.register.tickets()},
    ):
        assert len(distinct) == 300


def test_the_cap_is_by_default_the_highest_fare_of_the_operator(office: TicketOffice) -> None:
    for name in ("hangzhou", "lanzhou", "shanghai"):
        city = load_city(CITIES / f"{name}.yaml")
        (ticket,) = office.issue(city.code, rider_keys(1))
        assert ticket.fare_cap == load_tariff(city.tariff).highest_fare > 0


def test_the_cap_may_be_anything_that_a_ticket_can_carry(office: TicketOffice) -> None:
    for cap in (0, UINT32_MAX):
        assert office.issue(HANGZHOU, rider_keys(1), fare_cap=cap)[0].fare_cap == cap
    for cap in (-1, UINT32_MAX + 1):
        with pytest.raises(TicketRefusedError, match=f"fare cap: expected 0 to {UINT32_MAX} fen, came {cap}"):
            office.issue(HANGZHOU, rider_keys(1), fare_cap=cap)


def test_without_city_files_a_cap_must_be_given(open_office: OpenOffice) -> None:
    office = open_office(cities=None)
    assert office.issue(HANGZHOU, rider_keys(1), fare_cap=900)[0].fare_cap == 900
    with pytest.raises(ConfigError, match="fare cap: expected one in fen"):
        office.issue(HANGZHOU, rider_keys(1))


@pytest.mark.parametrize("operator", [0, -1, 0x10000])
def test_an_operator_that_is_no_city_code_is_refused(office: TicketOffice, operator: int) -> None:
    with pytest.raises(TicketRefusedError, match="expected a city code"):
        office.issue(operator, rider_keys(1), fare_cap=900)


def test_a_ticket_for_the_issuers_own_gates_is_refused(office: TicketOffice) -> None:
    with pytest.raises(TicketRefusedError, match="expected another city than the issuer, came 3203"):
        office.issue(XUZHOU, rider_keys(1))


def test_an_operator_without_a_city_file_is_refused_where_there_are_city_files(open_office: OpenOffice) -> None:
    with pytest.raises(TicketRefusedError, match=r"expected one of 3100 Shanghai.*came 3310"):
        open_office().issue(3310, rider_keys(1), fare_cap=900)
    assert open_office(cities=None).issue(3310, rider_keys(1), fare_cap=900)


@pytest.mark.parametrize("seconds", [0, -60, UINT32_MAX - NOON + 1])
def test_a_length_of_time_that_no_ticket_can_have_is_refused(office: TicketOffice, seconds: int) -> None:
    with pytest.raises(TicketRefusedError, match="length of time"):
        office.issue(HANGZHOU, rider_keys(1), valid_for=seconds)
    (ticket,) = office.issue(HANGZHOU, rider_keys(1), valid_for=UINT32_MAX - NOON)
    assert ticket.not_after == UINT32_MAX


def test_a_rider_key_that_is_no_point_of_the_curve_is_refused_and_nothing_is_issued(office: TicketOffice) -> None:
    no_point = b"\x02" + b"\xff" * 32
    with pytest.raises(RiderKeyError, match=r"rider key 2: .*point of P-256"):
        office.issue(HANGZHOU, [*rider_keys(1), no_point])
    assert list(office.register.tickets()) == []
    assert office.register.serials() == []


def test_no_rider_key_is_no_ticket(office: TicketOffice) -> None:
    with pytest.raises(RiderKeyError, match="expected at least one, came none"):
        office.issue(HANGZHOU, [])


def test_a_rider_key_gets_one_ticket_only(open_office: OpenOffice) -> None:
    office = open_office()
    (key,) = rider_keys(1)
    office.issue(HANGZHOU, [key])
    for another in (office, open_office()):
        with pytest.raises(RiderKeyError, match=f"rider key 0x{key.hex()}: expected one that no other ticket has"):
            another.issue(SHANGHAI, [*rider_keys(1), key])
    assert len(list(office.register.tickets())) == 1


def test_a_rider_key_that_is_given_twice_at_once_is_refused(office: TicketOffice) -> None:
    (key,) = rider_keys(1)
    with pytest.raises(RiderKeyError, match=r"rider key 3: .* as rider key 1"):
        office.issue(HANGZHOU, [key, *rider_keys(1), key])
    assert list(office.register.tickets()) == []


def test_each_operator_has_serials_of_its_own_from_zero(office: TicketOffice) -> None:
    for operator in (HANGZHOU, SHANGHAI):
        tickets = office.issue(operator, rider_keys(256))
        assert sorted(ticket.serial for ticket in tickets) == list(range(256))


def test_a_block_goes_on_where_it_was_when_the_office_opens_again(open_office: OpenOffice) -> None:
    taken = [ticket.serial for _ in range(12) for ticket in open_office().issue(HANGZHOU, rider_keys(50))]
    for number in range(2):
        block = taken[number * 256 : (number + 1) * 256]
        assert sorted(block) == list(range(number * 256, (number + 1) * 256))
        assert block != sorted(block)
    assert len(set(taken)) == 600


def test_two_offices_shuffle_differently(open_office: OpenOffice, tmp_path: Path) -> None:
    orders = [
        [ticket.serial for ticket in open_office(database=tmp_path / name).issue(HANGZHOU, rider_keys(256))]
        for name in ("one.db", "other.db")
    ]
    assert orders[0] != orders[1]


def test_the_last_serial_is_the_end(office: TicketOffice, config: IssuerConfig) -> None:
    office.issue(HANGZHOU, rider_keys(1))
    with sqlite3.connect(config.database) as sql:
        sql.execute("UPDATE serial_places SET block = ?, used = 254", (BLOCKS - 1,))
    with pytest.raises(SerialsExhaustedError, match="expected at most 2 tickets"):
        office.issue(HANGZHOU, rider_keys(3))
    assert max(ticket.serial for ticket in office.issue(HANGZHOU, rider_keys(2))) < 2**40
    with pytest.raises(SerialsExhaustedError):
        office.issue(HANGZHOU, rider_keys(1))
    assert len(office.issue(SHANGHAI, rider_keys(1))) == 1


def test_what_was_issued_is_in_the_register_in_its_order(open_office: OpenOffice, config: IssuerConfig) -> None:
    office = open_office()
    first, second = office.issue(HANGZHOU, rider_keys(3)), office.issue(SHANGHAI, rider_keys(2))
    with TicketRegister(config) as register:
        assert [one.ticket for one in register.tickets()] == first + second
        assert [one.ticket for one in register.tickets(SHANGHAI)] == second
        assert {one.issued_at for one in register.tickets()} == {NOON}
        counts = [(count.operator, count.handed_out, count.left_in_block) for count in register.serials()]
    assert counts == [(SHANGHAI, 2, 254), (HANGZHOU, 3, 253)]


def test_the_register_writes_to_disk_before_a_transaction_ends(office: TicketOffice) -> None:
    database = office.register._database
    assert database.read("PRAGMA journal_mode") == [("wal",)]
    assert database.read("PRAGMA synchronous") == [(2,)]  # FULL


def test_the_register_is_readable_by_its_owner_alone(office: TicketOffice, config: IssuerConfig) -> None:
    office.issue(HANGZHOU, rider_keys(1))
    for path in config.database.parent.glob("tickets.db*"):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_the_register_holds_no_private_key(office: TicketOffice, config: IssuerConfig, xuzhou_key: bytes) -> None:
    """Mistake 13: codes from a secret that the issuer holds too, or could export."""
    riders = [RiderPrivateKey.generate() for _ in range(5)]
    office.issue(HANGZHOU, [rider.public.data for rider in riders])
    office.close()
    content = config.database.read_bytes()
    assert riders[0].public.data in content
    for secret in (xuzhou_key, *(rider.to_scalar() for rider in riders)):
        assert secret not in content
        assert secret.hex().encode() not in content


@pytest.mark.parametrize("changes", [{"chain_id": 1}, {"clearinghouse": bytes(range(20))}, {"city": SHANGHAI}])
def test_a_register_of_another_domain_or_city_is_refused(
    office: TicketOffice, config: IssuerConfig, changes: dict[str, object]
) -> None:
    """Mistake 16: nothing in the signed data says where it counts."""
    office.issue(HANGZHOU, rider_keys(1))
    with pytest.raises(DatabaseError, match=r"expected a file of .*, came one of .*city 3203"):
        TicketRegister(replace(config, **changes))  # type: ignore[arg-type]


def test_a_ticket_counts_in_its_own_domain_only(office: TicketOffice, config: IssuerConfig, xuzhou_key: bytes) -> None:
    """Mistake 16: replay on another chain, or at another contract."""
    (ticket,) = office.issue(HANGZHOU, rider_keys(1))
    for other in (replace(config, chain_id=1), replace(config, clearinghouse=bytes(range(20)))):
        assert recover_address(ticket.hash(other.domain), ticket.signature) != address_of(xuzhou_key)


def test_a_file_that_is_something_else_is_refused(open_office: OpenOffice, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look like none" * 40)
    with pytest.raises(DatabaseError, match=r"notes\.txt: can't be used"):
        open_office(database=tmp_path / "notes.txt")
    with sqlite3.connect(tmp_path / "gate.db") as sql:
        sql.execute("CREATE TABLE taps (number INTEGER PRIMARY KEY)")
    with pytest.raises(DatabaseError, match="came one of another program"):
        open_office(database=tmp_path / "gate.db")


def test_the_wallet_is_no_register(open_office: OpenOffice, config: IssuerConfig) -> None:
    assert config.wallet is not None
    Wallet(config.wallet, config.domain).close()
    with pytest.raises(DatabaseError, match=r"expected a file of .*kind ticket office.*came one of .*kind test wallet"):
        open_office(database=config.wallet)


def test_a_damaged_place_in_the_serials_stops_the_office(office: TicketOffice, config: IssuerConfig) -> None:
    office.issue(HANGZHOU, rider_keys(1))
    with sqlite3.connect(config.database) as sql:
        sql.execute("UPDATE serial_places SET shuffled = zeroblob(256)")
    with pytest.raises(DatabaseError, match="a place in the serials is damaged"):
        office.issue(HANGZHOU, rider_keys(1))


# The issuer key: which one, whose, and how long


def test_the_keystores_key_must_be_the_one_in_the_city_file(open_office: OpenOffice) -> None:
    with pytest.raises(ConfigError, match=r"expected the key of 0xaAda.*issuer key 1 of Xuzhou.*came that of 0x"):
        open_office(private_key=issuer_key(SHANGHAI))


def test_a_key_that_the_city_file_does_not_list_is_refused(open_office: OpenOffice) -> None:
    with pytest.raises(ConfigError, match=r"key_id: expected one that .*xuzhou\.yaml lists \(1\), came 2"):
        open_office(key_id=2)


def test_a_city_without_a_file_is_refused(open_office: OpenOffice) -> None:
    with pytest.raises(ConfigError, match="city: expected one that has a file"):
        open_office(city=9999)


def test_a_second_issuer_key_signs_under_its_own_id(
    open_office: OpenOffice, own_cities: Path, config: IssuerConfig
) -> None:
    """Mistake 6: a hard-coded key index, so that rotation breaks it."""
    spare = issuer_key(XUZHOU, Role.SPARE_ISSUER_KEY)
    add_issuer_key(own_cities, 7, spare, "2018-12-01T00:00:00+08:00")
    office = open_office(private_key=spare, key_id=7, cities=own_cities)
    (ticket,) = office.issue(HANGZHOU, rider_keys(1))
    assert ticket.key_id == 7
    assert recover_address(ticket.hash(config.domain), ticket.signature) == address_of(spare)
    open_office(cities=own_cities).issue(HANGZHOU, rider_keys(1))


def test_a_key_that_is_not_valid_yet_signs_nothing(open_office: OpenOffice, own_cities: Path) -> None:
    spare = issuer_key(XUZHOU, Role.SPARE_ISSUER_KEY)
    add_issuer_key(own_cities, 2, spare, "2019-12-01T12:00:00+08:00")
    settings = {"private_key": spare, "key_id": 2, "cities": own_cities}
    assert open_office(**settings, now=NOON).issue(HANGZHOU, rider_keys(1))
    with pytest.raises(TicketRefusedError, match="issuer key 2: expected one that is valid from now"):
        open_office(**settings, now=NOON - 1).issue(HANGZHOU, rider_keys(1))


def test_a_ticket_does_not_outlive_its_issuer_key(open_office: OpenOffice, own_cities: Path) -> None:
    spare = issuer_key(XUZHOU, Role.SPARE_ISSUER_KEY)
    add_issuer_key(own_cities, 2, spare, "2018-12-01T00:00:00+08:00", "2019-12-01T13:00:00+08:00")
    office = open_office(private_key=spare, key_id=2, cities=own_cities)
    assert office.issue(HANGZHOU, rider_keys(1), valid_for=3_599)
    with pytest.raises(TicketRefusedError, match="up to, not including"):
        office.issue(HANGZHOU, rider_keys(1), valid_for=3_600)


def test_tickets_of_all_riders_end_together(open_office: OpenOffice) -> None:
    """A last second of its own would tell a rider's tickets from others on the chain."""
    start = end_of_period(NOON)  # its last second: from the next on, tickets of seven days end with a later period
    times = [start - 7 * DAY + 1, start - 5 * DAY, start + 60 * DAY, start + PERIOD - 7 * DAY]
    ends = {open_office(now=time).issue(HANGZHOU, rider_keys(1))[0].not_after for time in times}
    assert ends == {start + PERIOD}
    [later] = open_office(now=start + PERIOD - 7 * DAY + 1).issue(HANGZHOU, rider_keys(1))
    assert later.not_after == start + 2 * PERIOD


def test_a_period_ends_with_an_operating_day(office: TicketOffice) -> None:
    [ticket] = office.issue(HANGZHOU, rider_keys(1))
    after = datetime.fromtimestamp(ticket.not_after + 1, timezone(timedelta(hours=8)))
    assert (after.hour, after.minute, after.second) == (4, 0, 0)
    assert ticket.not_after >= NOON + 7 * DAY


def test_tickets_that_end_with_their_issuer_key_do_so_together(open_office: OpenOffice, own_cities: Path) -> None:
    spare = issuer_key(XUZHOU, Role.SPARE_ISSUER_KEY)
    add_issuer_key(own_cities, 2, spare, "2018-12-01T00:00:00+08:00", "2019-12-11T12:00:00+08:00")
    settings = {"private_key": spare, "key_id": 2, "cities": own_cities}
    for now in (NOON, NOON + 2 * DAY):
        [ticket] = open_office(**settings, now=now).issue(HANGZHOU, rider_keys(1))
        assert ticket.not_after == NOON + 10 * DAY - 1
    with pytest.raises(TicketRefusedError, match="up to, not including"):
        open_office(**settings, now=NOON + 3 * DAY).issue(HANGZHOU, rider_keys(1))


def add_issuer_key(cities: Path, key_id: int, private_key: bytes, begins: str, ends: str | None = None) -> None:
    file = cities / "xuzhou.yaml"
    end = f", valid_until: {ends}" if ends else ""
    line = f'  - {{id: {key_id}, address: "{to_checksum(address_of(private_key))}", valid_from: {begins}{end}}}\n'
    text = file.read_text(encoding="utf-8")
    assert text.count("submitters:") == 1
    file.write_text(text.replace("submitters:", line + "submitters:"), encoding="utf-8")


def test_a_damaged_city_file_stops_the_office(open_office: OpenOffice, own_cities: Path) -> None:
    (own_cities / "hangzhou.yaml").write_text("code: 3301\n", encoding="utf-8")
    with pytest.raises(CityFileError, match=r"hangzhou\.yaml"):
        open_office(cities=own_cities)


def test_the_office_opens_with_its_keystore_and_password(config: IssuerConfig, xuzhou_key: bytes) -> None:
    save_keystore(config.keystore, xuzhou_key, PASSWORD, scrypt_n=LIGHT_SCRYPT)
    with TicketOffice.unlock(config, PASSWORD) as office:
        assert office.issue(HANGZHOU, rider_keys(1))
    with pytest.raises(KeystoreError, match="password"):
        TicketOffice.unlock(config, "another password")
    config.keystore.write_text("{}", encoding="utf-8")
    with pytest.raises(KeystoreError, match=r"issuer-key\.json"):
        TicketOffice.unlock(config, PASSWORD)
    config.keystore.unlink()
    with pytest.raises(KeystoreError, match=r"issuer-key\.json"):
        TicketOffice.unlock(config, PASSWORD)

"""An office whose Clearinghouse was replaced goes on in its successor's domain."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from interline.domain import Domain
from interline.signatures import address_of, recover_address, to_checksum
from issuer_client.config import IssuerConfig
from issuer_client.errors import DatabaseError, DomainRefusedError
from issuer_client.office import TicketOffice
from issuer_client.register import TicketRegister
from issuer_client.serials import BLOCK

from .conftest import CHAIN_ID, CLEARINGHOUSE, HANGZHOU, XUZHOU, Desk, rider_keys

SUCCESSOR = bytes([0xAB] * 20)
ADDRESS = "0x" + SUCCESSOR.hex()
OLD, NEW = Domain(CHAIN_ID, CLEARINGHOUSE), Domain(CHAIN_ID, SUCCESSOR)
OpenOffice = Callable[..., TicketOffice]


@pytest.fixture
def moved(office: TicketOffice, config: IssuerConfig) -> IssuerConfig:
    """The settings of an office that issued 250 tickets and then moved."""
    office.issue(HANGZHOU, rider_keys(250))
    with TicketRegister(config) as register:
        assert register.move(SUCCESSOR) == 250
    return replace(config, clearinghouse=SUCCESSOR)


def test_serials_go_on_where_they_were(moved: IssuerConfig, open_office: OpenOffice) -> None:
    office = open_office(clearinghouse=SUCCESSOR)
    office.issue(HANGZHOU, rider_keys(10))
    serials = [issued.ticket.serial for issued in office.register.tickets(HANGZHOU)]
    assert len(set(serials)) == 260
    assert sorted(serials)[:BLOCK] == list(range(BLOCK))


def test_new_tickets_are_signed_for_the_new_domain_and_old_ones_keep_theirs(
    moved: IssuerConfig, open_office: OpenOffice, xuzhou_key: bytes
) -> None:
    office = open_office(clearinghouse=SUCCESSOR)
    office.issue(HANGZHOU, rider_keys(1))
    issued = list(office.register.tickets())
    assert [one.domain for one in issued] == [OLD] * 250 + [NEW]
    for one in issued:
        assert recover_address(one.ticket.hash(one.domain), one.ticket.signature) == address_of(xuzhou_key)
    assert office.register.ticket(HANGZHOU, issued[0].ticket.serial) == issued[0]


def test_an_office_that_was_open_meanwhile_issues_no_more(office: TicketOffice, config: IssuerConfig) -> None:
    """Its tickets would be signed for a Clearinghouse that closes."""
    with TicketRegister(config) as register:
        register.move(SUCCESSOR)
    with pytest.raises(DatabaseError, match="that has moved to 0x"):
        office.issue(HANGZHOU, rider_keys(1))
    assert list(office.register.tickets()) == []


def test_the_old_settings_open_the_register_no_more(moved: IssuerConfig, open_office: OpenOffice) -> None:
    with pytest.raises(DatabaseError, match="expected a file of"):
        open_office()


def test_moving_again_is_done_once(moved: IssuerConfig) -> None:
    with TicketRegister(moved) as register:
        assert register.move(SUCCESSOR) == 250
        assert {one.domain for one in register.tickets()} == {OLD}


def test_an_office_does_not_go_back(moved: IssuerConfig) -> None:
    with TicketRegister(moved) as register, pytest.raises(DomainRefusedError, match="has not left"):
        register.move(CLEARINGHOUSE)


def test_it_goes_back_where_the_successor_was_called_off(moved: IssuerConfig, open_office: OpenOffice) -> None:
    office = open_office(clearinghouse=SUCCESSOR)
    office.issue(HANGZHOU, rider_keys(3))
    with TicketRegister(moved) as register:
        assert (register.has_left(CLEARINGHOUSE), register.has_left(SUCCESSOR)) == (True, False)
        assert register.move(CLEARINGHOUSE, back=True) == 253
        assert (register.has_left(CLEARINGHOUSE), register.has_left(SUCCESSOR)) == (False, True)
    again = open_office()
    again.issue(HANGZHOU, rider_keys(1))
    issued = list(again.register.tickets())
    assert [one.domain for one in issued] == [OLD] * 250 + [NEW] * 3 + [OLD]
    assert len({one.ticket.serial for one in issued}) == 254


def test_a_register_of_an_earlier_version_is_taken_on(office: TicketOffice, config: IssuerConfig) -> None:
    office.issue(HANGZHOU, rider_keys(1))
    office.close()
    with sqlite3.connect(config.database) as sql:
        sql.execute("DROP TABLE domains")
    with TicketRegister(config) as register:
        assert [one.domain for one in register.tickets()] == [OLD]


class TestTheCommand:
    @pytest.fixture
    def desk(self, desk: Desk) -> Desk:
        """Xuzhou's desk, which has issued a ticket."""
        desk.json("issue", "--operator", HANGZHOU)
        return desk

    def test_it_moves_the_office_and_says_what_to_set(self, desk: Desk) -> None:
        done = desk.run("move-domain", ADDRESS, "--unchecked")
        assert done.exit_code == 0, done.stderr
        assert f"Moved to {to_checksum(SUCCESSOR)} after 1 ticket." in done.stdout
        assert f'Set clearinghouse = "{to_checksum(SUCCESSOR)}"' in done.stdout
        refused = desk.run("issue", "--operator", HANGZHOU)
        assert refused.exit_code == 2
        desk.change(f"0x{CLEARINGHOUSE.hex()}", ADDRESS)
        desk.change("wallet.db", "new-wallet.db")
        [ticket] = desk.json("issue", "--operator", HANGZHOU)["tickets"]
        assert (ticket["issuer"], ticket["clearinghouse"].lower()) == (XUZHOU, ADDRESS)

    def test_it_may_be_repeated_with_either_address_in_the_settings(self, desk: Desk) -> None:
        for _ in range(2):
            assert desk.run("move-domain", ADDRESS, "--unchecked").exit_code == 0
        desk.change(f"0x{CLEARINGHOUSE.hex()}", ADDRESS)
        assert desk.run("move-domain", ADDRESS).exit_code == 0

    def test_it_asks_the_chain_unless_told_not_to(self, desk: Desk) -> None:
        done = desk.run("move-domain", ADDRESS)
        assert done.exit_code == 2
        assert "give --rpc, or set `rpc`" in done.stderr

    def test_settings_of_a_third_clearinghouse_are_refused(self, desk: Desk) -> None:
        desk.run("move-domain", ADDRESS, "--unchecked")
        desk.change(f"0x{CLEARINGHOUSE.hex()}", "0x" + "77" * 20)
        done = desk.run("move-domain", "0x" + "66" * 20, "--unchecked")
        assert done.exit_code == 2
        assert "where the office is" in done.stderr

    def test_an_office_without_a_register_is_told(self, desk: Desk) -> None:
        desk.change("tickets.db", "another.db")
        done = desk.run("move-domain", ADDRESS, "--unchecked")
        assert done.exit_code == 2
        assert "came an empty one; check the path" in done.stderr

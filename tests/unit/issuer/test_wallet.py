"""The wallet for tests: its keys, the tickets that it takes, and the codes that it shows."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from interline.code import Code
from interline.domain import Domain, code_message
from interline.fields import UINT32_MAX
from interline.rider_keys import RiderPublicKey
from interline.signatures import address_of, recover_address
from interline.ticket import Ticket
from issuer_client.config import IssuerConfig
from issuer_client.errors import DatabaseError, WalletError
from issuer_client.office import TicketOffice
from issuer_client.wallet import KeyCount, Wallet

from .conftest import HANGZHOU, LANZHOU, NOON, SHANGHAI, XUZHOU, issuer_key, rider_keys

# The order of secp256k1's group (SEC 2, 2.4.1).
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def ticket(office: TicketOffice, wallet: Wallet) -> Ticket:
    """A ticket of Xuzhou for Hangzhou, for a key of the wallet, not yet in it."""
    return office.issue(HANGZHOU, wallet.new_keys(1))[0]


def test_new_keys_are_different_points_of_the_curve(wallet: Wallet) -> None:
    keys = wallet.new_keys(20)
    assert len(set(keys)) == 20
    assert [RiderPublicKey.from_bytes(key).data for key in keys] == keys
    assert wallet.key_count() == KeyCount(keys=20, without_ticket=20)
    assert wallet.has_key(keys[0])
    assert not wallet.has_key(rider_keys(1)[0])


def test_a_code_carries_its_ticket_and_verifies(wallet: Wallet, ticket: Ticket, config: IssuerConfig) -> None:
    assert wallet.add([ticket]) == 1
    code = Code.from_text(wallet.code(XUZHOU, HANGZHOU, ticket.serial, shown_at=NOON + 5).to_text())
    assert (code.ticket, code.shown_at) == (ticket, NOON + 5)
    digest = ticket.hash(config.domain)
    assert code.rider.verify(code_message(digest, NOON + 5), code.rider_signature)
    assert not code.rider.verify(code_message(digest, NOON + 6), code.rider_signature)


def test_every_code_is_of_its_own_ticket_and_key(office: TicketOffice, wallet: Wallet, config: IssuerConfig) -> None:
    """Mistake 8: every record sent with the sample id."""
    tickets = office.issue(HANGZHOU, wallet.new_keys(30)) + office.issue(SHANGHAI, wallet.new_keys(30))
    wallet.add(tickets)
    for ticket in tickets:
        code = wallet.code(ticket.issuer, ticket.operator, ticket.serial)
        assert code.ticket == ticket
        assert code.rider.verify(code_message(ticket.hash(config.domain), NOON), code.rider_signature)


def test_a_code_is_of_now_unless_a_time_is_given(wallet: Wallet, ticket: Ticket) -> None:
    wallet.add([ticket])
    assert wallet.code(XUZHOU, HANGZHOU, ticket.serial).shown_at == NOON
    for time in (-1, UINT32_MAX + 1):
        with pytest.raises(WalletError, match="time: expected Unix seconds"):
            wallet.code(XUZHOU, HANGZHOU, ticket.serial, shown_at=time)


def test_codes_of_two_times_have_two_signatures(wallet: Wallet, ticket: Ticket) -> None:
    """Mistake 13: a code that is the same each time can be copied for ever."""
    wallet.add([ticket])
    codes = [wallet.code(XUZHOU, HANGZHOU, ticket.serial, shown_at=NOON + second) for second in range(0, 60, 10)]
    assert len({code.rider_signature for code in codes}) == len(codes)


@pytest.mark.parametrize("change", [{"issuer": SHANGHAI}, {"operator": SHANGHAI}, {"serial": 2**39}])
def test_a_ticket_that_is_not_there_shows_no_code(wallet: Wallet, ticket: Ticket, change: dict[str, int]) -> None:
    wallet.add([ticket])
    named = {"issuer": XUZHOU, "operator": HANGZHOU, "serial": ticket.serial}
    assert wallet.code(**named)
    with pytest.raises(WalletError, match="expected a ticket of the wallet"):
        wallet.code(**(named | change))


def test_a_ticket_for_another_wallets_key_is_refused_and_with_it_all(office: TicketOffice, wallet: Wallet) -> None:
    mine, others = office.issue(HANGZHOU, [*wallet.new_keys(1), *rider_keys(1)])
    with pytest.raises(WalletError, match="expected a ticket for a rider key of this wallet"):
        wallet.add([mine, others])
    assert wallet.tickets() == []
    assert wallet.add([mine]) == 1


def test_a_ticket_may_be_added_again_and_changes_nothing(wallet: Wallet, ticket: Ticket) -> None:
    assert [wallet.add([ticket]), wallet.add([ticket]), wallet.add([ticket, ticket])] == [1, 0, 0]
    assert wallet.tickets() == [ticket]
    assert wallet.key_count() == KeyCount(keys=1, without_ticket=0)


def test_a_second_ticket_for_a_rider_key_is_refused(wallet: Wallet, ticket: Ticket) -> None:
    wallet.add([ticket])
    with pytest.raises(WalletError, match="expected a serial and a rider key that no other ticket has"):
        wallet.add([replace(ticket, serial=ticket.serial + 1)])


def test_a_second_ticket_with_the_same_serial_is_refused(wallet: Wallet, ticket: Ticket) -> None:
    wallet.add([ticket])
    with pytest.raises(WalletError, match="expected a serial and a rider key that no other ticket has"):
        wallet.add([replace(ticket, rider_key=wallet.new_keys(1)[0])])
    assert wallet.add([replace(ticket, rider_key=wallet.new_keys(1)[0], serial=ticket.serial + 1)]) == 1


def test_a_ticket_signed_twice_is_still_one_ticket(wallet: Wallet, ticket: Ticket, config: IssuerConfig) -> None:
    """Mistake 15: signature bytes used as an id. The same signature with s in the other half is valid too."""
    r, s, parity = ticket.signature[:32], int.from_bytes(ticket.signature[32:], "big"), ticket.signature[32] >> 7
    other_s = ORDER - (s & (2**255 - 1))
    twin = replace(ticket, signature=r + (other_s | (1 - parity) << 255).to_bytes(32, "big"))
    digest = ticket.hash(config.domain)
    if other_s < 2**255:  # what the compact form can carry
        assert recover_address(digest, twin.signature) == recover_address(digest, ticket.signature)
    wallet.add([ticket])
    with pytest.raises(WalletError, match="expected a serial and a rider key that no other ticket has"):
        wallet.add([twin])


def test_an_issuers_signature_is_checked_with_a_key_from_elsewhere(
    wallet: Wallet, ticket: Ticket, xuzhou_key: bytes
) -> None:
    """Mistake 5: a certificate verified with the key inside it."""
    registered = {(XUZHOU, 1): address_of(xuzhou_key), (XUZHOU, 2): address_of(issuer_key(LANZHOU))}
    forged = replace(ticket, fare_cap=ticket.fare_cap + 1)
    with pytest.raises(WalletError, match=r"expected a signature by 0xaAda.*, came"):
        wallet.add([forged], issuer_keys=registered)
    for keys in ({}, {(XUZHOU, 2): address_of(xuzhou_key)}):
        with pytest.raises(WalletError, match="expected a ticket of a key that the city files list"):
            wallet.add([ticket], issuer_keys=keys)
    with pytest.raises(WalletError, match="expected a signature by"):
        wallet.add([replace(ticket, key_id=2)], issuer_keys=registered)
    with pytest.raises(WalletError, match="came no signature"):
        wallet.add([replace(ticket, signature=bytes(64))], issuer_keys=registered)
    assert wallet.add([ticket], issuer_keys=registered) == 1


def test_tickets_are_found_by_issuer_operator_and_time(office: TicketOffice, wallet: Wallet) -> None:
    (short,) = office.issue(HANGZHOU, wallet.new_keys(1), valid_for=60)
    (long,) = office.issue(HANGZHOU, wallet.new_keys(1), valid_for=3_600)
    (other,) = office.issue(SHANGHAI, wallet.new_keys(1))
    wallet.add([short, long, other])
    assert wallet.tickets() == [short, long, other]
    assert wallet.tickets(operator=HANGZHOU, good_at=NOON + 60) == [short, long]
    assert wallet.tickets(operator=HANGZHOU, good_at=NOON + 61) == [long]
    assert wallet.tickets(issuer=SHANGHAI) == []


def test_a_wallet_keeps_its_keys_and_tickets(wallet: Wallet, ticket: Ticket, config: IssuerConfig) -> None:
    wallet.add([ticket])
    wallet.close()
    with Wallet(wallet.path, config.domain) as again:
        assert again.code(XUZHOU, HANGZHOU, ticket.serial, shown_at=NOON).ticket == ticket


def test_a_wallet_is_readable_by_its_owner_alone(wallet: Wallet, ticket: Ticket) -> None:
    wallet.add([ticket])
    for path in wallet.path.parent.glob("wallet.db*"):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_wallet_of_another_domain_is_refused(wallet: Wallet, config: IssuerConfig) -> None:
    """Mistake 16: signed data that doesn't say where it counts."""
    for other in (Domain(1, config.clearinghouse), Domain(config.chain_id, bytes(range(20)))):
        with pytest.raises(DatabaseError, match=r"expected a file of .*came one of .*test wallet"):
            Wallet(wallet.path, other)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE tickets SET ticket = x'02'", "a ticket in it is damaged"),
        ("UPDATE rider_keys SET private = zeroblob(32)", "a rider key in it is damaged"),
    ],
)
def test_a_damaged_wallet_shows_no_code(wallet: Wallet, ticket: Ticket, damage: str, message: str) -> None:
    wallet.add([ticket])
    with sqlite3.connect(wallet.path) as sql:
        sql.execute(damage)
    with pytest.raises(DatabaseError, match=message):
        wallet.code(XUZHOU, HANGZHOU, ticket.serial)


def test_a_wallet_whose_folder_cannot_be_made_is_an_error(tmp_path: Path, config: IssuerConfig) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="can't be opened"):
        Wallet(tmp_path / "file" / "wallet.db", config.domain)


def test_a_code_that_is_shown_is_a_code_that_decodes(a_code: Callable[[], Code]) -> None:
    code = a_code()
    assert Code.from_bytes(code.to_bytes()) == code

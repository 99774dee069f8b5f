"""The books: what they say, and that they notice what doesn't add up."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from ledger.balances import Balances, CityBalance
from ledger.chain import read_balances
from ledger.errors import LedgerError, NoClearinghouseError
from ledger.table import balances_table
from network.chain import Chain
from rpc import Node

BLOCK_HASH = "0x" + 64 * "a"


@pytest.fixture
def shanghai() -> CityBalance:
    return CityBalance(3100, "Shanghai", balance=700_000, position=712_345, arrears_owed=0, arrears_due=12_345)


@pytest.fixture
def xuzhou() -> CityBalance:
    """Which owes Shanghai 123.45 yuan."""
    return CityBalance(3203, "Xuzhou", balance=0, position=-12_345, arrears_owed=12_345, arrears_due=0)


@pytest.fixture
def books(shanghai: CityBalance, xuzhou: CityBalance) -> Balances:
    return Balances(7, BLOCK_HASH, (shanghai, xuzhou), held=700_000, tokens_held=700_001)


def test_books_that_add_up_have_no_fault(books: Balances) -> None:
    assert books.faults() == []
    assert books.proof() == ("adds up: balances 7,000.00 = held() 7,000.00 <= tokens held 7,000.01 yuan, at block 7")


@pytest.mark.parametrize("change", [-1, 1])
def test_balances_that_are_a_fen_off_what_is_held_are_a_fault(books: Balances, change: int) -> None:
    (fault,) = replace(books, held=books.held + change).faults()
    assert fault.startswith("balances add up to 7,000.00, held() says")


def test_tokens_that_fall_a_fen_short_of_what_is_held_are_a_fault(books: Balances) -> None:
    assert replace(books, tokens_held=700_000).faults() == []
    (fault,) = replace(books, tokens_held=699_999).faults()
    assert fault == "held() is 7,000.00, tokens held are 6,999.99 yuan"


def test_arrears_that_nobody_is_owed_are_a_fault(books: Balances, xuzhou: CityBalance) -> None:
    shanghai = replace(books.cities[0], arrears_due=0, position=700_000)
    assert replace(books, cities=(shanghai, xuzhou)).faults() == ["cities owe 123.45, others are owed 0.00 yuan"]


def test_a_position_that_is_not_made_of_its_parts_is_a_fault(books: Balances, xuzhou: CityBalance) -> None:
    wrong = replace(xuzhou, position=0)
    assert replace(books, cities=(books.cities[0], wrong)).faults() == [
        "Xuzhou: position is 0.00, its parts make -123.45 yuan"
    ]


def test_more_that_is_withheld_than_is_owed_is_a_fault(books: Balances, xuzhou: CityBalance) -> None:
    whole = replace(xuzhou, arrears_withheld=12_345)
    assert replace(books, cities=(books.cities[0], whole)).faults() == []
    above = replace(xuzhou, arrears_withheld=12_346)
    assert replace(books, cities=(books.cities[0], above)).faults() == [
        "Xuzhou: 123.46 yuan are withheld, of 123.45 yuan of arrears"
    ]


def test_the_proof_says_what_does_not_add_up(books: Balances) -> None:
    assert replace(books, held=1).proof().startswith("DOES NOT ADD UP: balances add up to 7,000.00, held() says 0.01")


def test_the_document_has_just_the_agreed_keys_in_fen(books: Balances) -> None:
    document = books.to_json()
    assert document == {
        "block_number": 7,
        "block_hash": BLOCK_HASH,
        "cities": [
            {
                "code": 3100,
                "name": "Shanghai",
                "balance": 700_000,
                "position": 712_345,
                "arrears_owed": 0,
                "arrears_due": 12_345,
                "arrears_withheld": 0,
            },
            {
                "code": 3203,
                "name": "Xuzhou",
                "balance": 0,
                "position": -12_345,
                "arrears_owed": 12_345,
                "arrears_due": 0,
                "arrears_withheld": 0,
            },
        ],
        "held": 700_000,
        "tokens_held": 700_001,
    }


def test_the_table_shows_every_city_the_totals_and_the_proof(books: Balances) -> None:
    out = StringIO()
    Console(width=120, file=out).print(balances_table(books))
    text = out.getvalue()
    for shown in ("Shanghai", "7,123.45", "Xuzhou", "-123.45", "2 cities", "7,000.00", "adds up"):
        assert shown in text
    assert "withheld" not in text


def test_the_table_shows_what_is_withheld_where_anything_is(books: Balances, xuzhou: CityBalance) -> None:
    out = StringIO()
    withheld = replace(books, cities=(books.cities[0], replace(xuzhou, arrears_withheld=2_345)))
    Console(width=120, file=out).print(balances_table(withheld))
    assert "of it withheld" in out.getvalue()
    assert out.getvalue().count("23.45") >= 2


def test_an_address_without_a_contract_is_no_clearinghouse() -> None:
    with Chain(block_time=None) as chain, pytest.raises(NoClearinghouseError, match="there is no contract at block 0"):
        read_balances(Node.at(chain.url), "0x" + 40 * "1")


def test_a_block_that_is_not_there_is_named() -> None:
    with Chain(block_time=None) as chain, pytest.raises(LedgerError, match="expected a block 99"):
        read_balances(Node.at(chain.url), "0x" + 40 * "1", block=99)


def test_a_node_that_does_not_answer_is_an_error_of_the_ledger() -> None:
    with pytest.raises(LedgerError, match="is it still there"):
        read_balances(Node.at("http://127.0.0.1:1"), "0x" + 40 * "1")

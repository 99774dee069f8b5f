"""What is above a city's daily limit is owed, and paid only once it was released: as the Clearinghouse counts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.books import Books
from ledger.daily_limits import DAY, DailyLimits
from ledger.errors import BooksError
from ledger.index import query
from ledger.index.schema import TABLES
from ledger.index.store import Index
from ledger.index.sync import sync
from tests.support.fake_chain import FakeChain
from tests.support.index_rows import IndexRows, moment

SHANGHAI, HANGZHOU, XUZHOU = 3100, 3301, 3203
MONDAY = 18_000
"""A day, since 1970."""


@pytest.fixture
def index() -> Iterator[Index]:
    with Index.open(":memory:", write=True) as opened:
        yield opened


class TestTheLimit:
    @pytest.fixture
    def limits(self) -> DailyLimits:
        limits = DailyLimits()
        limits.set(SHANGHAI, 1_000)
        return limits

    def test_fares_of_a_day_are_within_it_until_it_is_reached(self, limits: DailyLimits) -> None:
        limits.take(SHANGHAI, MONDAY, 700)
        assert limits.room(SHANGHAI, MONDAY, 500) == 300
        limits.take(SHANGHAI, MONDAY, 500)
        assert limits.room(SHANGHAI, MONDAY, 1) == 0

    def test_the_next_day_begins_anew(self, limits: DailyLimits) -> None:
        limits.take(SHANGHAI, MONDAY, 1_000)
        assert limits.room(SHANGHAI, MONDAY + 1, 1_500) == 1_000

    def test_a_city_without_one_has_room_for_all(self, limits: DailyLimits) -> None:
        limits.take(HANGZHOU, MONDAY, 700)
        assert (limits.room(HANGZHOU, MONDAY, 10**9), limits.limit(HANGZHOU)) == (10**9, 0)

    def test_a_raised_one_counts_what_was_taken_before(self, limits: DailyLimits) -> None:
        limits.take(SHANGHAI, MONDAY, 700)
        limits.set(SHANGHAI, 1_500)
        assert limits.room(SHANGHAI, MONDAY, 10_000) == 800

    def test_a_lowered_one_leaves_nothing_rather_than_less(self, limits: DailyLimits) -> None:
        limits.take(SHANGHAI, MONDAY, 700)
        limits.set(SHANGHAI, 500)
        assert limits.room(SHANGHAI, MONDAY, 100) == 0

    def test_one_that_was_lifted_and_set_again_counts_from_then_on(self, limits: DailyLimits) -> None:
        limits.take(SHANGHAI, MONDAY, 700)
        limits.set(SHANGHAI, 0)
        limits.take(SHANGHAI, MONDAY, 900)
        limits.set(SHANGHAI, 1_000)
        assert limits.room(SHANGHAI, MONDAY, 5_000) == 1_000


class TestTheBooks:
    @pytest.fixture
    def books(self) -> Books:
        """Shanghai holds 100.00 yuan, of which its tickets may take 10.00 a day; 15.00 settled on Monday."""
        books = Books()
        books.deposit(SHANGHAI, 10_000)
        books.limits.set(SHANGHAI, 1_000)
        books.settle(SHANGHAI, HANGZHOU, rides=3, fares=1_500, paid=1_000, withheld=500, day=MONDAY)
        return books

    def test_what_is_above_the_limit_is_arrears_that_can_not_be_paid(self, books: Books) -> None:
        assert (books.balances[SHANGHAI], books.arrears_of(SHANGHAI), books.withheld_of(SHANGHAI)) == (9_000, 500, 500)
        assert (books.arrears_due(HANGZHOU), books.withheld_due(HANGZHOU)) == (500, 500)
        with pytest.raises(BooksError, match="at most 0 fen of arrears to be paid"):
            books.pay_arrears(SHANGHAI, HANGZHOU, 500)

    def test_fares_within_the_next_days_limit_are_paid_beside_it(self, books: Books) -> None:
        books.settle(SHANGHAI, XUZHOU, rides=1, fares=400, paid=400, day=MONDAY + 1)
        assert (books.balances[XUZHOU], books.arrears_of(SHANGHAI)) == (400, 500)

    def test_once_it_is_released_it_is_arrears_as_others(self, books: Books) -> None:
        books.release(SHANGHAI, HANGZHOU, MONDAY, 500)
        assert books.payable(SHANGHAI, 300) == 0
        books.pay_arrears(SHANGHAI, HANGZHOU, 500)
        assert (books.arrears_of(SHANGHAI), books.balances[HANGZHOU]) == (0, 1_500)

    def test_a_refund_is_set_off_against_it_last(self, books: Books) -> None:
        books.release(SHANGHAI, HANGZHOU, MONDAY, 500)
        books.settle(SHANGHAI, HANGZHOU, rides=1, fares=1_300, paid=0, withheld=300, day=MONDAY + 1)
        books.refund(SHANGHAI, HANGZHOU, 1_400, 1_400, set_off=1_400)
        assert (books.arrears[SHANGHAI, HANGZHOU], books.withheld[SHANGHAI, HANGZHOU]) == (400, 300)
        books.refund(SHANGHAI, HANGZHOU, 300, 300, set_off=300)
        assert (books.arrears[SHANGHAI, HANGZHOU], books.withheld[SHANGHAI, HANGZHOU]) == (100, 100)
        books.release(SHANGHAI, HANGZHOU, MONDAY + 1, 100)
        assert books.payable(SHANGHAI, 50) == 0

    def test_what_was_set_off_is_not_released_for_another_day(self, books: Books) -> None:
        books.refund(SHANGHAI, HANGZHOU, 500, 500, set_off=500)
        assert books.withheld[SHANGHAI, HANGZHOU] == 0
        books.settle(SHANGHAI, HANGZHOU, rides=1, fares=1_200, paid=1_000, withheld=200, day=MONDAY + 1)
        with pytest.raises(BooksError, match="expected 0 fen of day 18000 to be released of 3100's to 3301, came 200"):
            books.release(SHANGHAI, HANGZHOU, MONDAY, 200)
        books.release(SHANGHAI, HANGZHOU, MONDAY, 0)
        books.release(SHANGHAI, HANGZHOU, MONDAY + 1, 200)
        assert (books.withheld_of(SHANGHAI), books.arrears_of(SHANGHAI)) == (0, 200)

    @pytest.mark.parametrize(
        ("withheld", "paid", "words"),
        [
            (399, 1, "expected 400 of 400 fen above the daily limit of 3100, came 399"),
            (0, 400, "expected 400 of 400 fen above the daily limit of 3100, came 0"),
        ],
    )
    def test_another_part_than_is_above_the_limit_is_refused(
        self, books: Books, withheld: int, paid: int, words: str
    ) -> None:
        with pytest.raises(BooksError, match=words):
            books.settle(SHANGHAI, HANGZHOU, rides=1, fares=400, paid=paid, withheld=withheld, day=MONDAY)
        assert books.withheld_of(SHANGHAI) == 500

    @pytest.mark.parametrize(("day", "amount"), [(MONDAY, 499), (MONDAY, 501), (MONDAY + 1, 500), (MONDAY, 0)])
    def test_a_release_of_another_amount_or_day_is_refused(self, books: Books, day: int, amount: int) -> None:
        with pytest.raises(BooksError, match=r"to be released of 3100|a day with fares of 3100"):
            books.release(SHANGHAI, HANGZHOU, day, amount)
        assert books.withheld[SHANGHAI, HANGZHOU] == 500

    def test_a_day_is_released_once(self, books: Books) -> None:
        books.release(SHANGHAI, HANGZHOU, MONDAY, 500)
        with pytest.raises(BooksError, match="a day with fares of 3100 withheld from 3301, came 18000"):
            books.release(SHANGHAI, HANGZHOU, MONDAY, 500)


NOON = moment("2019-12-02 12:00")
TODAY = NOON // DAY


class World:
    """Shanghai's tickets may take 10.00 yuan a day, and took more on two days; then it got something back."""

    def __init__(self) -> None:
        self.index = Index.open(":memory:", write=True)
        self.rows = rows = IndexRows(self.index)
        for code, name in ((SHANGHAI, "Shanghai"), (HANGZHOU, "Hangzhou"), (XUZHOU, "Xuzhou")):
            rows.admit(code, name)
        rows.deposit(SHANGHAI, 10_000)
        rows.settle(HANGZHOU, [(SHANGHAI, 900)], at=NOON - 60)
        rows.limit(SHANGHAI, 1_000, at=NOON)
        self.first = rows.settle(HANGZHOU, [(SHANGHAI, 700), (XUZHOU, 100)])
        self.second = rows.settle(HANGZHOU, [(SHANGHAI, 800)])
        rows.settle(XUZHOU, [(SHANGHAI, 200)])
        rows.limit(SHANGHAI, 1_600)
        rows.settle(XUZHOU, [(SHANGHAI, 650)])
        self.third = rows.settle(HANGZHOU, [(SHANGHAI, 2_000)], at=NOON + DAY)
        rows.refund(self.third, 0, 300)
        rows.release(SHANGHAI, HANGZHOU, TODAY)
        rows.pay_arrears(SHANGHAI, HANGZHOU)
        rows.settle(HANGZHOU, [(SHANGHAI, 300)], at=NOON + 2 * DAY)
        self.chain = FakeChain.of(rows)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.index.close()


def contents(index: Index) -> dict[str, list[tuple[object, ...]]]:
    cursor = index.cursor()
    return {table: cursor.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in TABLES}


class TestTheIndex:
    def test_what_is_read_from_the_chain_is_what_happened(self, world: World, index: Index) -> None:
        sync(index, world.chain)
        assert contents(index) == contents(world.index)
        kinds = index.cursor().execute("SELECT DISTINCT kind FROM withholdings ORDER BY kind").fetchall()
        assert kinds == [("released",), ("set_off",), ("withheld",)]

    def test_block_by_block_is_the_same_as_at_once(self, world: World, index: Index) -> None:
        """Each run makes the limits and what was taken of them anew from the index."""
        for number in range(world.chain.since, max(world.chain.blocks) + 1):
            sync(index, world.chain, until=number)
        assert contents(index) == contents(world.index)

    def test_the_books_of_the_index_are_those_that_were_posted(self, world: World) -> None:
        books, expected = query.books(world.index.cursor()), world.rows.books
        assert {pair: amount for pair, amount in books.withheld.items() if amount} == {
            pair: amount for pair, amount in expected.withheld.items() if amount
        }
        assert dict(books.withheld_on) == dict(expected.withheld_on)
        assert books.arrears_of(SHANGHAI) == expected.arrears_of(SHANGHAI)
        day = (NOON + 2 * DAY) // DAY
        assert [books.limits.room(SHANGHAI, one, 10**6) for one in (day, day + 1)] == [1_300, 1_600]

    def test_the_books_of_an_older_block_are_as_they_were_then(self, world: World) -> None:
        cursor = world.index.cursor()
        [[block]] = cursor.execute("SELECT max(block) FROM events WHERE name = 'FaresWithheld'").fetchall()
        before = query.books(cursor, block - 1)
        assert before.withheld_of(SHANGHAI) == sum(before.withheld_on.values()) == 500 + 200 + 50
        assert before.limits.limit(SHANGHAI) == 1_600


def spoilt(change: str) -> FakeChain:
    """The chain with another event than what happened."""
    rows = IndexRows(Index.open(":memory:", write=True))
    for code, name in ((SHANGHAI, "Shanghai"), (HANGZHOU, "Hangzhou")):
        rows.admit(code, name)
    rows.deposit(SHANGHAI, 10_000)
    rows.limit(SHANGHAI, 1_000, at=NOON)
    rows.settle(HANGZHOU, [(SHANGHAI, 1_400)])
    with rows.index.writing() as cursor:
        cursor.execute(change)
    return FakeChain.of(rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "UPDATE events SET arguments = replace(arguments, '\"amount\":400', '\"amount\":399') "
            "WHERE name = 'FaresWithheld'",
            "expected 400 of 1400 fen above the daily limit of 3100, came 399",
        ),
        ("DELETE FROM events WHERE name = 'FaresWithheld'", "fen above the daily limit of 3100, came 0"),
        (
            "UPDATE events SET arguments = replace(arguments, '\"operator\":3301', '\"operator\":3203') "
            "WHERE name = 'FaresWithheld'",
            "expected PairSettled of the same cities right after it, came none",
        ),
        (
            f"UPDATE events SET arguments = replace(arguments, '\"day\":{TODAY}', '\"day\":{TODAY - 1}') "
            "WHERE name = 'FaresWithheld'",
            f"expected fares of day {TODAY}, that of its block, came {TODAY - 1}",
        ),
        ("DELETE FROM events WHERE name = 'DailyLimitSet'", "expected 0 of 1400 fen above the daily limit of 3100"),
    ],
)
def test_what_can_not_have_happened_is_refused(index: Index, change: str, words: str) -> None:
    with pytest.raises(BooksError, match=words):
        sync(index, spoilt(change))

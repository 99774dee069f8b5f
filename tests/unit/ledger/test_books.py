"""The books are posted in double entry, and refuse what can't have happened."""

import pytest

from ledger.books import Books, PairTotals
from ledger.errors import BooksError

SHANGHAI, HANGZHOU, XUZHOU = 3100, 3301, 3203


@pytest.fixture
def books() -> Books:
    """Shanghai and Hangzhou hold 100.00 yuan each."""
    books = Books()
    books.deposit(SHANGHAI, 10_000)
    books.deposit(HANGZHOU, 10_000)
    return books


def test_a_fare_that_is_paid_moves_from_the_issuer_to_the_operator(books: Books) -> None:
    books.settle(SHANGHAI, HANGZHOU, rides=2, fares=900, paid=900)
    assert dict(books.balances) == {SHANGHAI: 9_100, HANGZHOU: 10_900}
    assert (books.held, books.arrears_of(SHANGHAI)) == (20_000, 0)


def test_what_the_balance_could_not_pay_is_arrears_until_it_is_paid(books: Books) -> None:
    books.settle(SHANGHAI, HANGZHOU, rides=90, fares=10_500, paid=10_000)
    assert (books.balances[SHANGHAI], books.arrears_of(SHANGHAI), books.arrears_due(HANGZHOU)) == (0, 500, 500)
    books.deposit(SHANGHAI, 300)
    books.pay_arrears(SHANGHAI, HANGZHOU, 300)
    assert (books.balances[HANGZHOU], books.arrears[SHANGHAI, HANGZHOU]) == (20_300, 200)


def test_a_refund_goes_the_other_way_round_and_stays_beside_its_fares(books: Books) -> None:
    books.settle(SHANGHAI, HANGZHOU, rides=1, fares=400, paid=400)
    books.refund(SHANGHAI, HANGZHOU, amount=150, paid=150)
    assert dict(books.balances) == {SHANGHAI: 9_750, HANGZHOU: 10_250}
    assert books.pairs[SHANGHAI, HANGZHOU] == PairTotals(rides=1, fares=400, refunded=150)


def test_a_disputed_fare_is_counted_once_and_moves_nothing(books: Books) -> None:  # Mistake 17
    books.settle(SHANGHAI, HANGZHOU, rides=1, fares=400, paid=400)
    books.hang(SHANGHAI, HANGZHOU, 400)
    assert books.pairs[SHANGHAI, HANGZHOU] == PairTotals(rides=1, fares=400, disputed=400)
    assert books.balances[HANGZHOU] == 10_400
    books.hang(SHANGHAI, HANGZHOU, -400)
    books.fee(SHANGHAI, HANGZHOU, 500, 500)
    assert books.pairs[SHANGHAI, HANGZHOU] == PairTotals(rides=1, fares=400, fees=500)
    assert (books.balances[SHANGHAI], books.balances[HANGZHOU]) == (9_100, 10_900)


def test_partners_show_both_directions(books: Books) -> None:
    books.settle(SHANGHAI, HANGZHOU, rides=1, fares=400, paid=400)
    books.settle(XUZHOU, SHANGHAI, rides=2, fares=700, paid=0)
    assert list(books.partners(SHANGHAI)) == [
        (XUZHOU, PairTotals(rides=2, fares=700), PairTotals()),
        (HANGZHOU, PairTotals(), PairTotals(rides=1, fares=400)),
    ]


@pytest.mark.parametrize(
    ("posting", "message"),
    [
        (("deposit", SHANGHAI, 0), "a deposit above 0, came 0"),
        (("withdraw", SHANGHAI, 10_001), "city 3100 to hold at least 10001 fen, it holds 10000"),
        (("withdraw", SHANGHAI, 0), "a withdrawal above 0, came 0"),
        (("settle", SHANGHAI, HANGZHOU, 1, 400, 401), "at most 400 fen paid, came 401"),
        (("settle", SHANGHAI, SHANGHAI, 1, 400, 400), "two cities, came 3100 twice"),
        (("settle", XUZHOU, HANGZHOU, 1, 400, 400), "city 3203 to hold at least 400 fen, it holds 0"),
        (("pay_arrears", SHANGHAI, HANGZHOU, 1), "at most 0 fen of arrears to be paid by 3100 to 3301, came 1"),
        (("refund", SHANGHAI, HANGZHOU, 1, 1), "a refund of at most 0 fen from 3301 to 3100, came 1"),
        (("hang", SHANGHAI, HANGZHOU, -1), "no less than 0 fen in dispute, came -1"),
    ],
)
def test_what_can_not_have_happened_is_refused(
    books: Books, posting: tuple[str, *tuple[int, ...]], message: str
) -> None:
    name, *arguments = posting
    with pytest.raises(BooksError, match=f"expected {message}: the events don't add up"):
        getattr(books, name)(*arguments)

"""The books are posted in double entry, and refuse what can't have happened."""

import pytest

from ledger import books as rules
from ledger.books import Account, Books, Entry, PairTotals, Posting
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
        (("settle", SHANGHAI, HANGZHOU, 1, 400, 399), "400 of 400 fen paid at once by 3100 to 3301, came 399"),
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


def test_a_refused_entry_leaves_the_books_as_they_were(books: Books) -> None:
    with pytest.raises(BooksError):
        books.settle(SHANGHAI, HANGZHOU, rides=1, fares=400, paid=399)
    assert (books.balances[SHANGHAI], books.pairs.get((SHANGHAI, HANGZHOU))) == (10_000, None)


def test_a_city_with_arrears_pays_nothing_at_once(books: Books) -> None:
    books.settle(XUZHOU, HANGZHOU, rides=1, fares=400, paid=0)
    books.deposit(XUZHOU, 1_000)
    with pytest.raises(BooksError, match="expected 0 of 300 fen paid at once by 3203 to 3100, came 300"):
        books.settle(XUZHOU, SHANGHAI, rides=1, fares=300, paid=300)
    books.settle(XUZHOU, SHANGHAI, rides=1, fares=300, paid=0)
    assert books.arrears_of(XUZHOU) == 700


def test_arrears_are_paid_as_far_as_the_balance_reaches(books: Books) -> None:
    books.settle(XUZHOU, HANGZHOU, rides=1, fares=400, paid=0)
    books.deposit(XUZHOU, 300)
    with pytest.raises(BooksError, match="expected 300 fen of arrears to be paid by 3203 to 3301, came 299"):
        books.pay_arrears(XUZHOU, HANGZHOU, 299)


def test_a_refund_cancels_the_issuers_arrears_first_and_no_funds_move_for_that(books: Books) -> None:
    books.settle(XUZHOU, HANGZHOU, rides=1, fares=400, paid=0)
    books.withdraw(HANGZHOU, 10_000)  # Neither of the two has a fen
    entry = books.refund(XUZHOU, HANGZHOU, amount=150, paid=150, set_off=150)
    assert entry.postings == (
        Posting(HANGZHOU, Account.REFUNDS_GIVEN, XUZHOU, 150),
        Posting(HANGZHOU, Account.DUE, XUZHOU, -150),
        Posting(XUZHOU, Account.REFUNDS_RECEIVED, HANGZHOU, -150),
        Posting(XUZHOU, Account.OWED, HANGZHOU, 150),
    )
    assert (books.arrears[XUZHOU, HANGZHOU], books.arrears_of(XUZHOU), books.balances[XUZHOU]) == (250, 250, 0)


def test_a_refund_that_leaves_the_issuers_arrears_alone_is_refused(books: Books) -> None:
    books.settle(XUZHOU, HANGZHOU, rides=1, fares=400, paid=0)
    with pytest.raises(BooksError, match="expected 150 fen set off against arrears of 3203 to 3301, came 0"):
        books.refund(XUZHOU, HANGZHOU, amount=150, paid=150)


def test_what_is_left_of_a_refund_after_the_set_off_is_paid_and_then_owed() -> None:
    entry = rules.refund(XUZHOU, HANGZHOU, amount=1_000, paid=700, set_off=400)
    accounts = {(line.city, line.account): line.amount for line in entry.postings}
    assert accounts == {
        (HANGZHOU, Account.REFUNDS_GIVEN): 1_000,
        (HANGZHOU, Account.FUNDS): -300,
        (HANGZHOU, Account.DUE): -400,
        (HANGZHOU, Account.OWED): -300,
        (XUZHOU, Account.REFUNDS_RECEIVED): -1_000,
        (XUZHOU, Account.FUNDS): 300,
        (XUZHOU, Account.OWED): 400,
        (XUZHOU, Account.DUE): 300,
    }


@pytest.mark.parametrize(
    "entry",
    [
        rules.settlement(SHANGHAI, HANGZHOU, 900, 650),
        rules.arrears_payment(SHANGHAI, HANGZHOU, 250),
        rules.refund(SHANGHAI, HANGZHOU, 900, 650, 250),
        rules.fee(SHANGHAI, HANGZHOU, 500, 300, 100),
        rules.deposit(SHANGHAI, 10_000),
        rules.withdrawal(SHANGHAI, 10_000),
    ],
    ids=lambda entry: str(entry.kind),
)
def test_an_entry_adds_up_to_nothing_for_each_of_its_cities(entry: Entry) -> None:
    for city in {line.city for line in entry.postings}:
        assert sum(line.amount for line in entry.postings if line.city == city) == 0


def test_the_books_are_the_sums_of_what_was_posted(books: Books) -> None:
    entries = [
        books.settle(SHANGHAI, HANGZHOU, rides=90, fares=10_500, paid=10_000),
        books.refund(SHANGHAI, HANGZHOU, amount=700, paid=700, set_off=500),
        books.fee(SHANGHAI, HANGZHOU, 500, 200),
    ]
    again = Books()
    again.deposit(SHANGHAI, 10_000)
    again.deposit(HANGZHOU, 10_000)
    for entry in entries:
        again.post(entry)
    assert again.balances == books.balances == {SHANGHAI: 0, HANGZHOU: 20_000}
    assert again.arrears_of(SHANGHAI) == books.arrears_of(SHANGHAI) == 300

"""Statements of a winter that was added up by hand (winter.py), on both bases."""

from collections.abc import Callable
from datetime import date

import pytest

from interline.operating_day import OperatingDay
from interline.signatures import to_checksum
from ledger.errors import BooksError, PeriodError, UnknownCityError
from ledger.head import Head
from ledger.index.writing import CUT
from ledger.statement.build import build_statement
from ledger.statement.model import Account, Basis, Kind, Line, Statement, Timing
from ledger.statement.period import Period, RelativePeriod
from ledger.statement.words import remarks
from tests.support.ledger_story import HANGZHOU, NINGBO, SHANGHAI, XUZHOU, Story, StoryIndex, Trip, city_file, moment
from tests.support.winter import winter

NOVEMBER, DECEMBER, JANUARY = (Period.parse(text) for text in ("2019-11", "2019-12", "2020-01"))
NOVEMBER_AND_DECEMBER = Period.between("2019-11-01", "2019-12-31")
ACCRUAL, SETTLEMENT = Basis.ACCRUAL, Basis.SETTLEMENT


@pytest.fixture(scope="module")
def index() -> StoryIndex:
    return winter().index()


def told(statement: Statement) -> list[tuple[object, ...]]:
    """Each line: day, kind, city, count, effects on position and balance, late rides and their fares."""
    return [
        (f"{line.day:%m-%d}", line.kind, line.other, line.count, line.amount, line.paid, line.late, line.late_amount)
        for line in statement.lines
    ]


def line_of(statement: Statement, kind: Kind, day: str) -> Line:
    (line,) = [one for one in statement.lines if one.kind is kind and f"{one.day:%m-%d}" == day]
    return line


# ---- the bases


def test_november_by_what_was_earned_has_the_ride_that_settled_in_december(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, NOVEMBER, ACCRUAL)
    assert told(statement) == [
        ("11-05", Kind.DEPOSIT, 0, 1, 500, None, 0, 0),
        ("11-29", Kind.RIDES_CARRIED, HANGZHOU, 1, 400, None, 0, 0),
        ("11-30", Kind.RIDES_CARRIED, XUZHOU, 1, 500, None, 0, 0),
        ("11-30", Kind.RIDES_CARRIED, HANGZHOU, 2, 1000, None, 1, 700),
    ]
    assert (statement.opening, statement.closing) == (Account(), Account(1200, due=500, owed=0, unsettled=700))
    assert (statement.opening_amount, statement.closing_amount) == (0, 2400)


def test_november_by_settlement_has_what_was_settled_until_four_in_the_night(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, NOVEMBER, SETTLEMENT)
    assert told(statement) == [
        ("11-05", Kind.DEPOSIT, 0, 1, 500, 500, 0, 0),
        ("11-30", Kind.RIDES_CARRIED, XUZHOU, 1, 500, 0, 0, 0),
        ("11-30", Kind.RIDES_CARRIED, HANGZHOU, 2, 700, 700, 0, 0),
    ]
    assert (statement.opening_amount, statement.closing_amount) == (0, 1200)
    assert statement.closing.position == 1700


def test_december_by_what_was_earned(index: StoryIndex) -> None:
    statement = build_statement(index, "shanghai", DECEMBER, ACCRUAL)
    assert told(statement) == [
        ("12-02", Kind.RIDES_TAKEN, HANGZHOU, 1, -200, None, 0, 0),
        ("12-03", Kind.REFUND_GIVEN, HANGZHOU, 1, -500, None, 0, 0),
        ("12-05", Kind.FEE_EARNED, HANGZHOU, 1, 100, None, 0, 0),
        ("12-10", Kind.WITHDRAWAL, 0, 1, -600, None, 0, 0),
        ("12-31", Kind.RIDES_CARRIED, HANGZHOU, 2, 150, None, 1, 50),
    ]
    assert (statement.opening_amount, statement.closing_amount) == (2400, 1350)


def test_december_by_settlement(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, DECEMBER, SETTLEMENT)
    assert told(statement) == [
        ("12-01", Kind.RIDES_CARRIED, HANGZHOU, 1, 700, 300, 1, 700),
        ("12-02", Kind.RIDES_TAKEN, HANGZHOU, 1, -200, -200, 0, 0),
        ("12-03", Kind.REFUND_GIVEN, HANGZHOU, 1, -500, -500, 0, 0),
        ("12-03", Kind.ARREARS_RECEIVED, HANGZHOU, 1, 0, 400, 0, 0),
        ("12-05", Kind.FEE_EARNED, HANGZHOU, 1, 100, 100, 0, 0),
        ("12-09", Kind.ARREARS_RECEIVED, XUZHOU, 1, 0, 300, 0, 0),
        ("12-10", Kind.WITHDRAWAL, 0, 1, -600, -600, 0, 0),
        ("12-31", Kind.RIDES_CARRIED, HANGZHOU, 1, 100, 100, 0, 0),
    ]
    assert (statement.opening_amount, statement.closing_amount) == (1200, 1100)
    assert (statement.opening.position, statement.closing.position) == (1700, 1300)


def test_the_other_city_has_the_same_lines_the_other_way_round(index: StoryIndex) -> None:
    statement = build_statement(index, HANGZHOU, DECEMBER, SETTLEMENT)
    assert told(statement) == [
        ("12-01", Kind.RIDES_TAKEN, SHANGHAI, 1, -700, -300, 1, -700),
        ("12-02", Kind.RIDES_CARRIED, SHANGHAI, 1, 200, 200, 0, 0),
        ("12-03", Kind.REFUND_RECEIVED, SHANGHAI, 1, 500, 500, 0, 0),
        ("12-03", Kind.ARREARS_PAID, SHANGHAI, 1, 0, -400, 0, 0),
        ("12-05", Kind.FEE_OWED, SHANGHAI, 1, -100, -100, 0, 0),
        ("12-31", Kind.RIDES_TAKEN, SHANGHAI, 1, -100, -100, 0, 0),
    ]
    assert (statement.opening_amount, statement.closing_amount) == (300, 100)


def test_the_bridge_leads_from_one_basis_to_the_other(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, DECEMBER, SETTLEMENT)
    (row,) = statement.bridge
    assert (row.other, row.kind, row.timing) == (HANGZHOU, Kind.RIDES_CARRIED, Timing.LATE)
    assert (row.opening_count, row.opening_amount, row.closing_count, row.closing_amount) == (1, 700, 1, 50)
    assert (statement.opening.accrued, statement.closing.accrued) == (2400, 1350)


# ---- what is behind the lines


def test_behind_a_line_of_rides_are_its_batches_and_rides(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, NOVEMBER, ACCRUAL)
    line = statement.lines[3]
    batches = [statement.batches[entry.batch or 0] for entry in statement.entries_of(line)]
    assert [(batch.settled_at, batch.settled, batch.rides_here, batch.amount_here) for batch in batches] == [
        (moment("2019-12-01 03:30"), 3, 3, 1200),
        (moment("2019-12-02 03:30"), 1, 1, 700),
    ]
    rides = list(statement.rides_of(line))
    assert [(ride.fare, ride.late, ride.exit_day, ride.line) for ride in rides] == [
        (300, False, date(2019, 11, 30), 4),
        (700, True, date(2019, 11, 30), 4),
    ]
    assert statement.batches[rides[1].batch] == batches[1]
    assert len(statement.rides) == sum(1 for _ in statement.rides) == 4


def test_a_refund_names_its_ride_and_what_was_set_off(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, DECEMBER, SETTLEMENT)
    (refund,) = statement.entries_of(line_of(statement, Kind.REFUND_GIVEN, "12-03"))
    (set_off,) = statement.entries_of(line_of(statement, Kind.ARREARS_RECEIVED, "12-03"))
    (payment,) = statement.entries_of(line_of(statement, Kind.ARREARS_RECEIVED, "12-09"))
    assert refund.ride is not None
    assert refund.batch is not None
    assert (refund.ride.exit_day, refund.ride.fare, refund.ride.entry_station) == (date(2019, 11, 30), 700, 30)
    assert (refund.cause, refund.ride.refunded_before, refund.index) == ("by_operator", 0, 0)
    assert statement.batches[refund.batch].settled_at == moment("2019-12-02 03:30")
    assert set_off.tx == refund.tx
    assert (set_off.set_off, payment.set_off) == (True, False)


def test_a_transfer_has_the_banks_reference(index: StoryIndex) -> None:
    november = build_statement(index, SHANGHAI, NOVEMBER, SETTLEMENT)
    december = build_statement(index, SHANGHAI, DECEMBER, ACCRUAL)
    (deposit,) = november.entries_of(line_of(november, Kind.DEPOSIT, "11-05"))
    (withdrawal,) = december.entries_of(line_of(december, Kind.WITHDRAWAL, "12-10"))
    assert (deposit.bank_reference, withdrawal.bank_reference) == ("CCB 7", "OUT 1")
    assert deposit.address == to_checksum(b"\xee" * 20)


def test_arrears_stand_by_city_at_both_edges(index: StoryIndex) -> None:
    xuzhou = build_statement(index, XUZHOU, DECEMBER, SETTLEMENT)
    (shanghai,) = xuzhou.counterparties
    assert (shanghai.code, shanghai.owed_opening, shanghai.owed_closing) == (SHANGHAI, 500, 200)
    assert (shanghai.due_opening, shanghai.due_closing) == (0, 0)
    assert (shanghai.amount, shanghai.paid) == (0, -300)
    assert xuzhou.closing == Account(balance=0, due=0, owed=200)


def test_a_dispute_that_nobody_answered_hangs_over_the_end(index: StoryIndex) -> None:
    statement = build_statement(index, HANGZHOU, DECEMBER, ACCRUAL)
    (dispute,) = statement.disputes
    assert (dispute.issuer, dispute.operator, dispute.amount, dispute.fee) == (HANGZHOU, SHANGHAI, 300, 100)
    assert dispute.opened_at == moment("2019-12-05 11:00")
    (shanghai,) = statement.counterparties
    assert (shanghai.disputed_taken, shanghai.disputed_carried) == (300, 0)
    assert not build_statement(index, HANGZHOU, NOVEMBER, ACCRUAL).disputes


# ---- blocks and periods


def test_a_statement_made_again_at_its_block_is_the_same_whatever_came_after() -> None:
    story = winter()
    block = story.block
    before = build_statement(story.index(), SHANGHAI, DECEMBER, ACCRUAL)
    story.settle(SHANGHAI, [Trip(HANGZHOU, 30, "2019-12-30 09:00")], at="2020-01-04 09:00")
    index = story.index()
    assert build_statement(index, SHANGHAI, DECEMBER, ACCRUAL, block=block) == before
    assert build_statement(index, SHANGHAI, DECEMBER, ACCRUAL).closing_amount == before.closing_amount + 30


def test_a_period_that_is_not_over_closes_with_what_the_contracts_say(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, JANUARY, SETTLEMENT)
    assert not statement.is_over
    assert statement.closing == statement.at_block == Account(balance=1150, due=200)
    assert build_statement(index, SHANGHAI, DECEMBER, SETTLEMENT).is_over


def test_an_accrual_statement_may_grow_until_the_window_for_its_rides_is_over() -> None:
    story = winter()
    november = build_statement(story.index(), SHANGHAI, NOVEMBER, ACCRUAL)
    assert november.rides_until == moment("2019-12-31 03:59") + 59
    assert not november.may_grow  # made on 3 January
    assert not remarks(november)
    december = build_statement(story.index(), SHANGHAI, DECEMBER, ACCRUAL)
    assert [said.en for said in remarks(december)] == [
        "Rides of the period may still settle until 2020-01-31T03:59:59+08:00."
    ]
    assert not build_statement(story.index(), SHANGHAI, DECEMBER, SETTLEMENT).may_grow


def test_one_month_closes_where_the_next_opens(index: StoryIndex) -> None:
    for basis in Basis:
        for city in (SHANGHAI, HANGZHOU, XUZHOU):
            november, december = (build_statement(index, city, p, basis) for p in (NOVEMBER, DECEMBER))
            assert november.closing == december.opening


def test_a_city_is_found_by_code_or_name(index: StoryIndex) -> None:
    by_code, by_name = (build_statement(index, city, DECEMBER, ACCRUAL) for city in (3100, "SHANGHAI"))
    assert by_code == by_name


def test_a_city_that_never_joined_is_refused(index: StoryIndex) -> None:
    with pytest.raises(UnknownCityError, match=r"member at block .* \(Shanghai \(3100\), Hangzhou .*came 'Atlantis'"):
        build_statement(index, "Atlantis", DECEMBER, ACCRUAL)


@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("period", ["2019-10", "2019-10-31", "2018"])
def test_a_period_before_the_city_joined_is_empty_and_says_when_it_did(
    index: StoryIndex, period: str, basis: Basis
) -> None:
    statement = build_statement(index, SHANGHAI, Period.parse(period), basis)
    assert (statement.lines, len(statement.rides), statement.counterparties) == ((), 0, ())
    assert statement.opening == statement.closing == Account()
    assert [said.en for said in remarks(statement)] == [
        "Shanghai was admitted on 2019-11-01, after the period: there is nothing on it."
    ]


def test_on_the_day_of_its_admission_a_city_is_a_member(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, Period.parse("2019-11-01"), SETTLEMENT)
    assert not statement.is_before_membership
    assert not remarks(statement)


@pytest.mark.parametrize(
    ("at", "this_month", "today"),
    [
        ("2020-01-31 23:59", "2020-01", "2020-01-31"),
        ("2020-02-01 00:00", "2020-01", "2020-01-31"),
        ("2020-02-01 03:59", "2020-01", "2020-01-31"),
        ("2020-02-01 04:00", "2020-02", "2020-02-01"),
        ("2020-02-29 12:00", "2020-02", "2020-02-29"),
        ("2021-01-01 03:59", "2020-12", "2020-12-31"),
    ],
)
def test_today_is_the_operating_day_of_the_block(at: str, this_month: str, today: str) -> None:
    story = winter()
    story.quiet_block(at=at)
    index = story.index()
    for relative, named in ((RelativePeriod.THIS_MONTH, this_month), (RelativePeriod.TODAY, today)):
        statement = build_statement(index, SHANGHAI, relative, ACCRUAL)
        assert statement == build_statement(index, SHANGHAI, Period.parse(named), ACCRUAL)
        assert not statement.is_over


def test_a_relative_period_made_again_at_its_block_is_the_same() -> None:
    story = winter()
    block = story.block
    before = build_statement(story.index(), SHANGHAI, RelativePeriod.LAST_MONTH, ACCRUAL)
    story.quiet_block(at="2026-12-01 05:00")
    index = story.index()
    assert build_statement(index, SHANGHAI, RelativePeriod.LAST_MONTH, ACCRUAL, block=block) == before
    assert before.period == DECEMBER
    assert build_statement(index, SHANGHAI, RelativePeriod.LAST_MONTH, ACCRUAL).period == Period.parse("2026-11")


def test_a_city_that_joined_later_is_unknown_at_an_earlier_block() -> None:
    story = winter()
    block = story.block
    story.cities = {**story.cities, NINGBO: "Ningbo"}
    story.admit(NINGBO, at="2020-01-04 09:00")
    index = story.index()
    assert not build_statement(index, NINGBO, JANUARY, ACCRUAL).lines
    with pytest.raises(UnknownCityError, match="came 'Ningbo'"):
        build_statement(index, "Ningbo", JANUARY, ACCRUAL, block=block)


def test_a_period_that_has_not_begun_is_refused(index: StoryIndex) -> None:
    with pytest.raises(PeriodError, match="has begun, found 2020-02; block 16 is of 2020-01-03"):
        build_statement(index, SHANGHAI, Period.parse("2020-02"), ACCRUAL)


def test_a_block_that_is_not_indexed_is_refused(index: StoryIndex) -> None:
    with pytest.raises(PeriodError, match="indexed, came 99; the index has come to 16"):
        build_statement(index, SHANGHAI, DECEMBER, ACCRUAL, block=99)


def test_a_block_without_events_needs_a_node_that_knows_it() -> None:
    story = winter()
    story.tables["blocks"].pop(-2)  # the index keeps blocks with events, and the last one read
    index = story.index()
    with pytest.raises(PeriodError, match="came 15, in which nothing happened: name 14 or 16"):
        build_statement(index, SHANGHAI, DECEMBER, ACCRUAL, block=15)
    block = Head(15, "0x" + "ab" * 32, moment("2020-01-02 09:00"))
    assert build_statement(index, SHANGHAI, DECEMBER, ACCRUAL, block=block).block_hash == "0x" + "ab" * 32


# ---- edges of a period


def edges() -> Story:
    """Rides on the first day and settled in the very second of the period's end; a dispute over the year's end."""
    story = Story({SHANGHAI: "Shanghai", HANGZHOU: "Hangzhou"}, at="2019-11-01 09:00")
    story.deposit(HANGZHOU, 5000, "ICBC 1", at="2019-11-02 10:00")
    story.settle(SHANGHAI, [Trip(HANGZHOU, 200, "2019-12-01 05:00")], at="2019-12-01 06:00")
    (asked,) = story.settle(SHANGHAI, [Trip(HANGZHOU, 500, "2019-12-02 09:00")], at="2019-12-02 10:00")
    story.refund(asked, 100, at="2019-12-03 09:00")
    story.dispute(asked, at="2019-12-04 09:00")
    story.refund(asked, 50, at="2019-12-05 09:00")
    story.settle(SHANGHAI, [Trip(HANGZHOU, 300, "2019-12-31 10:00")], at="2020-01-01 04:00")
    story.answer(asked, at="2020-01-02 09:00")
    story.refund(asked, 10, at="2020-01-03 09:00")
    return story


def test_a_ride_of_the_first_day_is_not_late() -> None:
    statement = build_statement(edges().index(), SHANGHAI, DECEMBER, SETTLEMENT)
    assert line_of(statement, Kind.RIDES_CARRIED, "12-01").late == 0


def test_what_settles_in_the_second_of_the_end_is_late() -> None:
    index = edges().index()
    assert line_of(build_statement(index, SHANGHAI, DECEMBER, ACCRUAL), Kind.RIDES_CARRIED, "12-31").late == 1
    assert line_of(build_statement(index, SHANGHAI, JANUARY, SETTLEMENT), Kind.RIDES_CARRIED, "01-01").late == 1
    days = [line.day for line in build_statement(index, SHANGHAI, DECEMBER, SETTLEMENT).lines]
    assert date(2019, 12, 31) not in days


def test_a_dispute_hangs_over_the_end_with_what_was_left_then() -> None:
    index = edges().index()
    (dispute,) = build_statement(index, SHANGHAI, DECEMBER, ACCRUAL).disputes
    assert dispute.amount == 350  # 500, less 100 before it was opened and 50 after
    january = build_statement(index, SHANGHAI, JANUARY, ACCRUAL)
    assert not january.disputes
    (fee,) = january.entries_of(line_of(january, Kind.FEE_EARNED, "01-02"))
    (refund,) = january.entries_of(line_of(january, Kind.REFUND_GIVEN, "01-03"))
    assert fee.ride is not None
    assert refund.ride is not None
    assert (fee.ride.refunded_before, refund.ride.refunded_before) == (150, 150)


@pytest.mark.parametrize("make", [winter, edges])
def test_an_older_block_shows_nothing_of_what_came_after(make: Callable[[], Story]) -> None:
    story = make()
    whole = story.index()
    for block in range(story.block, 4, -1):
        cut = make().index()
        for table in CUT:
            cut.connection.execute(f"DELETE FROM {table} WHERE block > ?", [block])
        cut.connection.execute("DELETE FROM blocks WHERE number > ?", [block])
        for basis in Basis:
            for city in (SHANGHAI, HANGZHOU):
                older = build_statement(whole, city, NOVEMBER_AND_DECEMBER, basis, block=block)
                assert older == build_statement(cut, city, NOVEMBER_AND_DECEMBER, basis)


# ---- books that don't add up


@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("period", [NOVEMBER, DECEMBER, JANUARY])
def test_a_fare_that_is_one_fen_off_makes_no_statement(period: Period, basis: Basis) -> None:
    index = winter().index()
    index.connection.execute("UPDATE rides SET fare = fare + 1 WHERE fare = 700")
    with pytest.raises(BooksError, match=r"batch 0x.{64}: expected 1 rides of 3301, 7\.00 yuan, .* came 1, 7\.01"):
        build_statement(index, SHANGHAI, period, basis)


@pytest.mark.parametrize("basis", Basis)
def test_a_ride_that_is_missing_makes_no_statement(basis: Basis) -> None:
    index = winter().index()
    index.connection.execute("DELETE FROM rides WHERE fare = 300")
    with pytest.raises(BooksError, match=r"expected 2 rides of 3301, 7\.00 yuan, .* came 1, 4\.00"):
        build_statement(index, HANGZHOU, NOVEMBER, basis)


@pytest.mark.parametrize(
    ("basis", "told"),
    [(ACCRUAL, "expected batch 1 in the index"), (SETTLEMENT, r"closing balance: expected 10\.00, came 3\.00")],
)
def test_a_batch_that_is_missing_makes_no_statement(basis: Basis, told: str) -> None:
    index = winter().index()
    index.connection.execute("DELETE FROM batches WHERE id = 1")
    with pytest.raises(BooksError, match=told):
        build_statement(index, HANGZHOU, NOVEMBER, basis)


def test_a_posting_that_is_one_fen_off_makes_no_statement() -> None:
    index = winter().index()
    index.connection.execute("UPDATE postings SET amount = amount + 1 WHERE kind = 'deposit' AND account = 'funds'")
    with pytest.raises(BooksError, match=r"closing balance: expected 12\.00, came 12\.01"):
        build_statement(index, SHANGHAI, NOVEMBER, SETTLEMENT)


# ---- clocks


TWO_CLOCKS = [city_file(SHANGHAI, "Shanghai"), city_file(HANGZHOU, "Hangzhou", OperatingDay(starts="02:00"))]


@pytest.fixture
def two_clocks() -> StoryIndex:
    """Hangzhou's day begins at 02:00; what happens between that and 04:00 is on two days, once by each clock."""
    clocks = {HANGZHOU: OperatingDay(starts="02:00")}
    story = Story({SHANGHAI: "Shanghai", HANGZHOU: "Hangzhou"}, at="2019-11-01 09:00", clocks=clocks)
    story.deposit(SHANGHAI, 1000, "CCB 1", at="2019-11-02 09:00")
    (ride,) = story.settle(HANGZHOU, [Trip(SHANGHAI, 300, "2019-12-01 02:30")], at="2019-12-01 03:00")
    story.refund(ride, 100, at="2019-12-01 03:30")
    story.quiet_block(at="2020-01-03 09:00")
    return story.index()


def test_the_operators_clock_dates_what_is_earned_on_both_cities_statements(two_clocks: StoryIndex) -> None:
    for code, sign in ((SHANGHAI, -1), (HANGZHOU, 1)):
        november = build_statement(two_clocks, code, NOVEMBER, ACCRUAL, cities=TWO_CLOCKS)
        december = build_statement(two_clocks, code, DECEMBER, ACCRUAL, cities=TWO_CLOCKS)
        assert [line.kind for line in november.lines if line.other] == []
        assert [(line.day, line.amount) for line in december.lines] == [
            (date(2019, 12, 1), sign * 300),
            (date(2019, 12, 1), sign * -100),
        ]


def test_ones_own_clock_dates_what_was_settled_and_the_bridge_says_so(two_clocks: StoryIndex) -> None:
    shanghai = build_statement(two_clocks, SHANGHAI, NOVEMBER, SETTLEMENT, cities=TWO_CLOCKS)
    assert [(line.kind, line.day, line.amount) for line in shanghai.lines if line.other] == [
        (Kind.RIDES_TAKEN, date(2019, 11, 30), -300),
        (Kind.REFUND_RECEIVED, date(2019, 11, 30), 100),
    ]
    assert [(row.kind, row.timing, row.closing_amount) for row in shanghai.bridge] == [
        (Kind.RIDES_TAKEN, Timing.EARLY, 300),
        (Kind.REFUND_RECEIVED, Timing.EARLY, -100),
    ]
    assert (shanghai.closing.position, shanghai.closing.accrued) == (800, 1000)
    hangzhou = build_statement(two_clocks, HANGZHOU, DECEMBER, SETTLEMENT, cities=TWO_CLOCKS)
    assert [(line.kind, line.day) for line in hangzhou.lines] == [
        (Kind.RIDES_CARRIED, date(2019, 12, 1)),
        (Kind.REFUND_GIVEN, date(2019, 12, 1)),
    ]

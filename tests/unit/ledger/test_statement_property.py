"""Whatever happens between three metros: statements add up, months join, both bases and all cities tie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interline.operating_day import OperatingDay
from ledger.statement.build import build_statement
from ledger.statement.model import Basis, Kind, Line, Statement
from ledger.statement.period import Period
from tests.support.ledger_story import (
    HANGZHOU,
    SHANGHAI,
    UNANSWERED,
    XUZHOU,
    Case,
    Story,
    StoryIndex,
    Trip,
    city_file,
    moment,
)

NAMES = {SHANGHAI: "Shanghai", HANGZHOU: "Hangzhou", XUZHOU: "Xuzhou"}
CITIES = tuple(NAMES)
MONTHS = tuple(Period.parse(text) for text in ("2019-11", "2019-12", "2020-01"))
BEGIN = moment("2019-11-20 09:00")
CLOCKS = st.sampled_from([{}, {HANGZHOU: OperatingDay(starts="01:30")}, {XUZHOU: OperatingDay("Europe/Berlin")}])


@dataclass
class Random:
    """A history as hypothesis wants it: every act is one that the contracts allow."""

    draw: st.DrawFn
    story: Story
    now: int = BEGIN
    cases: list[Case] = field(default_factory=list)

    def act(self) -> None:
        """One act, up to four days after the one before; often around 04:00 and the month's end."""
        self.now += self.draw(st.integers(1, 96)) * 3_600
        acts = [self.settle, self.deposit, self.withdraw, self.pay, self.refund, self.dispute, self.answer, self.give]
        self.draw(st.sampled_from(acts))()

    def city(self, *but: int) -> int:
        return self.draw(st.sampled_from([code for code in CITIES if code not in but]))

    def settle(self) -> None:
        operator = self.city()
        trips = self.draw(
            st.lists(
                st.builds(
                    Trip,
                    st.sampled_from([code for code in CITIES if code != operator]),
                    st.integers(0, 900),
                    st.integers(self.now - 15 * 86_400, self.now + 60),
                ),
                min_size=1,
                max_size=4,
            )
        )
        self.cases += self.story.settle(operator, trips, at=self.now)

    def deposit(self) -> None:
        self.story.deposit(self.city(), self.draw(st.integers(1, 3_000)), "ICBC", at=self.now)

    def withdraw(self) -> None:
        city = self.city()
        if self.story.balances[city] and not self.story.owed(city):
            self.story.withdraw(city, self.draw(st.integers(1, self.story.balances[city])), "OUT", at=self.now)

    def pay(self) -> None:
        debtor = self.city()
        self.story.pay_arrears(debtor, self.city(debtor), at=self.now)

    def refund(self) -> None:
        left = [case for case in self.cases if case.fare > case.refunded]
        if left:
            case = self.draw(st.sampled_from(left))
            self.story.refund(case, self.draw(st.integers(1, case.fare - case.refunded)), at=self.now)

    def dispute(self) -> None:
        asked = {(row[4], row[5]) for row in self.story.tables["disputes"]}
        left = [case for case in self.cases if case.fare > case.refunded and (case.batch, case.index) not in asked]
        if left:
            self.story.dispute(self.draw(st.sampled_from(left)), at=self.now, fee=self.draw(st.integers(0, 200)))

    def answer(self) -> None:
        asked = [case for case in self.cases if case.fee is not None]
        if asked:
            self.story.answer(self.draw(st.sampled_from(asked)), at=self.now)

    def give(self) -> None:
        asked = [case for case in self.cases if case.fee is not None]
        if asked:
            case = self.draw(st.sampled_from(asked))
            self.story.refund(case, case.fare - case.refunded, at=self.now, cause=UNANSWERED)


@dataclass
class History:
    """A story, its index, and statements of it."""

    story: Story
    index: StoryIndex

    def statement(self, city: int, period: Period, basis: Basis) -> Statement:
        files = [city_file(code, name, self.story.clock(code)) for code, name in NAMES.items()]
        return build_statement(self.index, city, period, basis, cities=files)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to 25 acts from 20 November on, and a quiet block after them, in January or later."""
    random = Random(draw, Story(NAMES, at=BEGIN, clocks=draw(CLOCKS)))
    for _ in range(draw(st.integers(1, 25))):
        random.act()
    random.story.quiet_block(at=max(random.now, moment("2020-01-02 09:00")) + draw(st.integers(1, 40)) * 86_400)
    return History(random.story, random.story.index())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(history=histories())
def test_statements_add_up_and_tie_to_each_other(history: History) -> None:
    made = {
        (city, month, basis): history.statement(city, month, basis)
        for city in CITIES
        for month in MONTHS
        for basis in Basis
    }
    for statement in made.values():
        require_sums(statement)
    for city in CITIES:
        for basis in Basis:
            november, december, january = (made[city, month, basis] for month in MONTHS)
            assert november.opening_amount == 0
            assert november.closing == december.opening
            assert december.closing == january.opening
        for month in MONTHS:
            accrual, settlement = made[city, month, Basis.ACCRUAL], made[city, month, Basis.SETTLEMENT]
            assert (accrual.opening, accrual.closing) == (settlement.opening, settlement.closing)
            assert accrual.bridge == settlement.bridge
            assert accrual.closing.accrued - accrual.closing.position == sum(r.closing_amount for r in accrual.bridge)
    require_zero_sum(history, made)
    require_same_for_both(made)
    require_contracts(history, made)


def require_sums(statement: Statement) -> None:
    """Opening + lines = closing; every line is the sum of its entries, and of its rides."""
    effects = [statement.effect(line) for line in statement.lines]
    assert statement.opening_amount + sum(effects) == statement.closing_amount
    assert sum(len(statement.entries_of(line)) for line in statement.lines) == len(statement.entries)
    for line in statement.lines:
        assert line.amount == sum(entry.amount for entry in statement.entries_of(line))
        rides = list(statement.rides_of(line))
        if line.kind in (Kind.RIDES_CARRIED, Kind.RIDES_TAKEN):
            assert (line.count, abs(line.amount)) == (len(rides), sum(ride.fare for ride in rides))
            assert (line.late, abs(line.late_amount)) == (
                sum(ride.late for ride in rides),
                sum(ride.fare for ride in rides if ride.late),
            )


def require_zero_sum(history: History, made: dict[tuple[int, Period, Basis], Statement]) -> None:
    """What one city earns another owes: all cities' effects together are what came in, less what went out."""
    effects = sum(made[city, month, Basis.ACCRUAL].effect(line) for (city, month), line in all_lines(made))
    transfers = 0
    for _, _, _, time, kind, city, _, amount, _ in history.story.tables["transfers"]:
        if time < history.story.clock(city).start_of(MONTHS[-1].after):
            transfers += amount if kind == "deposit" else -amount
    assert effects == transfers


def all_lines(made: dict[tuple[int, Period, Basis], Statement]) -> Iterator[tuple[tuple[int, Period], Line]]:
    for (city, month, basis), statement in made.items():
        if basis is Basis.ACCRUAL:
            yield from (((city, month), line) for line in statement.lines)


def require_same_for_both(made: dict[tuple[int, Period, Basis], Statement]) -> None:
    """Both cities of a pair show the same amounts for each day, with opposite signs."""
    mirrored = {
        Kind.RIDES_CARRIED: Kind.RIDES_TAKEN,
        Kind.REFUND_GIVEN: Kind.REFUND_RECEIVED,
        Kind.FEE_EARNED: Kind.FEE_OWED,
    }
    for month in MONTHS:
        shown = {
            (city, line.other, line.day, line.kind): (line.count, line.amount)
            for city in CITIES
            for line in made[city, month, Basis.ACCRUAL].lines
            if line.other
        }
        for (city, other, day, kind), (count, amount) in shown.items():
            if kind in mirrored:
                assert shown[other, city, day, mirrored[kind]] == (count, -amount)


def require_contracts(history: History, made: dict[tuple[int, Period, Basis], Statement]) -> None:
    """The newest figures are those of balanceOf() and position()."""
    story = history.story
    for (city, _, _), statement in made.items():
        assert statement.at_block.balance == story.balances[city]
        assert statement.at_block.position == story.position(city)
        if statement.block_time < statement.ends:
            assert statement.closing.balance == story.balances[city]

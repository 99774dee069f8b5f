"""What other cities' daily limits withheld is released once it is due, and then paid; in rounds that always end."""

from __future__ import annotations

import pytest

from gate_client.arrears import ArrearsCollector
from gate_client.errors import ChainError
from gate_client.withheld import MOST_AT_ONCE
from interline.domain import Domain
from tests.unit.gate.fake_chain import FakeChain

SHANGHAI, HANGZHOU = 3100, 3301
KEY = b"\x11" * 32
DAY = 20_000


@pytest.fixture
def chain() -> FakeChain:
    """Shanghai owes 9.00 yuan, 5.00 of them withheld on two days."""
    chain = FakeChain(HANGZHOU)
    chain.owed = {SHANGHAI: 900}
    chain.withheld = {(SHANGHAI, DAY): 200, (SHANGHAI, DAY + 1): 300}
    return chain


@pytest.fixture
def collector(chain: FakeChain, domain: Domain) -> ArrearsCollector:
    return ArrearsCollector(chain, KEY, HANGZHOU, domain)


def round_of(collector: ArrearsCollector) -> tuple[list[tuple[int, int]], list[int]]:
    """((day, fen) released, fen paid) of one round."""
    collector.start()
    paid = [one.amount for one in collector.poll()]
    return [(one.day, one.amount) for one in collector.take_released()], paid


def test_what_is_not_due_stays_withheld_and_the_rest_is_paid(chain: FakeChain, collector: ArrearsCollector) -> None:
    assert round_of(collector) == ([], [400])
    assert chain.owed == {SHANGHAI: 500}


def test_a_city_all_of_whose_arrears_are_withheld_is_not_asked(chain: FakeChain, collector: ArrearsCollector) -> None:
    chain.owed = {SHANGHAI: 500}
    assert round_of(collector) == ([], [])
    assert chain.sent == []


def test_what_is_due_is_released_and_paid_in_the_same_round(chain: FakeChain, collector: ArrearsCollector) -> None:
    chain.due_until = DAY
    assert round_of(collector) == ([(DAY, 200)], [600])
    assert chain.withheld == {(SHANGHAI, DAY + 1): 300}


def test_days_are_released_in_their_order(chain: FakeChain, collector: ArrearsCollector) -> None:
    chain.due_until = DAY + 5
    assert round_of(collector) == ([(DAY, 200), (DAY + 1, 300)], [900])
    assert round_of(collector) == ([], [])


def test_a_day_is_sent_once_while_it_is_on_its_way(chain: FakeChain, collector: ArrearsCollector) -> None:
    chain.due_until, chain.mine_at_once = DAY + 5, False
    for _ in range(3):
        collector.start()
        assert collector.poll() == []
    assert len(chain.sent) == 3  # two days and a payment
    assert collector.busy
    chain.mine()
    assert [one.amount for one in collector.poll()] == [900]
    assert not collector.busy


def test_a_round_releases_so_many_days_and_the_next_goes_on(chain: FakeChain, collector: ArrearsCollector) -> None:
    chain.withheld = {(SHANGHAI, DAY + at): 10 for at in range(MOST_AT_ONCE + 3)}
    chain.owed, chain.due_until = {SHANGHAI: 10 * (MOST_AT_ONCE + 3)}, DAY + 100
    released, paid = round_of(collector)
    assert (len(released), paid) == (MOST_AT_ONCE, [10 * MOST_AT_ONCE])
    released, paid = round_of(collector)
    assert (len(released), paid) == (3, [30])


def test_a_day_of_which_corrections_left_nothing_is_not_sent_for_ever(
    chain: FakeChain, collector: ArrearsCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another's release came first, and the events don't tell yet: ours does nothing."""
    told = chain.withholdings(HANGZHOU, 0, 0)
    monkeypatch.setattr(chain, "withholdings", lambda creditor, first, last: told if first <= 1 else [])
    chain.due_until = DAY
    del chain.withheld[SHANGHAI, DAY]
    assert round_of(collector) == ([], [600])
    sent = len(chain.sent)
    chain.owed = {SHANGHAI: 300}
    chain.block += 5_000
    round_of(collector)
    assert len(chain.sent) == sent


def test_one_clearinghouse_in_trouble_is_a_warning(
    chain: FakeChain, collector: ArrearsCollector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ChainError("query returned more than 10000 results")

    monkeypatch.setattr(chain, "withholdings", broken)
    assert round_of(collector) == ([], [400])
    assert "more than 10000 results" in caplog.text


def test_a_debtor_without_funds_is_not_asked_but_its_days_are_released(
    chain: FakeChain, collector: ArrearsCollector
) -> None:
    chain.due_until, chain.no_funds = DAY, {SHANGHAI}
    assert round_of(collector) == ([(DAY, 200)], [])

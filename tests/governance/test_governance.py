"""The table in SECURITY.md is what the search finds, for sizes that tests have time for; and the search can find."""

from __future__ import annotations

import pytest

from tests.governance.acts import RULE, all_steps, useful_steps
from tests.governance.coalitions import Coalition, State, Thieves, coalitions, consortium
from tests.governance.harms import HARMS, SEEN_BY_THIEVES
from tests.governance.liveness import unstoppable
from tests.governance.search import Count, explore
from tests.governance.table import SECURITY, columns, find, written
from tests.reference.governance import Call, Governance

BY_NAME = {harm.name: harm for harm in HARMS}


@pytest.mark.parametrize("cities", [1, 2, 3])
def test_the_table_in_security_is_what_the_search_finds(cities: int) -> None:
    column = columns(written(SECURITY.read_text(encoding="utf-8")), cities)
    assert {harm.words: find(harm, cities).words for harm in HARMS} == column


@pytest.mark.parametrize("cities", [1, 2, 3, 4, 5, 6])
def test_below_a_third_of_stolen_cities_the_others_go_on_and_every_city_comes_back(cities: int) -> None:
    assert unstoppable(cities, Count()) == []


def test_a_model_that_forgets_to_end_waits_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def advance(self: Governance, now: int) -> None:
        self.now = now

    monkeypatch.setattr(Governance, "advance", advance)
    assert find(BY_NAME["undone"], 3).coalition is not None


def test_a_model_in_which_a_quarter_is_enough_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.reference.governance.two_thirds", lambda count: -(-count // 4))
    monkeypatch.setattr("tests.governance.acts.two_thirds", lambda count: -(-count // 4))
    assert find(BY_NAME["call"], 4).coalition == ("A", "", "", "")


@pytest.mark.parametrize("coalition", [*coalitions(1, 1), *coalitions(2, 1)])
def test_every_single_act_reaches_no_more_than_the_useful_ones(coalition: Coalition) -> None:
    """Of the harms that thieves reach alone."""
    thieves = Thieves.of(coalition)
    calls = (RULE, *(Call("expel", (code,)) for code in range(1, len(coalition) + 1)))
    reached = []
    for steps in (
        lambda state: useful_steps(state, thieves),
        lambda state: all_steps(state, thieves, calls),
    ):
        nodes = explore(State(consortium(coalition), {}), thieves, steps, waits=3 - len(coalition), count=Count())
        reached.append(
            {name for node in nodes for name, seen in SEEN_BY_THIEVES.items() if seen(node, thieves) is not None}
        )
    assert reached[0] == reached[1]

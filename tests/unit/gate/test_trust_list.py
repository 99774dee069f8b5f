"""The trust list as a file: what goes in comes out, and an older one never takes the place of a newer one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate_client.errors import TrustListError
from gate_client.line import Predecessor
from gate_client.trust_list import (
    CityStatus,
    Owing,
    TrustList,
    TrustListFile,
    load_trust_list,
    replace_trust_list,
)
from interline.domain import Domain


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gate.db.trust-list.json"


@pytest.fixture
def rich_list(trust: TrustList) -> TrustList:
    """One with every kind of content."""
    cities = (replace(trust.cities[0], status=CityStatus.SUSPENDED), *trust.cities[1:])
    predecessors = (Predecessor(Domain(1337, b"\x0b" * 20), 1_900_000_000), Predecessor(Domain(1337, b"\x0a" * 20), 1))
    return replace(
        trust,
        cities=cities,
        revoked=frozenset({(3100, 0), (3100, 2**40 - 1), (3203, 7)}),
        predecessors=predecessors,
        revoked_from=12,
        evidence_for=76 * 86_400,
        grace=7_200,
        ends=1_950_000_000,
        problem="0x02 names 0x03 as its successor, which can't be used",
        called_off=(Domain(1337, b"\x0c" * 20),),
        owing=(Owing(trust.domain.clearinghouse, 3203, 900, 500),),
    )


def test_a_list_is_read_as_it_was_written(path: Path, rich_list: TrustList) -> None:
    assert replace_trust_list(path, rich_list) is None
    assert load_trust_list(path) == rich_list


def test_a_list_of_the_version_before_is_read_without_what_it_lacks(path: Path, rich_list: TrustList) -> None:
    document = json.loads(rich_list.to_json())
    for key in ("grace", "ends", "problem", "called_off", "owing"):
        del document[key]
    path.write_text(json.dumps(document))
    assert load_trust_list(path) == replace(rich_list, grace=None, ends=None, problem=None, called_off=(), owing=())


@pytest.mark.parametrize(
    ("grace", "setting", "limit"), [(None, 86_400, 86_400), (7_200, 86_400, 7_200), (7_200, 3_600, 3_600)]
)
def test_its_limit_is_the_setting_but_never_more_than_the_chain_allows(
    trust: TrustList, grace: int | None, setting: int, limit: int
) -> None:
    assert replace(trust, grace=grace).limit(setting) == limit


def test_a_list_that_lost_a_successor_takes_the_place_of_one_that_had_it(path: Path, trust: TrustList) -> None:
    """It was called off; or another was named in its place."""
    named = Domain(1337, b"\x0d" * 20)
    replace_trust_list(path, replace(trust, domain=named, predecessors=(Predecessor(trust.domain, 2_000_000_000),)))
    replace_trust_list(path, replace(trust, called_off=(named,)))
    another = replace(
        trust, domain=Domain(1337, b"\x0e" * 20), predecessors=(Predecessor(trust.domain, 2_100_000_000),)
    )
    replace_trust_list(path, another)
    assert load_trust_list(path) == another


def test_a_list_of_a_higher_block_takes_the_place_of_an_older_one(path: Path, trust: TrustList) -> None:
    replace_trust_list(path, trust)
    newer = replace(trust, block=trust.block + 1)
    assert replace_trust_list(path, newer) == trust
    assert load_trust_list(path) == newer


def test_a_list_of_the_same_block_may_be_written_again(path: Path, trust: TrustList) -> None:
    replace_trust_list(path, trust)
    replace_trust_list(path, trust)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"block": 999}, "the chain is at block 999, the trust list already at block 1000"),
        ({"domain": Domain(1, b"\x01" * 20)}, "a gate doesn't change its domain"),
        ({"operator": 3302}, "operator 3301's, the new one 3302's"),
    ],
    ids=["a lower block", "another chain and Clearinghouse", "another operator"],
)
def test_a_list_that_may_not_replace_the_old_one_leaves_it_in_place(
    path: Path, trust: TrustList, changes: dict[str, Any], problem: str
) -> None:
    replace_trust_list(path, trust)
    before = path.read_bytes()
    with pytest.raises(TrustListError, match=problem):
        replace_trust_list(path, replace(trust, **changes))
    assert path.read_bytes() == before


@pytest.mark.parametrize("changes", [{"chain_id": 1}, {"clearinghouse": b"\x02" * 20}], ids=lambda c: next(iter(c)))
def test_a_list_of_another_domain_is_refused_however_high_its_block(
    path: Path, trust: TrustList, changes: dict[str, Any]
) -> None:
    replace_trust_list(path, trust)
    with pytest.raises(TrustListError, match="domain"):
        replace_trust_list(path, replace(trust, domain=replace(trust.domain, **changes), block=10**9))


class TestSuccession:
    @pytest.fixture
    def successors(self, trust: TrustList) -> TrustList:
        """The list after a successor was named."""
        return replace(
            trust,
            domain=Domain(1337, b"\x02" * 20),
            predecessors=(Predecessor(trust.domain, 1_900_000_000),),
            block=2_000,
        )

    def test_a_successors_list_takes_the_place_of_its_predecessors(
        self, path: Path, trust: TrustList, successors: TrustList
    ) -> None:
        replace_trust_list(path, trust)
        file = TrustListFile(path)
        replace_trust_list(path, successors)
        assert file.current() == successors

    def test_so_does_that_of_a_successors_successor(self, path: Path, trust: TrustList, successors: TrustList) -> None:
        replace_trust_list(path, trust)
        before = (Predecessor(successors.domain, 2_000_000_000), *successors.predecessors)
        replace_trust_list(path, replace(successors, domain=Domain(1337, b"\x03" * 20), predecessors=before))

    def test_there_is_no_way_back_to_a_list_of_a_lower_block(
        self, path: Path, trust: TrustList, successors: TrustList
    ) -> None:
        """A higher one without the successor says that it was called off; see below."""
        replace_trust_list(path, successors)
        with pytest.raises(TrustListError, match="already at block"):
            replace_trust_list(path, replace(trust, block=successors.block - 1))

    def test_a_list_of_the_version_before_is_one_without_predecessors(self, path: Path, trust: TrustList) -> None:
        document = json.loads(trust.to_json()) | {"version": 1}
        del document["predecessors"], document["revoked_from"]
        path.write_text(json.dumps(document))
        assert load_trust_list(path) == trust
        assert trust.predecessors == ()
        assert trust.revoked_from is None


@pytest.mark.parametrize(
    ("stations", "text"), [((1,), "1"), ((2, 1, 3), "1 to 3"), ((7, 1, 2, 4, 6), "1 to 2, 4, 6 to 7")]
)
def test_a_station_that_is_not_in_the_tariff_is_told_which_are(
    trust: TrustList, stations: tuple[int, ...], text: str
) -> None:
    few = replace(trust, tariff=replace(trust.tariff, stations=stations))
    with pytest.raises(TrustListError, match=f"station 9 is not in the tariff of 3301, which knows {text};"):
        few.check_station(9)


def test_without_a_list_the_gate_says_to_sync(path: Path) -> None:
    with pytest.raises(TrustListError, match="run gate-client sync"):
        load_trust_list(path)


def damage(document: dict[str, Any], what: str) -> None:
    city = document["cities"][0]
    match what:
        case "a version of the future":
            document["version"] = 3
        case "no block":
            del document["block"]
        case "a block in quotes":
            document["block"] = "1000"
        case "a negative block time":
            document["block_time"] = -1
        case "a status that isn't one":
            city["status"] = 4
        case "keys that are no list":
            city["keys"] = {}
        case "an address too short":
            city["keys"][0]["address"] = "0x12"
        case "a key without its end":
            del city["keys"][0]["valid_until"]
        case "revoked serials in quotes":
            document["revoked"] = {"3100": ["5"]}
        case "revoked as a list":
            document["revoked"] = [5]
        case "no stations":
            document["tariff"]["stations"] = None
        case "true for a fare":
            document["tariff"]["highest_fare"] = True
        case "a predecessor that never closes":
            document["predecessors"] = [{"clearinghouse": "0x" + "12" * 20, "closes_at": None}]


@pytest.mark.parametrize(
    "what",
    [
        "a version of the future",
        "no block",
        "a block in quotes",
        "a negative block time",
        "a status that isn't one",
        "keys that are no list",
        "an address too short",
        "a key without its end",
        "revoked serials in quotes",
        "revoked as a list",
        "no stations",
        "true for a fare",
        "a predecessor that never closes",
    ],
)
def test_a_damaged_list_is_refused_and_says_what_to_do(path: Path, trust: TrustList, what: str) -> None:
    document = json.loads(trust.to_json())
    damage(document, what)
    assert document != json.loads(trust.to_json())
    path.write_text(json.dumps(document))
    with pytest.raises(TrustListError, match=r"damaged \(.+\); remove the file and run gate-client sync"):
        load_trust_list(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff"], ids=repr)
def test_what_is_no_list_at_all_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(TrustListError, match="trust list"):
        load_trust_list(path)


class TestFileThatIsFollowed:
    """A gate that runs for weeks sees every sync."""

    def test_a_new_list_is_seen(self, path: Path, trust: TrustList) -> None:
        replace_trust_list(path, trust)
        file = TrustListFile(path)
        newer = replace(trust, block=2_000)
        replace_trust_list(path, newer)
        assert file.current() == newer

    def test_an_unchanged_list_is_not_read_again(self, path: Path, trust: TrustList) -> None:
        replace_trust_list(path, trust)
        file = TrustListFile(path)
        assert file.current() is file.current()

    @pytest.mark.parametrize("content", [b"{", None], ids=["damaged", "gone"])
    def test_the_gate_goes_on_with_the_last_good_one(
        self, path: Path, trust: TrustList, content: bytes | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        replace_trust_list(path, trust)
        file = TrustListFile(path)
        path.unlink() if content is None else path.write_bytes(content)
        assert file.current() == trust
        assert "goes on with the trust list of block 1000" in caplog.text

    def test_an_older_list_that_someone_put_there_is_not_used(self, path: Path, trust: TrustList) -> None:
        replace_trust_list(path, trust)
        file = TrustListFile(path)
        path.write_text(replace(trust, block=999, revoked=frozenset({(3100, 0)})).to_json())
        assert file.current() == trust

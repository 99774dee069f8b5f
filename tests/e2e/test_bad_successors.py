"""A vote names what no gate can work with: gates, submitters and offices go on, and say what is wrong.

The Clearinghouse asks a successor much before it lets itself be named; what answers then may be other code than what
answers later. So each of these was a good one when it was named, and has other code since.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gate_client.chain import Chain as GateChain
from gate_client.errors import SuccessionError
from gate_client.journal import Journal
from gate_client.line import Line, find_line
from gate_client.sync import make_trust_list
from gate_client.tap import Direction
from gate_client.trust_list import TrustList, TrustListFile, replace_trust_list
from gate_client.verifier import Verifier
from interline.domain import Domain
from interline.hashing import keccak256
from interline.reasons import GateReason
from interline.tariff import Tariff, load_tariff
from issuer_client.chain import Chain as IssuerChain
from issuer_client.chain_types import House
from network.chain import Chain
from tests.support.deploy import City, Deployment, deploy, deploy_successor
from tests.support.gates import gate_folder
from tests.support.riders import TicketOffice
from tests.support.succession import chain_in_the_past, come_to_the_present, name_successor, pass_time, vote

CITIES = ["Shanghai", "Hangzhou"]
HOUR = 3_600


def answering(answers: dict[str, bytes]) -> bytes:
    """Code that returns these bytes to these calls, by their signatures, and reverts at all others."""
    entries = [(keccak256(signature.encode())[:4], data) for signature, data in answers.items()]
    load, refuse = bytes.fromhex("5f3560e01c"), bytes.fromhex("5f5ffd")  # the selector; revert
    jump, block = 11, 15  # bytes for each entry
    blocks_at = len(load) + jump * len(entries) + len(refuse)
    data_at = blocks_at + block * len(entries)
    jumps = blocks = b""
    for number, (selector, data) in enumerate(entries):
        target, size = (blocks_at + block * number).to_bytes(2, "big"), len(data).to_bytes(2, "big")
        jumps += bytes.fromhex("8063") + selector + bytes.fromhex("1461") + target + b"\x57"  # if it is this one
        # JUMPDEST; size, its place in the code, 0: CODECOPY; size, 0: RETURN
        blocks += bytes.fromhex("5b61") + size + b"\x61" + data_at.to_bytes(2, "big") + bytes.fromhex("5f3961")
        blocks += size + bytes.fromhex("5ff3") + b"\0"
        data_at += len(data)
    assert (len(jumps), len(blocks)) == (jump * len(entries), block * len(entries))
    return load + jumps + refuse + blocks + b"".join(answers.values())


def word(value: bytes | int) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


REVERTS = "0x5f5ffd"
HOSTILE = {
    "no contract": "0x",
    "one that refuses everything": REVERTS,
    "one that answers everything with the highest number": "0x7f" + "ff" * 32 + "5f5260205ff3",
    "one that answers everything with a megabyte of nothing": "0x621000005ff3",
    "one that never ends": "0x5b5f56",
}


class Story:
    """Two Clearinghouses, the second named by vote to take over in ten days; and one gate of Hangzhou."""

    def __init__(self, chain: Chain, folder: Path) -> None:
        self.old = deploy(chain.url, cities=CITIES, deposit=100_000)
        self.new = deploy_successor(self.old)
        self.folder = folder
        self.closes_at = name_successor(self.old, self.new, closes_in=10 * 24 * HOUR)

    @property
    def hangzhou(self) -> City:
        return self.old.cities["Hangzhou"]

    @property
    def tariff(self) -> Tariff:
        return load_tariff(self.hangzhou.file.tariff)

    def replace_code(self, code: str, of: Deployment | None = None) -> None:
        address = (of or self.new).clearinghouse.address
        self.old.web3.provider.make_request("anvil_setCode", [address, code])  # type: ignore[arg-type]
        self.old.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]

    def gate_chain(self, of: Deployment | None = None) -> GateChain:
        return GateChain(self.old.url, (of or self.old).domain.clearinghouse)

    def list(self, old: TrustList | None = None, of: Deployment | None = None) -> TrustList:
        return make_trust_list(self.gate_chain(of), self.hangzhou.code, self.tariff, old)

    def decision(self, trust: TrustList, domain: Domain, now: int) -> GateReason:
        """At the entry, for a fresh ticket of Shanghai's in a domain, by the list as it would be if made then."""
        trust = replace(trust, block_time=now)
        rider = TicketOffice(domain, self.old.cities["Shanghai"]).issue(self.hangzhou, not_after=now + HOUR)
        return Verifier(trust, max_age=10**8).check_text(rider.shows(now).to_text(), Direction.ENTRY, now).reason


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with chain_in_the_past() as chain:
        yield Story(chain, tmp_path)


def cancelled(story: Story) -> None:
    """By vote; `vote` lets a week pass, of the ten days."""
    vote(story.old, story.old.clearinghouse.functions.cancelSuccessor())


def getters(story: Story) -> bytes:
    """What passed for a successor before: three getters, and the domain that tickets are signed in."""
    address = story.new.domain.clearinghouse
    name, version = (text.encode().ljust(32, b"\0") for text in ("Interline", "1"))
    parts = [b"\x0f".ljust(32, b"\0"), word(224), word(288), word(story.old.web3.eth.chain_id), word(address)]
    eip712 = b"".join([*parts, bytes(32), word(352), word(9), name, word(1), version, word(0)])
    return answering(
        {
            "predecessor()": word(story.old.domain.clearinghouse),
            "registry()": word(bytes.fromhex(story.old.registry.address[2:])),
            "token()": word(bytes.fromhex(story.old.token.address[2:])),
            "successor()": word(0),
            "closesAt()": word(0),
            "eip712Domain()": eip712,
        }
    )


@pytest.mark.parametrize("what", [*HOSTILE, "three getters and a domain", "a Clearinghouse of another registry"])
def test_gates_go_on_with_the_old_one_and_say_what_is_wrong(
    story: Story, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    if what in HOSTILE:
        code = HOSTILE[what]
    elif what == "three getters and a domain":
        code = "0x" + getters(story).hex()
    else:
        other = deploy(story.old.url, cities=CITIES, deposit=0)
        code = story.old.web3.eth.get_code(other.clearinghouse.address).to_0x_hex()
    story.replace_code(code)
    trust = story.list()
    now = trust.block_time
    assert (trust.domain, trust.predecessors, trust.ends) == (story.old.domain, (), story.closes_at)
    assert trust.problem is not None
    assert "which can't be used" in caplog.text
    assert story.decision(trust, story.old.domain, now) is GateReason.ACCEPTED
    assert story.decision(trust, story.new.domain, now) is GateReason.BAD_ISSUER_SIGNATURE
    assert story.decision(trust, story.old.domain, story.closes_at) is GateReason.KEY_NOT_VALID
    assert find_line(story.gate_chain()) == Line(story.old.domain, ends=story.closes_at)


def test_the_commands_go_on_too(story: Story) -> None:
    story.replace_code(REVERTS)
    gate = gate_folder(story.folder / "gate", story.old, story.hangzhou)
    done = gate.run("sync", "--json")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "which can't be used" in done.stderr
    assert gate.json("status")["trust_list"]["ends"] == story.closes_at
    assert gate.run("submit").returncode == 0


def test_one_that_answers_again_is_taken_in(story: Story) -> None:
    good = story.old.web3.eth.get_code(story.new.clearinghouse.address).to_0x_hex()
    story.replace_code(REVERTS)
    before = story.list()
    story.replace_code(good)
    trust = story.list(before)
    assert list(trust.line.domains) == [story.new.domain, story.old.domain]
    assert (trust.problem, trust.called_off) == (None, ())


def test_once_it_has_taken_over_a_list_without_it_is_not_taken(story: Story) -> None:
    before = story.list()
    assert before.domain == story.new.domain
    story.replace_code(REVERTS)
    pass_time(story.old, 11 * 24 * HOUR)
    with pytest.raises(SuccessionError, match="the old list stays"):
        story.list(before)
    assert story.list().ends == story.closes_at  # a gate that never knew it: all entries are refused


class TestCalledOff:
    def test_it_drops_out_of_the_list_and_its_tickets_are_refused(
        self, story: Story, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = story.list()
        assert story.decision(before, story.new.domain, before.block_time) is GateReason.ACCEPTED
        cancelled(story)
        trust = story.list(before)
        assert trust.line == Line(story.old.domain, called_off=(story.new.domain,))
        assert "is in the line no more: its tickets are refused" in caplog.text
        assert story.decision(trust, story.new.domain, trust.block_time) is GateReason.BAD_ISSUER_SIGNATURE
        assert story.decision(trust, story.old.domain, story.closes_at + HOUR) is GateReason.ACCEPTED
        path = story.folder / "trust.json"
        replace_trust_list(path, before)
        replace_trust_list(path, trust)
        assert TrustListFile(path).current() == trust

    def test_a_gate_whose_settings_name_it_goes_on(self, story: Story) -> None:
        before = story.list(of=story.new)
        cancelled(story)
        trust = story.list(before, of=story.new)
        assert trust.domain == story.old.domain
        assert story.list(trust, of=story.new).domain == story.old.domain
        with pytest.raises(SuccessionError, match="which has named nobody"):
            story.list(of=story.new)

    def test_another_that_is_named_takes_its_place(self, story: Story) -> None:
        before = story.list()
        another = deploy_successor(story.old)
        closes_at = int(time.time()) + 60 * 24 * HOUR
        vote(story.old, story.old.clearinghouse.functions.nameSuccessor(another.clearinghouse.address, closes_at))
        trust = story.list(before)
        assert trust.line.domains == (another.domain, story.old.domain)
        assert trust.called_off == (story.new.domain,)
        path = story.folder / "journal.db"
        with Journal(path, operator=3301, domain=before.domain, predecessors=before.predecessors) as journal:
            journal.extend(trust.line)
            assert journal.line == trust.line

    def test_an_offices_line_ends_before_it(self, story: Story) -> None:
        chain = IssuerChain(story.old.url, story.old.domain.clearinghouse)
        assert addresses(chain.line()) == [story.old.domain.clearinghouse, story.new.domain.clearinghouse]
        cancelled(story)
        assert addresses(chain.line()) == [story.old.domain.clearinghouse]


@pytest.mark.parametrize("what", HOSTILE)
def test_an_office_goes_on_with_the_old_one(story: Story, what: str, caplog: pytest.LogCaptureFixture) -> None:
    story.replace_code(HOSTILE[what])
    chain = IssuerChain(story.old.url, story.old.domain.clearinghouse)
    assert addresses(chain.line()) == [story.old.domain.clearinghouse]
    assert "which can't be used" in caplog.text


def addresses(line: Sequence[House]) -> list[bytes]:
    return [house.address for house in line]


def test_the_limit_of_a_list_is_the_least_of_setting_and_graces(story: Story) -> None:
    """A shorter grace that is to come counts at once: whoever syncs tomorrow only must not be late for it."""
    assert story.list().grace == 24 * HOUR
    shorter = (20_000, 2 * HOUR, 30 * 86_400, 30 * 86_400, 10 * 86_400, 500)
    story.old.by_vote(story.old.clearinghouse.functions.setParameters(shorter))
    trust = story.list()
    assert trust.grace == 2 * HOUR
    assert (trust.limit(HOUR), trust.limit(24 * HOUR)) == (HOUR, 2 * HOUR)
    come_to_the_present(story.old)

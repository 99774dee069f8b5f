"""What is still missing until a city is in: the plan, without any chain."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consortium.calls import Call, Step, decode_call
from consortium.errors import ContradictionError
from consortium.steps import (
    CityState,
    Contracts,
    Member,
    Phase,
    Proposal,
    Rival,
    Status,
    admission,
    missing,
    next_calls,
    notes,
    opening_reference,
    require_consistent,
)
from interline.cities import CityFile
from interline.signatures import to_checksum

STRANGER = "0x" + 40 * "9"


def everyone(address: str) -> bool:
    return True


def all_but(*absent: str) -> "Absent":
    return Absent(absent)


class Absent:
    """Whether an account is here: all are, but for some."""

    def __init__(self, absent: Iterable[str]) -> None:
        self.absent = frozenset(absent)

    def __call__(self, address: str) -> bool:
        return address not in self.absent


def steps(calls: list[Call]) -> list[Step]:
    return [call.step for call in calls]


@pytest.fixture
def admitted(outside: CityState, xuzhou: CityFile) -> CityState:
    """Xuzhou has just been admitted."""
    keys = {"admin": xuzhou.admin, "treasury": xuzhou.treasury, "recovery": xuzhou.recovery}
    return replace(outside, status=Status.ACTIVE, name=xuzhou.name, **keys)


@pytest.fixture
def complete(admitted: CityState, xuzhou: CityFile) -> CityState:
    keys = {key.id: (to_checksum(key.address), key.valid_from, key.valid_until) for key in xuzhou.issuer_keys}
    submitters = frozenset(xuzhou.submitters)
    return replace(admitted, issuer_keys=keys, submitters=submitters, deposited=xuzhou.deposit, balance=xuzhou.deposit)


# ---------------------------------------------------------------- the vote


def test_a_city_that_nobody_proposed_is_proposed_by_the_first_member_whose_account_is_here(
    xuzhou: CityFile, outside: CityState, contracts: Contracts, founders: tuple[Member, ...]
) -> None:
    available = all_but(founders[0].admin)
    (call,) = next_calls(xuzhou, outside, contracts, Phase.ALL, available)
    assert (call.step, call.sender, call.to) == (Step.PROPOSE, founders[1].admin, contracts.consortium)
    assert decode_call("Consortium", "propose", call.data) == (3301, contracts.registry, admission(xuzhou))


def test_only_as_many_members_approve_as_are_needed(
    xuzhou: CityFile, outside: CityState, contracts: Contracts, proposed: Proposal, founders: tuple[Member, ...]
) -> None:
    (call,) = next_calls(xuzhou, replace(outside, proposal=proposed), contracts, Phase.ALL, everyone)
    assert (call.step, call.sender) == (Step.APPROVE, founders[1].admin)
    assert decode_call("Consortium", "approve", call.data) == (1, 3301)


def test_the_member_that_is_named_votes_and_nobody_else(
    xuzhou: CityFile, outside: CityState, contracts: Contracts, proposed: Proposal, founders: tuple[Member, ...]
) -> None:
    state = replace(outside, proposal=proposed)
    (call,) = next_calls(xuzhou, state, contracts, Phase.APPROVE, everyone, voice=3302)
    assert call.sender == founders[2].admin
    assert next_calls(xuzhou, state, contracts, Phase.APPROVE, everyone, voice=3100) == []  # it has voted


def test_completing_does_not_execute_before_there_are_votes_enough(
    xuzhou: CityFile, outside: CityState, contracts: Contracts, proposed: Proposal
) -> None:
    state = replace(outside, proposal=proposed)
    assert next_calls(xuzhou, state, contracts, Phase.COMPLETE, everyone) == []
    (sentence,) = missing(xuzhou, state, contracts, Phase.COMPLETE, everyone)
    assert "has 1 of the 2 votes it needs: Hangzhou, Ningbo can still" in sentence
    passed = replace(state, proposal=replace(proposed, votes=2))
    assert Step.EXECUTE in steps(next_calls(xuzhou, passed, contracts, Phase.COMPLETE, everyone))


def test_completing_what_nobody_proposed_says_so(xuzhou: CityFile, outside: CityState, contracts: Contracts) -> None:
    (sentence,) = missing(xuzhou, outside, contracts, Phase.COMPLETE, everyone)
    assert "no open proposal admits Xuzhou as xuzhou.yaml says" in sentence


def test_an_admin_who_has_voted_waits_for_nothing_here(
    xuzhou: CityFile, outside: CityState, contracts: Contracts, proposed: Proposal, founders: tuple[Member, ...]
) -> None:
    state = replace(outside, proposal=proposed)
    only_shanghai = all_but(founders[1].admin, founders[2].admin)
    assert missing(xuzhou, state, contracts, Phase.APPROVE, only_shanghai) == []


def test_a_machine_without_any_members_account_can_neither_propose_nor_approve(
    xuzhou: CityFile, outside: CityState, contracts: Contracts, proposed: Proposal, founders: tuple[Member, ...]
) -> None:
    nobody = all_but(*(member.admin for member in founders))
    assert next_calls(xuzhou, outside, contracts, Phase.PROPOSE, nobody) == []
    assert "nobody here can propose Xuzhou" in missing(xuzhou, outside, contracts, Phase.PROPOSE, nobody)[0]
    state = replace(outside, proposal=proposed)
    assert next_calls(xuzhou, state, contracts, Phase.APPROVE, nobody) == []
    assert "nobody here can give another" in missing(xuzhou, state, contracts, Phase.APPROVE, nobody)[0]


def test_a_proposal_that_differs_from_the_file_is_no_proposal_of_this_city(
    xuzhou: CityFile, outside: CityState, contracts: Contracts
) -> None:
    rival = Rival(4, "Xuzhou", STRANGER, xuzhou.treasury, xuzhou.recovery)
    state = replace(outside, rivals=(rival,))
    assert next_calls(xuzhou, state, contracts, Phase.APPROVE | Phase.COMPLETE, everyone) == []
    sentences = missing(xuzhou, state, contracts, Phase.COMPLETE, everyone)
    assert (
        f"proposal 4 would admit this city otherwise than its file says: as Xuzhou, with admin {STRANGER}"
        in sentences[0]
    )
    assert notes(xuzhou, state) == sentences[:1]


# ---------------------------------------------------------------- setting up


def test_an_admitted_city_registers_keys_and_submitters_and_fills_its_treasury_at_once(
    xuzhou: CityFile, admitted: CityState, contracts: Contracts
) -> None:
    calls = next_calls(xuzhou, admitted, contracts, Phase.COMPLETE, everyone)
    assert steps(calls) == [Step.ADD_ISSUER_KEY, Step.ADD_SUBMITTER, Step.MINT, Step.ALLOW]
    assert [call.sender for call in calls] == [xuzhou.admin, xuzhou.admin, admitted.bank, xuzhou.treasury]
    (key,) = xuzhou.issuer_keys
    window = (key.valid_from, key.valid_until)
    added = decode_call("CityRegistry", "addIssuerKey", calls[0].data)
    assert added == (3203, key.id, to_checksum(key.address), *window)
    assert decode_call("SettlementToken", "mint", calls[2].data) == (xuzhou.treasury, 5_000_000)


def test_only_what_a_deposit_lacks_is_minted_allowed_and_deposited(
    xuzhou: CityFile, complete: CityState, contracts: Contracts
) -> None:
    part = replace(complete, deposited=1_000_000, tokens=3_999_999, allowance=4_000_000)
    (mint,) = next_calls(xuzhou, part, contracts, Phase.COMPLETE, everyone)
    assert decode_call("SettlementToken", "mint", mint.data) == (xuzhou.treasury, 1)
    (deposit,) = next_calls(xuzhou, replace(part, tokens=4_000_000), contracts, Phase.COMPLETE, everyone)
    assert decode_call("Clearinghouse", "deposit", deposit.data) == (3203, 4_000_000, opening_reference(3203))


def test_a_city_that_has_everything_gets_no_transaction(
    xuzhou: CityFile, complete: CityState, contracts: Contracts
) -> None:
    assert next_calls(xuzhou, complete, contracts, Phase.ALL, everyone) == []
    assert missing(xuzhou, complete, contracts, Phase.ALL, everyone) == []
    require_consistent(xuzhou, complete)


def test_the_reference_of_an_opening_deposit_reads_as_text() -> None:
    assert opening_reference(3203) == b"deposit 3203 opening" + bytes(12)


def test_what_an_absent_treasury_has_to_sign_is_named_with_its_address(
    xuzhou: CityFile, complete: CityState, contracts: Contracts
) -> None:
    absent = all_but(xuzhou.treasury)
    funded = replace(complete, deposited=0, tokens=xuzhou.deposit, allowance=xuzhou.deposit)
    assert next_calls(xuzhou, funded, contracts, Phase.COMPLETE, absent) == []
    (sentence,) = missing(xuzhou, funded, contracts, Phase.COMPLETE, absent)
    assert sentence.startswith(f"deposit of 50,000.00 yuan: {xuzhou.treasury} (treasury of Xuzhou) is not among")
    assert "`ape accounts import NAME`" in sentence


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"status": Status.SUSPENDED}, "its status is suspended"),
        ({"status": Status.EXITED}, "its status is exited"),
        ({"name": "Xu Zhou"}, "name is Xuzhou in the file, Xu Zhou on chain"),
        ({"admin": STRANGER}, f"in the file, {STRANGER} on chain"),
        (
            {"treasury": STRANGER},
            f"treasury is 0x9B63F0Cef479924E5d2C4E22DBE31E6d0353B448 in the file, {STRANGER} on chain",
        ),
        (
            {"recovery": STRANGER},
            f"recovery is 0xA8d91B470C8E7e2dDe59Ec4B7D393Efe37a290F7 in the file, {STRANGER} on chain",
        ),
    ],
)
def test_a_file_that_differs_from_the_registry_is_a_contradiction(
    xuzhou: CityFile, complete: CityState, change: dict[str, object], difference: str
) -> None:
    with pytest.raises(ContradictionError) as caught:
        require_consistent(xuzhou, replace(complete, **change))  # type: ignore[arg-type]
    assert difference in str(caught.value)
    assert "Correct the file" in str(caught.value)


@pytest.mark.parametrize(("field", "name"), [(0, "address"), (1, "valid_from"), (2, "valid_until")])
def test_a_registered_key_that_differs_from_the_file_is_a_contradiction(
    xuzhou: CityFile, complete: CityState, field: int, name: str
) -> None:
    key = list(complete.issuer_keys[1])
    key[field] = STRANGER if field == 0 else int(key[field]) - 1
    with pytest.raises(ContradictionError, match=f"issuer key 1: {name} is "):
        require_consistent(xuzhou, replace(complete, issuer_keys={1: (str(key[0]), int(key[1]), int(key[2]))}))


def test_a_key_that_the_file_does_not_have_is_noted_and_no_contradiction(xuzhou: CityFile, complete: CityState) -> None:
    more = replace(complete, issuer_keys={**complete.issuer_keys, 2: (STRANGER, 0, 1)})
    require_consistent(xuzhou, more)
    assert notes(xuzhou, more) == [f"the registry has issuer key 2 ({STRANGER}), which is not in the file"]


def test_a_newcomer_is_told_when_its_seat_counts_and_nothing_once_it_does(
    xuzhou: CityFile, complete: CityState
) -> None:
    joined = replace(complete, counts_from=complete.now + 1)
    (note,) = notes(xuzhou, joined)
    assert note.startswith("its seat counts in votes from 2019-12-01 04:00:01 UTC on")
    assert notes(xuzhou, replace(joined, now=joined.counts_from)) == []


# ---------------------------------------------------------------- killed at any point


def carried_out(xuzhou: CityFile, state: CityState, call: Call) -> CityState:
    """A model of the contracts: the state after a call. Fails where they would refuse it."""
    arguments = {
        Step.APPROVE: ("Consortium", "approve"),
        Step.MINT: ("SettlementToken", "mint"),
        Step.DEPOSIT: ("Clearinghouse", "deposit"),
    }
    decoded = decode_call(*arguments[call.step], call.data) if call.step in arguments else ()
    assert decoded is not None
    proposal = state.proposal
    if call.step is Step.PROPOSE:
        assert proposal is None
        return replace(state, proposal=Proposal(1, 1, 2, frozenset({3100})))
    if call.step is Step.APPROVE:
        assert proposal is not None
        assert decoded[1] not in proposal.approved_by
        votes = proposal.approved_by | {decoded[1]}
        return replace(state, proposal=replace(proposal, votes=len(votes), approved_by=votes))
    if call.step is Step.EXECUTE:
        assert proposal is not None
        assert proposal.passed
        names = {"name": xuzhou.name, "admin": xuzhou.admin, "treasury": xuzhou.treasury, "recovery": xuzhou.recovery}
        return replace(state, status=Status.ACTIVE, proposal=None, **names)  # type: ignore[arg-type]
    if call.step is Step.ADD_ISSUER_KEY:
        assert not state.issuer_keys
        key = xuzhou.issuer_keys[0]
        return replace(state, issuer_keys={key.id: (to_checksum(key.address), key.valid_from, key.valid_until)})
    if call.step is Step.ADD_SUBMITTER:
        assert not state.submitters
        return replace(state, submitters=frozenset(xuzhou.submitters))
    if call.step is Step.MINT:
        return replace(state, tokens=state.tokens + decoded[1])
    if call.step is Step.ALLOW:
        return replace(state, allowance=xuzhou.deposit)
    assert call.step is Step.DEPOSIT
    assert state.status is Status.ACTIVE
    amount = decoded[1]
    assert state.tokens >= amount
    assert state.allowance >= amount
    left = {"tokens": state.tokens - amount, "allowance": state.allowance - amount}
    return replace(state, deposited=state.deposited + amount, balance=state.balance + amount, **left)


@given(kills=st.lists(st.sets(st.integers(0, 5)), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_part_of_a_round_got_through_the_next_run_does_just_the_rest(
    xuzhou: CityFile, outside: CityState, contracts: Contracts, kills: list[set[int]]
) -> None:
    state, done = outside, list[Call]()
    for survivors in [*kills, *([{0, 1, 2, 3, 4, 5}] * 6)]:
        for number, call in enumerate(next_calls(xuzhou, state, contracts, Phase.ALL, everyone)):
            if number in survivors:
                state = carried_out(xuzhou, state, call)
                done.append(call)
    assert next_calls(xuzhou, state, contracts, Phase.ALL, everyone) == []
    assert missing(xuzhou, state, contracts, Phase.ALL, everyone) == []
    assert (state.deposited, state.tokens, state.allowance) == (xuzhou.deposit, 0, 0)
    assert sorted(steps(done)) == sorted(
        [
            Step.PROPOSE,
            Step.APPROVE,
            Step.EXECUTE,
            Step.MINT,
            Step.ALLOW,
            Step.ADD_ISSUER_KEY,
            Step.ADD_SUBMITTER,
            Step.DEPOSIT,
        ]
    )


def test_a_round_of_calls_never_depends_on_another_call_of_it(
    xuzhou: CityFile, outside: CityState, contracts: Contracts
) -> None:
    state, rounds = outside, 0
    while calls := next_calls(xuzhou, state, contracts, Phase.ALL, everyone):
        rounds += 1
        for call in reversed(calls):
            state = carried_out(xuzhou, state, call)
    assert rounds == 4  # blocks that bringing a city in takes

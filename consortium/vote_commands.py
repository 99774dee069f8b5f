"""`ape run consortium`: acts that take a vote, and the votes themselves."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from consortium import acts
from consortium.act_options import Length, Yuan, act_options, answer, execute_option, open_desk, vote_options
from consortium.chain import Chain
from consortium.command import Answer, ChainCommand, common_options
from consortium.proposals import ReadProposal
from consortium.standing import Parameters
from consortium.tables import proposal_texts
from consortium.times import format_moment, parse_moment
from consortium.words import NAMED_AHEAD

CITY = click.argument("city")
NUMBER = click.argument("number", metavar="ID", type=click.IntRange(min=1))


@click.command(cls=ChainCommand)
@CITY
@execute_option
@act_options
def suspend(chain: Chain, path: Path, city: str, execute: bool, **who: Any) -> Answer:
    """Propose to suspend CITY: its new rides don't settle. It keeps its vote in all else.

    Two thirds of all members, without CITY's own vote, then a day's wait.
    """
    desk = open_desk(chain, path, **who)
    return answer(desk.move(acts.suspend(desk.standing, desk.city(city)), execute=execute))


@click.command(cls=ChainCommand)
@CITY
@execute_option
@act_options
def reinstate(chain: Chain, path: Path, city: str, execute: bool, **who: Any) -> Answer:
    """Propose to end the suspension of CITY. Two thirds; no wait."""
    desk = open_desk(chain, path, **who)
    return answer(desk.move(acts.reinstate(desk.standing, desk.city(city)), execute=execute))


@click.command(cls=ChainCommand)
@CITY
@execute_option
@act_options
def expel(chain: Chain, path: Path, city: str, execute: bool, **who: Any) -> Answer:
    """Propose to end the membership of CITY for good.

    Two thirds of all members, without CITY's own vote, then a week's wait.
    """
    desk = open_desk(chain, path, **who)
    return answer(desk.move(acts.expel(desk.standing, desk.city(city)), execute=execute))


@click.command(cls=ChainCommand)
@CITY
@click.argument("amount", metavar="YUAN", type=Yuan())
@execute_option
@act_options
def reserve(chain: Chain, path: Path, city: str, amount: int, execute: bool, **who: Any) -> Answer:
    """Propose that CITY must leave YUAN in its balance. Two thirds, then a week's wait."""
    desk = open_desk(chain, path, **who)
    return answer(desk.move(acts.set_reserve(desk.standing, desk.city(city), amount), execute=execute))


@click.command(cls=ChainCommand)
@click.option("--max-fare", metavar="YUAN", type=Yuan(), help="Highest fare of a ride: 1 to 1,000.")
@click.option("--grace", type=Length(), help="How stale a gate's list may be: 1h to 7d.")
@click.option("--submission-window", type=Length(), help="How long after its end a ride may be submitted: 2d to 365d.")
@click.option("--dispute-time", type=Length(), help="How long after its settlement a ride may be disputed: 7d to 90d.")
@click.option("--answer-time", type=Length(), help="How long a dispute waits for an answer: 3d to 30d.")
@click.option("--dispute-fee", metavar="YUAN", type=Yuan(), help="What an upheld dispute costs the issuer: 0 to 50.")
@execute_option
@act_options
def parameters(
    chain: Chain,
    path: Path,
    execute: bool,
    voice: str | None,
    account: str | None,
    dry_run: bool,
    **changes: int | None,
) -> Answer:
    """Propose other rules of settlement; those that aren't named stay.

    Two thirds, then a week's wait; they hold for rides that end a grace period after it was carried out, or later, and
    rides of before stay under the rules of before. Only one change can be on its way, until no ride of before may come.
    """
    wanted = {name: value for name, value in changes.items() if value is not None}
    if not wanted:
        raise click.UsageError("expected at least one parameter, such as --max-fare 150: see --help")
    desk = open_desk(chain, path, voice, account, dry_run)
    house = desk.standing.house
    present: Parameters = house.pending or house.parameters
    return answer(desk.move(acts.set_parameters(desk.standing, present._replace(**wanted)), execute=execute))


@click.command(cls=ChainCommand)
@execute_option
@act_options
def resume(chain: Chain, path: Path, execute: bool, **who: Any) -> Answer:
    """Propose to lift the emergency stop of settlement. Two thirds; no wait."""
    desk = open_desk(chain, path, **who)
    return answer(desk.move(acts.resume(desk.standing), execute=execute))


@click.command(cls=ChainCommand)
@click.option("--name", help="Name of its deployment; `local-2` after `local` unless it is given.")
@click.option("--closes-at", metavar="TIME", help="When the present one closes, such as 2027-03-01T00:00:00+08:00.")
@click.option("--in-days", type=click.IntRange(31), default=45, show_default=True, help="The same, counted from now.")
@click.option("--deployer", metavar="NAME", help="Ape account that deploys; a test account on local networks.")
@execute_option
@act_options
def successor(
    chain: Chain,
    path: Path,
    name: str | None,
    closes_at: str | None,
    in_days: int,
    deployer: str | None,
    execute: bool,
    **who: Any,
) -> Answer:
    """Deploy a Clearinghouse that takes over, and propose to name it.

    Writes DEPLOYMENTS/NAME.json. Two thirds, then a week's wait; it has to be carried out 30 days before the present
    one closes. Run again, it deploys nothing twice, and votes for the proposal that is there. Where one is named that
    hasn't taken over yet, it takes that one's place: give another --name for another contract, or another time.
    """
    from ape import project

    from consortium.deployments import require_deployment
    from consortium.roles import deployer_of
    from consortium.succession import make_successor, next_path

    desk = open_desk(chain, path, **who)
    now = desk.standing.now
    closing = now + in_days * 86_400 if closes_at is None else parse_moment(closes_at, now)

    def bytecode(contract: str) -> str:
        return str(project.get_contract(contract).contract_type.deployment_bytecode.bytecode)

    planned = desk.cost_of(acts.name_successor(desk.standing, desk.standing.house.address, closing))
    made = make_successor(
        chain,
        require_deployment(path),
        next_path(path, name),
        deployer_of(chain, deployer),
        bytecode,
        dry_run=desk.dry_run,
    )
    if made.address is None:
        says = (f"deploys a Clearinghouse, writes {made.path}, and proposes it as the one that takes over",)
        notes = (f"it has to be carried out by {format_moment(closing - NAMED_AHEAD)}",)
        return answer(desk.planned("successor", says, (*made.costs, planned), notes))
    outcome = desk.move(acts.name_successor(desk.standing, made.address, closing), execute=execute)
    file = {"successor": made.address, "file": str(made.path)}
    return answer(replace(outcome, receipts=(*made.receipts, *outcome.receipts), more={**outcome.more, **file}))


@click.command("cancel-successor", cls=ChainCommand)
@execute_option
@act_options
def cancel_successor(chain: Chain, path: Path, execute: bool, **who: Any) -> Answer:
    """Propose to call off the successor that is named and hasn't taken over. Two thirds, then a day's wait."""
    desk = open_desk(chain, path, **who)
    return answer(desk.move(acts.cancel_successor(desk.standing), execute=execute))


# ---------------------------------------------------------------- votes


@click.command(cls=ChainCommand)
@click.option("--all", "all_of_them", is_flag=True, help="Those that are over, too.")
@common_options
def proposals(chain: Chain, path: Path, all_of_them: bool) -> Answer:
    """List the open proposals, each in plain words, with its votes and what it waits for."""
    desk = open_desk(chain, path)
    found = desk.proposals(all_of_them=all_of_them)
    document = [one.to_json(desk.standing) for one in found]
    return Answer(document, [proposal_texts(found, desk.standing)], _loud(found))


@click.command(cls=ChainCommand)
@NUMBER
@common_options
def show(chain: Chain, path: Path, number: int) -> Answer:
    """Show a proposal: what it would do, who approved it, what it waits for, and its call."""
    desk = open_desk(chain, path)
    one = desk.proposal(number)
    return Answer(one.to_json(desk.standing), [proposal_texts([one], desk.standing, with_calls=True)], _loud([one]))


@click.command(cls=ChainCommand)
@NUMBER
@execute_option
@vote_options
def vote(chain: Chain, path: Path, number: int, execute: bool, **who: Any) -> Answer:
    """Vote for a proposal."""
    return answer(open_desk(chain, path, **who).vote(number, execute=execute))


@click.command("withdraw-vote", cls=ChainCommand)
@NUMBER
@act_options
def withdraw_vote(chain: Chain, path: Path, number: int, **who: Any) -> Answer:
    """Take a vote back, while the proposal is open."""
    return answer(open_desk(chain, path, **who).withdraw_vote(number))


@click.command(cls=ChainCommand)
@NUMBER
@act_options
def execute(chain: Chain, path: Path, number: int, **who: Any) -> Answer:
    """Carry a proposal out that passed and waited; anyone may.

    Where its wait hasn't begun, or was lost, this begins it. Exit status 1: not yet.
    """
    return answer(open_desk(chain, path, **who).execute(number))


@click.command("mark-passed", cls=ChainCommand)
@NUMBER
@act_options
def mark_passed(chain: Chain, path: Path, number: int, **who: Any) -> Answer:
    """Begin the wait of a proposal that has its two thirds; anyone may.

    Needed where others leaving made its votes enough, or where it lacked them for a time: then its wait begins anew.
    """
    return answer(open_desk(chain, path, **who).mark_passed(number))


@click.command(cls=ChainCommand)
@act_options
def stop(chain: Chain, path: Path, **who: Any) -> Answer:
    """Call for an emergency stop of settlement.

    A quarter of the members, at least two, within a day: then it stands still for 3 days. It stops no withdrawal,
    deposit, answer or refund, and can't be had again for 27 days.
    """
    return answer(open_desk(chain, path, **who).call_stop())


def _loud(found: Sequence[ReadProposal]) -> list[str]:
    return [f"proposal {one.proposal.id}: warning: {line}" for one in found for line in one.reading.warnings]


VOTE_COMMANDS: Final = (
    suspend,
    reinstate,
    expel,
    reserve,
    parameters,
    resume,
    successor,
    cancel_successor,
    proposals,
    show,
    vote,
    withdraw_vote,
    execute,
    mark_passed,
    stop,
)

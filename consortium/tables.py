"""What was done, as tables for people."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from consortium.deploying import Deployed
from consortium.onboarding import Onboarding
from interline.money import format_yuan


def deployment_table(deployed: Deployed) -> Table:
    """The contracts of a deployment."""
    done = f"{len(deployed.receipts)} transactions" if deployed.receipts else "nothing was missing"
    caption = f"{deployed.path}: {done}"
    table = Table(
        title=f"Chain {deployed.deployment.chain_id}", box=box.SIMPLE_HEAD, caption=caption, caption_justify="left"
    )
    table.add_column("contract")
    table.add_column("address", no_wrap=True)
    table.add_column("block", justify="right")
    for name, contract in sorted(deployed.deployment.contracts.items()):
        table.add_row(name, contract.address, str(contract.block))
    return table


def onboarding_table(onboardings: Sequence[Onboarding]) -> Table:
    """What a run did for each city, and what it cost."""
    table = Table(
        title="Onboarding",
        box=box.SIMPLE_HEAD,
        caption="of this run; vote gas is that of other members' approvals, gas all the rest",
        caption_justify="left",
    )
    table.add_column("city", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for heading in ("members", "votes", "gas", "vote gas", "seconds", "deposited"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in onboardings:
        table.add_row(
            one.city.name,
            one.status,
            str(one.members_before),
            "" if one.proposal is None else f"{one.proposal.votes} of {one.proposal.votes_needed}",
            f"{one.gas:,}",
            f"{one.vote_gas:,}",
            f"{one.seconds:.1f}",
            format_yuan(one.state.deposited),
        )
    return table

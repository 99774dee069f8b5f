"""`ape run reconcile`: the books held against the contracts, the chain, and a city's own records."""

from pathlib import Path

import click

from consortium.command import NOT_YET, Answer, ChainCommand, books_options, common_options


@click.command(cls=ChainCommand, short_help="Hold the books against the contracts, and against a city's own records")
@click.argument("city", required=False)
@click.option("--quick", is_flag=True, help="Take the index's word for what happened: leave its audit out.")
@click.option(
    "--journal",
    "journals",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also compare the rides in this journal of an operator's gates (SQLite; it is only read).",
)
@click.option(
    "--issued",
    "registers",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also compare the tickets in this register of an issuer's office (SQLite; it is only read).",
)
@click.option(
    "--bank",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also compare deposits and withdrawals with this file of the bank's: CSV, or camt.053.",
)
@click.option("--tariff", is_flag=True, help="Also price every ride again by its operator's published tariff.")
@click.option(
    "--tariffs",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A GTFS folder of a tariff that held earlier; implies --tariff.",
)
@books_options
@common_options
def cli(chain, path, city, quick, journals, registers, bank, tariff, tariffs, index_file, folder):
    """Compare every balance, made from all rides and events since the first block, with the contracts.

    Then every row of the index is held against the chain's events, and every ride's signature checked again.
    What a city's own records say is compared where you name them; CITY (name or code) says whose they are.

    Each difference is listed with its cause and what to do; see docs/reconciliation.md.

    Exit status: 0 nothing differs, 1 something does, 2 can't work.
    """
    from consortium.deployments import require_deployment
    from consortium.onboarding import require_on_chain
    from ledger.chain import Chain
    from ledger.command import index_path
    from ledger.reconcile.command import Wish, reconcile
    from rpc.provider import node_of

    deployment = require_deployment(path)
    require_on_chain(chain, deployment)
    found = reconcile(
        Wish(city, quick, journals, registers, bank, tariff, tariffs),
        Chain(node_of(chain.web3), deployment.address("Clearinghouse")),
        index_path(path.stem, index_file),
        folder,
        tell=lambda line: click.echo(line, err=True),
    )
    return Answer(found.document(), found.tables, found.remarks, NOT_YET if found.differs else 0)

"""`ape run recompute`: every number of the books, computed again from the rides on chain."""

from contextlib import nullcontext
from pathlib import Path

import click

from consortium.command import NOT_YET, Answer, ChainCommand, common_options


@click.command(cls=ChainCommand, short_help="Compute any city's totals again from the rides on chain, and compare")
@click.argument("cities", metavar="[CITY]...", nargs=-1)
@click.option(
    "--index",
    "index_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read only what this index of the chain lacks, and keep it there; else all of the chain is read anew.",
)
@common_options
def cli(chain, path, cities, index_file):
    """Compute the totals of cities (name or code; else of all) again, and compare every account with the contracts'.

    It reads each ride out of the transactions, checks its issuer's signature, and posts what the events say. Nobody's
    key is needed: any city can recompute any other's totals.

    Exit status: 0 nothing differs, 1 something does, 2 can't work.
    """
    from consortium.deployments import require_deployment
    from consortium.onboarding import require_on_chain
    from ledger.chain import Chain
    from ledger.index.store import Index
    from ledger.recompute import recompute
    from ledger.table import choose_cities, recomputed_table
    from rpc.provider import node_of

    deployment = require_deployment(path)
    require_on_chain(chain, deployment)
    view = Chain(node_of(chain.web3), deployment.address("Clearinghouse"))
    with Index.open(index_file, write=True) if index_file else nullcontext() as index:
        books = recompute(view, index, tell=lambda line: click.echo(line, err=True))
    codes = choose_cities(books.balances, cities)
    wrong = NOT_YET if books.differences else 0
    tables = [recomputed_table(books, code) for code in codes]
    return Answer(books.to_json(codes), tables, [books.verdict(), *books.remarks()], wrong)

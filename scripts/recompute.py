"""`ape run recompute`: every number of the books, computed again from the rides on chain."""

import click

from consortium.command import NOT_YET, Answer, ChainCommand, common_options


@click.command(cls=ChainCommand, short_help="Compute any city's totals again from the rides on chain, and compare")
@click.argument("cities", metavar="[CITY]...", nargs=-1)
@common_options
def cli(chain, path, cities):
    """Compute the totals of cities (name or code; else of all) again, and compare every account with the contracts'.

    It reads each ride out of the transactions, checks its issuer's signature, and posts what the events say. Nobody's
    key is needed: any city can recompute any other's totals.

    Exit status: 0 nothing differs, 1 something does, 2 can't work.
    """
    from consortium.deployments import require_deployment
    from consortium.onboarding import require_on_chain
    from ledger.chain import Chain
    from ledger.recompute import recompute
    from ledger.table import choose_cities, recomputed_table

    deployment = require_deployment(path)
    require_on_chain(chain, deployment)
    books = recompute(
        Chain(chain.web3, deployment.address("Clearinghouse")), tell=lambda line: click.echo(line, err=True)
    )
    codes = choose_cities(books.balances, cities)
    wrong = NOT_YET if books.differences else 0
    tables = [recomputed_table(books, code) for code in codes]
    return Answer(books.to_json(codes), tables, [books.verdict()], wrong)

"""`ape run statement`: a city's statement of account, from the chain alone."""

from pathlib import Path

import click

from consortium.command import Answer, ChainCommand, books_options, common_options

FORMS = ("table", "csv", "xlsx", "json", "camt053", "beancount", "invoices")


@click.command(cls=ChainCommand, short_help="Make a city's statement of account for a day, a month, or from day to day")
@click.argument("city")
@click.option(
    "--period",
    help="2019-12, 2019-12-05 or 2019; or this-month, last-month, today or yesterday, by the city's operating day of "
    "the block.  [default: this-month]",
)
@click.option("--from", "first", metavar="DAY", help="First day, with --to instead of --period.")
@click.option("--to", "last", metavar="DAY", help="Last day, itself included.")
@click.option(
    "--basis",
    type=click.Choice(["accrual", "settlement"]),
    help="By operating day of the exit, or by settlement (cash); accrual, where the format has both.",
)
@click.option("--format", "form", type=click.Choice(FORMS), default="table", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File or folder to write to; else text goes to standard output."
)
@click.option("--block", type=click.IntRange(min=0), help="Make it as of this block; else of the newest.")
@books_options
@common_options
def cli(chain, path, city, period, first, last, basis, form, out, block, index_file, folder):
    """Make the statement of account of CITY (name or code) for a period.

    It names the block that it was made at, and its hash: made again with --block it is the same, byte for byte. See
    docs/statements.md. With --json it is one document, whatever the format of --out.

    Exit status: 0 made, 2 can't work (bad input, no such period or city, a chain that doesn't add up).
    """
    from consortium.deployments import require_deployment
    from consortium.onboarding import require_on_chain
    from ledger.chain import Chain
    from ledger.command import index_path
    from ledger.statement.command import Wish, make
    from rpc.provider import node_of

    deployment = require_deployment(path)
    require_on_chain(chain, deployment)
    wish = Wish(city, period, first, last, basis, form, out, block)
    made = make(
        wish,
        Chain(node_of(chain.web3), deployment.address("Clearinghouse")),
        index_path(path.stem, index_file),
        folder,
        tell=lambda line: click.echo(line, err=True),
    )
    return Answer(made.document, made.tables, made.remarks, output=made.output)

"""`ape run balances`: what each city holds and owes, and the proof that it adds up."""

import click

from consortium.command import NOT_YET, Answer, ChainCommand, common_options


@click.command(cls=ChainCommand, short_help="Show balances, arrears, and the proof that they add up")
@common_options
def cli(chain, path):
    """Show each city's balance, position and arrears at one block, and the proof that they add up.

    The proof: all balances add up to the Clearinghouse's held(), and the tokens it owns are no less than that.

    Exit status: 0 it adds up, 1 it doesn't, 2 can't work.
    """
    from consortium.deployments import require_deployment
    from consortium.onboarding import require_on_chain
    from ledger.chain import read_balances
    from ledger.table import balances_table
    from rpc.provider import node_of

    deployment = require_deployment(path)
    require_on_chain(chain, deployment)
    balances = read_balances(node_of(chain.web3), deployment.address("Clearinghouse"))
    wrong = bool(balances.faults())
    remarks = [balances.proof()] if wrong else []
    return Answer(balances.to_json(), [balances_table(balances)], remarks, NOT_YET if wrong else 0)

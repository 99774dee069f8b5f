"""`ape run deploy`: deploys the contracts with the founders, and sets the founders up."""

from pathlib import Path

import click

from consortium.command import Answer, ChainCommand, common_options


@click.command(cls=ChainCommand, short_help="Deploy the contracts with their founders")
@common_options
@click.option(
    "--cities",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("cities"),
    show_default=True,
    help="The folder of the city files; those that say `founder: true` are the founders.",
)
@click.option("--account", help="Alias of the Ape account that deploys; on local networks a test account unless given.")
@click.option("--bank", help="Address that mints the settlement token; on local networks a test account unless given.")
@click.option("--replace", is_flag=True, help="Deploy anew, and write over the deployment's file.")
def cli(chain, path, cities, account, bank, replace):
    """Deploy SettlementToken, Consortium with its CityRegistry, and Clearinghouse, and set the founders up.

    The founders are the cities whose files say `founder: true`. Their issuer keys and submitters are registered, and
    their opening deposits are made, of tokens that the bank mints where a treasury has too few. Writes
    DEPLOYMENTS/DEPLOYMENT.json. Run again, it does only what is missing.

    Exit status: 0 done, 2 can't work.
    """
    from ape import project

    from consortium.deploying import Plan, deploy
    from consortium.roles import bank_of, deployer_of
    from consortium.tables import deployment_table
    from interline.cities import load_cities

    plan = Plan(
        path=path,
        founders=[city for city in load_cities(cities) if city.founder],
        deployer=deployer_of(chain, account),
        bank=bank_of(chain, bank),
        bytecode=lambda name: str(project.get_contract(name).contract_type.deployment_bytecode.bytecode),
        replace=replace,
    )
    deployed = deploy(chain, plan)
    return Answer(deployed.to_json(), [deployment_table(deployed)])

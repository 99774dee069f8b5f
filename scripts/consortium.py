"""`ape run consortium`: every act of an administrator, by vote or alone, and how all stand."""

import click

from consortium.city_commands import CITY_COMMANDS
from consortium.money_commands import MONEY_COMMANDS
from consortium.recovery_commands import RECOVERY_COMMANDS
from consortium.vote_commands import VOTE_COMMANDS


@click.group(name="consortium", short_help="Govern: propose, vote, keys, money, stop, status")
def cli():
    """Govern: what takes a vote, what a city does alone, and how all stand.

    Who acts signs with an Ape account, found by the address that the chain has for it: keyfile, hardware, Safe.
    --dry-run shows what would change and what it costs, and sends nothing.

    Exit status: 0 done; 1 not yet: votes, time or money are missing; 2 can't work, with the contract's error in words.
    """


for command in (*VOTE_COMMANDS, *RECOVERY_COMMANDS, *CITY_COMMANDS, *MONEY_COMMANDS):
    cli.add_command(command)

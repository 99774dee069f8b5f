"""`ape run onboard`: brings cities into the consortium, step by step or all at once."""

from pathlib import Path

import click

from consortium.command import NOT_YET, Answer, ChainCommand, common_options

CITIES = click.argument("files", metavar="CITY.yaml...", nargs=-1, required=True, type=click.Path(path_type=Path))
AS = click.option("--as", "voice", metavar="CITY", help="The member that acts here (name or code); else whichever can.")


@click.group(name="onboard", short_help="Bring cities in")
def cli():
    """Bring cities in: one is proposed by a member, approved by two thirds of them, and then sets itself up.

    Who does which step signs with their own Ape account; it is found by its address. Run again, each step does only
    what is still missing.

    Exit status: 0 done; 1 not yet: votes are missing, or accounts that aren't here; 2 can't work.
    """


@cli.command(cls=ChainCommand)
@CITIES
@AS
@common_options
def propose(chain, path, files, voice):
    """A member's admin proposes to admit the cities, which counts as the member's vote."""
    from consortium.steps import Phase

    return _bring_in(chain, path, files, Phase.PROPOSE, voice)


@cli.command(cls=ChainCommand)
@CITIES
@AS
@common_options
def approve(chain, path, files, voice):
    """Members' admins approve the proposals: all whose accounts are here, until there are votes enough."""
    from consortium.steps import Phase

    return _bring_in(chain, path, files, Phase.APPROVE, voice)


@cli.command(cls=ChainCommand)
@CITIES
@common_options
def complete(chain, path, files):
    """Execute the proposals that passed, register keys and submitters, make the deposits, and check all that."""
    from consortium.steps import Phase

    return _bring_in(chain, path, files, Phase.COMPLETE)


@cli.command("all", cls=ChainCommand)
@CITIES
@common_options
def everything(chain, path, files):
    """Every step, one city after another, with the accounts that are here: for local chains."""
    from consortium.steps import Phase

    return _bring_in(chain, path, files, Phase.ALL)


def _bring_in(chain, path, files, phases, voice=None):
    from consortium.deployments import require_deployment
    from consortium.onboarding import Office
    from consortium.tables import onboarding_table
    from interline.cities import load_city

    cities = [load_city(file) for file in files]
    office = Office(chain, require_deployment(path))
    code = None if voice is None else office.member(voice).code
    done = [office.bring_in(city, phases, code) for city in cities]
    remarks = [f"{one.city.name}: note: {line}" for one in done for line in one.notes]
    remarks += [f"{one.city.name}: not yet: {line}" for one in done for line in one.waits_for]
    status = NOT_YET if any(one.waits_for for one in done) else 0
    return Answer([one.to_json() for one in done], [onboarding_table(done)], remarks, status)

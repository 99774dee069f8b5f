"""What the commands of `scripts/` share: their connection, their options, and how they end.

Exit status: 0 done; 1 the answer is no (votes or accounts are missing, the balances don't add up); 2 can't work (bad
input, no chain, a contradiction, a transaction that is refused), with a sentence on standard error.
"""

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from ape import accounts
from ape.cli import ConnectedProviderCommand, verbosity_option
from ape.exceptions import ApeException
from rich.console import Console, RenderableType

from consortium.accounts import Signers
from consortium.chain import NODE_ERRORS, Chain
from consortium.deployments import deployment_path
from consortium.errors import ChainError, ConsortiumError
from interline.errors import InterlineError
from ledger.errors import LedgerError

logger = logging.getLogger(__name__)

_WIDTH: Final = 120  # of tables that don't go to a terminal
NOT_YET: Final = 1
"""Exit status where what was asked for isn't so, or not yet."""
CANNOT: Final = 2
"""Exit status where the command can't work."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say."""

    document: Any
    """With --json, on standard output; or a function that makes it."""
    tables: Sequence[RenderableType]
    """Else."""
    remarks: Sequence[str] = ()
    """A line each, on standard error."""
    status: int = 0
    """Exit status."""
    output: bytes | None = None
    """Without --json, on standard output as it is."""


class Cannot(click.ClickException):
    """Ends a command with a sentence on standard error."""

    exit_code = CANNOT


class ChainCommand(ConnectedProviderCommand):
    """A command on a chain of Ape's `--network`, which returns its Answer.

    Its function gets `chain` (a Chain) and `path` (the deployment's file) besides its own options. Only the answer goes
    to standard output: what Ape, its accounts and the compiler say goes to standard error.
    """

    def invoke(self, ctx: click.Context) -> None:
        """Connect, run, answer; end with a sentence where something goes wrong."""
        options = dict(ctx.params)
        as_json = options.pop("as_json")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                answer = self._run(ctx, options)
        except (ConsortiumError, InterlineError, LedgerError) as error:
            raise Cannot(str(error)) from error
        except ApeException as error:
            raise Cannot(f"Ape: {error}") from error
        except NODE_ERRORS as error:
            raise Cannot(f"the chain doesn't answer any more: {type(error).__name__}: {error}") from error
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            logger.debug("not foreseen", exc_info=True)
            raise Cannot(_unforeseen(error)) from error
        _say(answer, as_json)
        ctx.exit(answer.status)

    def _run(self, ctx: click.Context, options: dict[str, Any]) -> Answer:
        assert self.callback is not None
        provider = options.pop("network")
        options.pop("provider_settings", None)
        path = deployment_path(options.pop("deployments"), options.pop("deployment"))
        with _connected(provider) as connected:
            chain = Chain(connected, _signers, tell=lambda line: click.echo(line, err=True))
            answer: Answer = ctx.invoke(self.callback, chain=chain, path=path, **options)
            return answer


def _unforeseen(error: Exception) -> str:
    """A sentence for an error that nobody foresaw; a damaged index is the likeliest of them."""
    words = str(error).splitlines()
    came = f"{type(error).__name__}: {words[0] if words else 'no words'}"
    if type(error).__module__.partition(".")[0] in ("duckdb", "_duckdb"):
        return f"expected an index as it was written, came {came}: delete its file to index anew"
    return f"expected no such thing, came {came}: run it again with --verbosity DEBUG and tell the maintainers"


def common_options(function: _Function) -> _Function:
    """The options that every command has: --deployment, --deployments, --json and Ape's --verbosity."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output, for programs."),
        click.option(
            "--deployments",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("deployments"),
            show_default=True,
            help="The folder of the deployments' files.",
        ),
        click.option("--deployment", default="local", show_default=True, help="Name of the deployment."),
        verbosity_option(default="WARNING"),
    ):
        function = option(function)
    return function


def books_options(function: _Function) -> _Function:
    """The options of commands that read an index of the chain: --index and --cities, as `index_file` and `folder`."""
    for option in (
        click.option(
            "--cities",
            "folder",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            default=Path("cities"),
            show_default=True,
            help="The city files: when days begin, who invoices, and tariffs.",
        ),
        click.option(
            "--index",
            "index_file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The index of the chain, kept from run to run.  [default: out/ledger/DEPLOYMENT.duckdb]",
        ),
    ):
        function = option(function)
    return function


@cache
def _signers(local: bool) -> Signers:
    """The accounts that can sign. Ape takes a second to derive its test accounts: once in a process is enough."""
    return Signers(accounts, with_test_accounts=local)


@contextlib.contextmanager
def _connected(provider: Any) -> Iterator[Any]:
    """The provider, connected. Ape would start a node of its own where none answers: it would be an empty one."""
    if isinstance(provider, str):
        raise ChainError("expected a network, came none: name one with --network, such as ethereum:local")
    is_node = provider.name == "node"
    where = provider.uri if is_node else provider.network_choice
    if is_node and hasattr(provider, "allow_start"):
        provider.allow_start = False
    with contextlib.ExitStack() as stack:
        try:
            connected = stack.enter_context(provider.network.use_provider(provider))
            came = None if connected.is_connected else "no answer"
        except Exception as error:  # Ape's plugins raise what they like
            connected, came = None, f"{type(error).__name__}: {error}"
        if came is not None:
            raise ChainError(
                f"expected a chain at {where}, came {came}: start one with `make chain`, or name another with "
                "--network, such as ethereum:local:http://127.0.0.1:8545"
            )
        yield connected


def _say(answer: Answer, as_json: bool) -> None:
    if as_json:
        document = answer.document() if callable(answer.document) else answer.document
        click.echo(json.dumps(document, ensure_ascii=False))
    elif answer.output is not None:
        click.echo(answer.output, nl=False)
    else:
        width = None if sys.stdout.isatty() else _WIDTH
        console = Console(width=width, markup=False, emoji=False)
        for table in answer.tables:
            console.print(table)
    for line in answer.remarks:
        click.echo(line, err=True)

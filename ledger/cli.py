"""`ledger`: the accountant's command line that needs no ape."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path

import click
import duckdb
import uvicorn

from interline.batch_source import read_batch_files
from interline.cities import load_cities
from interline.errors import InterlineError
from ledger.chain import Chain
from ledger.command import index_path
from ledger.errors import LedgerError
from ledger.index.late import give
from ledger.index.status import index_status
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.pages.app import make_app
from ledger.pages.deployment import read_clearinghouse
from ledger.pages.live import Follower
from rpc import Node

HOST = "127.0.0.1"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Books that an accountant can sign."""


_rpc_option = click.option("--rpc", default="http://127.0.0.1:8545", show_default=True, help="The node's JSON-RPC.")
_deployment_option = click.option("--deployment", default="local", show_default=True, help="Name of the deployment.")
_deployments_option = click.option(
    "--deployments",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("deployments"),
    show_default=True,
    help="The folder of the deployments' files.",
)
_index_option = click.option(
    "--index", type=click.Path(dir_okay=False, path_type=Path), help="[default: out/ledger/DEPLOYMENT.duckdb]"
)
_cities_option = click.option(
    "--cities",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cities"),
    show_default=True,
    help="The folder of the city files.",
)


@main.command("index")
@_rpc_option
@_deployment_option
@_deployments_option
@_index_option
@_cities_option
@click.option(
    "--batch",
    "batch_files",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="A settled batch's bytes, raw or as 0x and digits, where the node doesn't show them; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def bring_up_to_date(
    rpc: str,
    deployment: str,
    deployments: Path,
    index: Path | None,
    cities: Path,
    batch_files: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Bring the index up to date, and list the batches whose rides weren't read.

    A batch's bytes are looked for in the transaction that settled it, and in a trace of that; where they are in
    neither, its money counts all the same. Its operator has them: give them with --batch. They are checked by hash.

    Exit status: 0 every ride was read, 1 some batches weren't, 2 can't work.
    """
    try:
        given = read_batch_files(batch_files)
        files = load_cities(cities)
        chain = Chain(Node.at(rpc), read_clearinghouse(deployments / f"{deployment}.json"))
        with Index.open(index_path(deployment, index), write=True) as opened:
            sync(opened, chain, files, tell=lambda line: click.echo(line, err=True))
            if given:
                give(opened, given)
                sync(opened, chain, files)
            status = index_status(opened)
    except (InterlineError, LedgerError, OSError, duckdb.Error) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from error
    click.echo(json.dumps(status.document(), indent=2) if as_json else "\n".join(status.lines()))
    raise SystemExit(1 if status.unread else 0)


@main.command()
@_rpc_option
@_deployment_option
@_deployments_option
@_index_option
@_cities_option
@click.option("--host", default=HOST, show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8600, show_default=True, help="0 takes a free one.")
@click.option("--archive", is_flag=True, help="Follow no chain: show what is in the index.")
@click.option("-v", "--verbose", is_flag=True, help="Say on standard error what is done.")
def serve(
    rpc: str,
    deployment: str,
    deployments: Path,
    index: Path | None,
    cities: Path,
    host: str,
    port: int,
    archive: bool,
    verbose: bool,
) -> None:
    """Show the books in a browser, live, until Ctrl-C.

    The pages are open to everybody who can reach HOST: put a proxy that asks who it is before them.

    Exit status: 0 ended by a signal, 2 can't work.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")
    try:
        files = load_cities(cities)
        address = None if archive else read_clearinghouse(deployments / f"{deployment}.json")
        with Index.open(index_path(deployment, index), write=not archive) as opened:

            def connect() -> Chain:
                assert address is not None
                return Chain(Node.at(rpc), address)

            follower = Follower(opened, None if archive else connect, files)
            _run(make_app(opened, follower, files), follower, host, port)
    except (InterlineError, LedgerError, OSError, duckdb.Error) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from error


def _run(app: object, follower: Follower, host: str, port: int) -> None:
    with _listener(host, port) as listener:
        follower.start()
        click.echo(f"http://{host}:{listener.getsockname()[1]}/ (Ctrl-C ends it)", err=True)
        try:
            config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)  # type: ignore[arg-type]
            uvicorn.Server(config).run([listener])
        finally:
            follower.stop()


def _listener(host: str, port: int) -> socket.socket:
    """Where browsers come. It says that it speaks TCP: asyncio then sends at once, and doesn't wait 40 ms for more."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise LedgerError(f"expected to listen at {host} port {port}: {error}; choose another --port") from error
    return listener

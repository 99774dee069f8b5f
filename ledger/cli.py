"""`ledger`: the accountant's command line that needs no ape."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import click
import duckdb
import uvicorn
from web3 import Web3

from interline.cities import load_cities
from interline.errors import InterlineError
from ledger.chain import Chain
from ledger.command import index_path
from ledger.errors import LedgerError
from ledger.index.store import Index
from ledger.pages.app import make_app
from ledger.pages.deployment import read_clearinghouse
from ledger.pages.live import Follower

HOST = "127.0.0.1"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Books that an accountant can sign."""


@main.command()
@click.option("--rpc", default="http://127.0.0.1:8545", show_default=True, help="The node's JSON-RPC.")
@click.option("--deployment", default="local", show_default=True, help="Name of the deployment.")
@click.option(
    "--deployments",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("deployments"),
    show_default=True,
    help="The folder of the deployments' files.",
)
@click.option(
    "--index", type=click.Path(dir_okay=False, path_type=Path), help="[default: out/ledger/DEPLOYMENT.duckdb]"
)
@click.option(
    "--cities",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cities"),
    show_default=True,
    help="The folder of the city files.",
)
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
                return Chain(Web3(Web3.HTTPProvider(rpc, request_kwargs={"timeout": 10})), address)

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

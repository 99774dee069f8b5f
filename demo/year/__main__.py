"""`python -m demo.year`: makes the year on a chain, and writes `report.json`, `bank.csv` and `url` into a folder.

Exit status: 0 made, and equal to its plan; 1 the chain did something else; 2 it can't work.
"""

import signal
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from consortium.deployments import deployment_path, write_deployment
from demo.errors import DemoError, NotReadyError
from demo.year.making import SEED, make_plan, make_year, year_chain
from demo.year.report import write_bank_book, write_report
from demo.year.story import REPOSITORY, RIDES
from network.errors import NetworkError


@click.command()
@click.option("--rides", type=click.IntRange(min=300), default=RIDES, show_default=True, help="Rides that settle.")
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Another gives another year.")
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "out" / "year", show_default="out/year")
@click.option("--deployment", default="year", show_default=True, help="Name of the file in deployments/.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the chain; 0 takes a free one.")
@click.option("--serve", "--keep", "serve", is_flag=True, help="Keep the chain running until Ctrl-C.")
@click.option("--processes", type=click.IntRange(min=1), help="That sign; as many as there are cores unless given.")
def main(rides: int, seed: int, out: Path, deployment: str, port: int, serve: bool, processes: int | None) -> None:
    """Make the first year of the interoperability: eleven cities, real signatures, real batches, on a local chain."""
    console = Console(stderr=True)
    out.mkdir(parents=True, exist_ok=True)
    try:
        plan = make_plan(rides, seed)
        with year_chain(rides, port=port) as chain, _progress(console) as progress:
            task = progress.add_task("the year", total=len(plan.rides))
            made = make_year(plan, chain.url, lambda more: progress.advance(task, more), processes)
            progress.stop()
            path = deployment_path(REPOSITORY / "deployments", deployment)
            write_deployment(path, made.deployment)
            write_bank_book(out / "bank.csv", made)
            click.echo(write_report(out / "report.json", made))
            if serve:
                (out / "url").write_text(chain.url + "\n", encoding="utf-8")
                console.print(f"chain at {chain.url}, deployment {deployment}; Ctrl-C ends it")
                for number in (signal.SIGINT, signal.SIGTERM):  # scripts' background jobs ignore the first
                    signal.signal(number, signal.default_int_handler)
                chain.wait()
    except KeyboardInterrupt:
        console.print("ended")
    except (NotReadyError, NetworkError, OSError) as error:
        console.print(f"[red]error:[/red] {error}", soft_wrap=True)
        sys.exit(2)
    except DemoError as error:
        console.print(f"[red]error:[/red] {error}", soft_wrap=True)
        sys.exit(1)


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console)


if __name__ == "__main__":
    main()

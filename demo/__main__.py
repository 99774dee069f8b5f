"""`python -m demo`: tells the whole story with a progress bar, and writes `out/demo/report.html` and `report.json`.

Exit status: 0 if everything was as it should be, 1 if something was not, 2 if the demo couldn't work.
"""

import concurrent.futures
import contextlib
import itertools
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.chapters import FORGED_AT, Chapters, Tale
from demo.errors import DemoError
from demo.report import build_report, shortfalls, targets_missed, write_report
from demo.shifts import Rider
from demo.world import REPOSITORY, Stopwatch, World
from gate_client.errors import GateError
from interline.errors import InterlineError
from issuer_client.errors import IssuerError
from network.errors import NetworkError

ELEVEN, THIRTEEN = 11, 13
LIVE_OPERATORS = (3100, 3301, 3203, 3502)
LIVE_PAUSE = 0.15  # seconds from one live rider to the next


@click.command()
@click.option(
    "--rides-per-pair",
    type=click.IntRange(min=3),
    default=10,
    show_default=True,
    help="Rides for each directed pair of cities.",
)
@click.option("--live", default=100, show_default=True, help="Live rides, for the time from tap to balance.")
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "out" / "demo", help="Folder of the run.")
def main(rides_per_pair: int, live: int, out: Path) -> None:
    """Eleven cities join a consortium, ride, and settle; then two more."""
    console = Console(stderr=True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    began = time.monotonic()
    world, tale = World.create(out), Tale()
    try:
        tell(world, tale, rides_per_pair, live, console)
        report = build_report(world, tale, time.monotonic() - began)
        write_report(report, world, out)
    except (DemoError, GateError, InterlineError, IssuerError, NetworkError, OSError) as error:
        console.print(f"[red]error:[/red] {error}", soft_wrap=True)
        sys.exit(2)
    finally:
        world.chain.stop()
    missed = shortfalls(report)
    for line in missed:
        console.print(f"[red]not as it should be:[/red] {line}", soft_wrap=True)
    for line in targets_missed(report):
        console.print(f"[yellow]slower than meant:[/yellow] {line}", soft_wrap=True)
    cities = len(report["cities"])
    console.print(f"{report['rides_settled']:,} rides settled, {cities} cities, {report['seconds']:.0f} s")
    console.print(f"report: {out / 'report.html'}", soft_wrap=True)
    sys.exit(1 if missed else 0)


def tell(world: World, tale: Tale, rides_per_pair: int, live: int, console: Console) -> None:
    """The chapters in order."""
    codes = [city.code for city in world.cities][:THIRTEEN]
    first, newcomers = codes[:ELEVEN], codes[ELEVEN:]
    founders = sum(city.founder for city in world.cities)
    pairs = [(issuer, operator) for operator in first for issuer in first if issuer != operator]
    new_pairs = [(i, o) for o in codes for i in codes if i != o and (i in newcomers or o in newcomers)]
    new_rides = max(1, rides_per_pair // 5)
    taken = rides_per_pair * len(pairs) + new_rides * len(new_pairs)
    chapters = Chapters(world, tale)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        story = Story(world, progress, total=len(codes) + 3 * taken + live)

        with story.chapter("Three founders deploy the contracts"):
            world.chain.start()
            chapters.found()
            chapters.publish_tariff(FORGED_AT[0])
            story.add(founders)
        with story.chapter("Eight cities join, one after another"):
            story.follow(chapters.join(first[founders:]), since=founders)
        with story.chapter("Tickets are issued, gates sync"):
            world.equip(first)
            chapters.prepare_forgeries()
            riders = chapters.issue(pairs, rides_per_pair)
            live_riders = _flatten(chapters.issue(_live_pairs(first), -(-live // len(_live_pairs(first)))))[:live]
            chapters.sync(first)
        with story.chapter("The chain is stopped. Riders tap in and out"):
            world.chain.stop()
            for codes_read in chapters.shifts(riders, FORGED_AT):
                story.add(codes_read)
        with story.chapter("The chain is back. Gates submit"):
            world.chain.start()
            for settled in chapters.submit(first):
                story.add(settled)
            chapters.attack(FORGED_AT[-1])
        with story.chapter("Live rides, from the exit tap to the balance"):
            chapters.live(LIVE_OPERATORS, live_riders[: live // 2], LIVE_PAUSE)
            story.add(live // 2)
        with story.chapter("Changzhou and Lanzhou join while the gates go on"):
            with concurrent.futures.ThreadPoolExecutor(1) as beside:
                going_on = beside.submit(chapters.live, LIVE_OPERATORS, live_riders[live // 2 :], LIVE_PAUSE)
                story.follow(chapters.join(newcomers), since=len(first))
                going_on.result()
            story.add(live - live // 2)
        with story.chapter("Riders to and from the two new cities"):
            world.equip(newcomers)
            riders = chapters.issue(new_pairs, new_rides)
            chapters.sync(codes)
            for codes_read in chapters.shifts(riders):
                story.add(codes_read)
            for settled in chapters.submit(codes):
                story.add(settled)
        with story.chapter("Rides are disputed and refunded; ten days pass"):
            chapters.corrections(FORGED_AT[0])
        with story.chapter("The accountant reconciles, and makes statements"):
            chapters.books(FORGED_AT[0])
        story.end()


def _live_pairs(members: Sequence[int]) -> list[tuple[int, int]]:
    """The pairs (issuer, operator) of the live rides: all issuers at a few operators."""
    return [(issuer, operator) for operator in LIVE_OPERATORS for issuer in members if issuer != operator]


def _flatten(riders: dict[int, list[Rider]]) -> list[tuple[int, Rider]]:
    """The riders with their operators, the operators taking turns."""
    turns = itertools.zip_longest(*([(operator, rider) for rider in theirs] for operator, theirs in riders.items()))
    return [pair for turn in turns for pair in turn if pair is not None]


class Story:
    """The progress bar over the whole story, and the time that each chapter takes."""

    def __init__(self, world: World, progress: Progress, total: int) -> None:
        self._world, self._progress = world, progress
        self._task = progress.add_task("", total=total)

    @contextlib.contextmanager
    def chapter(self, name: str) -> Iterator[None]:
        """Says what is being done, and times it."""
        self._progress.update(self._task, description=name)
        with Stopwatch(self._world, name):
            yield

    def add(self, steps: int) -> None:
        """So much more of the whole is done."""
        self._progress.advance(self._task, steps)

    def follow(self, counts: Iterable[int], since: int) -> None:
        """Follows a count that grows from `since`."""
        for count in counts:
            self.add(max(0, count - since))
            since = max(since, count)

    def end(self) -> None:
        """All is done."""
        self._progress.update(self._task, completed=self._progress.tasks[0].total)


if __name__ == "__main__":
    main()

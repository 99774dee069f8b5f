"""Make the cities' GTFS tariffs from their lines: `python cities/make_tariffs.py [--check] [CITY...]`.

Each file of `lines/` holds one real line (its stations and the metres between them) and the city's fares by
distance. From it come the files of `tariffs/<city>/`: GTFS schedule, fares version 1, with one rule for every
ordered pair of stations. The generated files are committed, and a test holds that they are what this makes.

Exit status 0: done, or with `--check` all files are up to date; 1: `--check` found a file that differs.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a fare by distance: from the end of the step before it up to `up_to` metres."""

    up_to: int | None
    """Where the step ends, metres, inclusive; None for the last one, which has no end."""
    one_yuan_per: int | None
    """Metres that one more yuan buys; None for the first step, whose price is fixed."""
    yuan: int
    """Price of the first step; 0 for the others."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A station of the line: its place in degrees (WGS 84), and its metres from the line's first station."""

    number: int
    name: str
    name_zh: str
    latitude: float
    longitude: float
    metres: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line and the fares of its city."""

    city: str
    agency: str
    agency_url: str
    name: str
    name_zh: str
    route_type: int
    steps: tuple[Step, ...]
    stops: tuple[Stop, ...]


def read_line(path: Path) -> Line:
    """Read one file of `lines/`."""
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    steps = tuple(Step(s.get("up_to"), s.get("one_yuan_per"), s.get("yuan", 0)) for s in data["fares"])
    return Line(
        city=path.stem,
        agency=data["agency"]["name"],
        agency_url=data["agency"]["url"],
        name=data["line"]["name"],
        name_zh=data["line"]["name_zh"],
        route_type=data["line"]["type"],
        steps=steps,
        stops=tuple(Stop(*row) for row in data["stations"]),
    )


def fare_yuan(steps: Sequence[Step], metres: int) -> int:
    """Price in yuan of a ride of `metres`: the first step's, and one yuan for each later step begun."""
    first, *rest = steps
    assert first.up_to is not None
    yuan, start = first.yuan, first.up_to
    for step in rest:
        assert step.one_yuan_per is not None
        end = metres if step.up_to is None else min(metres, step.up_to)
        if end <= start:
            break
        yuan += -(-(end - start) // step.one_yuan_per)
        start = end
    return yuan


def gtfs_files(line: Line) -> dict[str, str]:
    """Contents of the GTFS files for `line`, by file name."""
    fares = {
        (a.number, b.number): fare_yuan(line.steps, abs(a.metres - b.metres)) for a in line.stops for b in line.stops
    }
    agency = [line.city, line.agency, line.agency_url, "Asia/Shanghai", "zh"]
    return {
        "agency.txt": _table(["agency_id", "agency_name", "agency_url", "agency_timezone", "agency_lang"], [agency]),
        "feed_info.txt": _table(
            ["feed_publisher_name", "feed_publisher_url", "feed_lang"],
            [["Interline test data", "https://interline.example/", "en"]],
        ),
        "stops.txt": _table(
            ["stop_id", "stop_code", "stop_name", "stop_lat", "stop_lon", "zone_id"],
            ([s.number, s.number, s.name, f"{s.latitude:.3f}", f"{s.longitude:.3f}", s.number] for s in line.stops),
        ),
        "translations.txt": _table(
            ["table_name", "field_name", "language", "translation", "record_id"],
            (["stops", "stop_name", "zh", s.name_zh, s.number] for s in line.stops),
        ),
        "routes.txt": _table(
            ["route_id", "agency_id", "route_short_name", "route_long_name", "route_type"],
            [[line.name.removeprefix("Line "), line.city, line.name, _long_name(line), line.route_type]],
        ),
        "fare_attributes.txt": _table(
            ["fare_id", "price", "currency_type", "payment_method", "transfers", "agency_id"],
            ([f"{yuan}yuan", f"{yuan}.00", "CNY", 1, "", line.city] for yuan in sorted(set(fares.values()))),
        ),
        "fare_rules.txt": _table(
            ["fare_id", "origin_id", "destination_id"],
            ([f"{fares[pair]}yuan", *pair] for pair in sorted(fares)),
        ),
    }


def _long_name(line: Line) -> str:
    return f"{line.stops[0].name} - {line.stops[-1].name}"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def outdated(line: Line, folder: Path) -> list[Path]:
    """The files of `folder` that are missing, differ from what `line` makes, or are not made by it."""
    made = gtfs_files(line)
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    stale = [folder / name for name in present - made.keys()]
    for name, text in made.items():
        if name not in present or (folder / name).read_text(encoding="utf-8") != text:
            stale.append(folder / name)
    return sorted(stale)


def write(line: Line, folder: Path) -> None:
    """Write the GTFS files of `line` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in gtfs_files(line).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make, or with `--check` compare, the tariffs of all cities or of those named."""
    parser = argparse.ArgumentParser(description="Make the cities' GTFS tariffs from their lines.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    parser.add_argument("city", nargs="*", help="a file name of lines/ without .yaml; all, if none is named")
    chosen = parser.parse_args(arguments)
    cities = chosen.city or sorted(path.stem for path in (HERE / "lines").glob("*.yaml"))
    stale: list[Path] = []
    for city in cities:
        line = read_line(HERE / "lines" / f"{city}.yaml")
        if chosen.check:
            stale += outdated(line, HERE / "tariffs" / city)
        else:
            write(line, HERE / "tariffs" / city)
    for path in stale:
        sys.stderr.write(f"{path} is not what cities/lines makes: run python cities/make_tariffs.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

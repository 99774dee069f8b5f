"""The report's charts, drawn by matplotlib as SVG."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("svg")

INK, RED, TEAL, GREY = "#1c2733", "#d1345b", "#14808f", "#8a97a3"


@contextmanager
def _chart(width: float, height: float, into: list[str]) -> Iterator[Axes]:
    """An empty chart in the report's style; appends the finished one, as an `<svg>` element, to `into`."""
    style: Any = {
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.edgecolor": GREY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "interline",
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.add_subplot()
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    into.append(svg[svg.index("<svg") :])


def growth(onboarding: Sequence[dict[str, Any]]) -> str:
    """What each city's joining cost, by the number of members before it: its own part, and the votes."""
    drawn: list[str] = []
    with _chart(8.4, 3.4, drawn) as axes:
        places = [city["members_before"] + 1 for city in onboarding]
        own = [city["gas"] / 1000 for city in onboarding]
        votes = [city["vote_gas"] / 1000 for city in onboarding]
        axes.bar(places, own, color=TEAL, width=0.62, label="joining itself")
        axes.bar(places, votes, bottom=own, color=RED, width=0.62, label="the members' votes")
        axes.set_xticks(
            places, [f"{city['city']}\n{place}." for city, place in zip(onboarding, places, strict=True)], fontsize=8
        )
        axes.set_ylabel("gas, thousands")
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2)
    return drawn[0]


def chapters(seconds: dict[str, float]) -> str:
    """Where the time of the demo went."""
    drawn: list[str] = []
    with _chart(8.4, 3.2, drawn) as axes:
        names = list(seconds)[::-1]
        bars = axes.barh(names, [seconds[name] for name in names], color=TEAL, height=0.62)
        axes.bar_label(bars, fmt="%.0f s", padding=4)
        axes.set_xlabel("seconds")
        axes.margins(x=0.1)
    return drawn[0]


def gas_by_batch(batches: Sequence[Sequence[int]]) -> str:
    """Gas for each ride, by how many rides its batch has."""
    drawn: list[str] = []
    with _chart(8.4, 3.0, drawn) as axes:
        axes.scatter(
            [rides for rides, _ in batches], [gas / rides for rides, gas in batches], s=22, color=RED, alpha=0.7
        )
        axes.set_xscale("log")
        axes.set_xlabel("rides in the batch")
        axes.set_ylabel("gas for each ride")
        sizes = sorted({rides for rides, _ in batches})
        axes.set_xticks([size for size in (1, 2, 5, 10, 20, 50, 100, 200) if sizes[0] <= size <= 2 * sizes[-1]])
        axes.set_ylim(bottom=0)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    return drawn[0]

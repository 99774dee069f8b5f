"""The gas benchmark's picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("Agg")

INK: Final = "#1b2a41"
OURS: Final = "#0b6e99"
EVM: Final = "#9db4c0"
NAIVE: Final = "#c1666b"


def draw(found: dict[str, Any], path: Path) -> None:
    """Gas per ride by batch size, and where one more ride's goes."""
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    sizes, parts = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _by_size(sizes, found)
    _one_more_ride(parts, found)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _by_size(axes: Axes, found: dict[str, Any]) -> None:
    batches = found["batches"]
    naive = found["naive"]["batches"]
    axes.plot([r["rides"] for r in naive], [r["per_ride"] for r in naive], color=NAIVE, marker="s", label="naive")
    axes.plot(
        [r["rides"] for r in batches], [r["per_ride"] for r in batches], color=OURS, marker="o", label="Clearinghouse"
    )
    axes.plot(
        [r["rides"] for r in batches],
        [r["bound"] / r["rides"] for r in batches],
        color=EVM,
        linestyle="--",
        label="bound by the EVM's prices",
    )
    axes.axhline(found["target"], color=INK, linewidth=0.8, linestyle=":")
    axes.annotate(
        f"target {found['target']:,}", (1, found["target"]), xytext=(0, -11), textcoords="offset points", fontsize=8
    )
    whole = next(row for row in batches if row["rides"] == found["whole_batch"]["rides"])
    axes.annotate(
        f"{whole['per_ride']:,.0f}",
        (whole["rides"], whole["per_ride"]),
        xytext=(-4, 8),
        textcoords="offset points",
        color=OURS,
        fontweight="bold",
    )
    axes.set(xscale="log", yscale="log", xlabel="rides of one issuer in the batch", title="Gas per ride")
    axes.set_xticks([r["rides"] for r in batches], [f"{r['rides']:,}" for r in batches])
    axes.set_yticks([5_000, 10_000, 20_000, 50_000, 100_000], ["5,000", "10,000", "20,000", "50,000", "100,000"])
    axes.minorticks_off()
    _plain(axes)
    axes.legend(frameon=False)


def _one_more_ride(axes: Axes, found: dict[str, Any]) -> None:
    ride = found["one_more_ride"]
    purposes = dict(reversed(list(ride["purposes"].items())))
    bound = [min(gas, ride["bound_parts"].get(purpose, 0)) for purpose, gas in purposes.items()]
    names = list(purposes)
    axes.barh(names, list(purposes.values()), color=OURS, label="the Clearinghouse's own")
    axes.barh(names, bound, color=EVM, label="bound by the EVM's prices")
    for position, gas in enumerate(purposes.values()):
        axes.text(gas + 25, position, f"{gas:,.0f}", va="center", fontsize=9, color=INK)
    axes.set(title=f"One more ride: {ride['gas']:,.0f} gas", xlim=(0, 3_500))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _plain(axes)
    axes.legend(frameon=False, loc="lower right")


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.title.set_color(INK)

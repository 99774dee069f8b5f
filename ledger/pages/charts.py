"""The charts, as options of ECharts. Their figures stand beside them as tables; colours come from the page's style."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ledger.pages.query import Day


def days_chart(days: Sequence[Day], rides: str, fares: str) -> dict[str, Any]:
    """Rides as bars and fares (yuan) as a line, by operating day."""
    return {
        "legend": {"top": 0},
        "grid": {"left": 8, "right": 8, "top": 36, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "category", "data": [day.day.isoformat() for day in days]},
        "yAxis": [{"type": "value"}, {"type": "value", "splitLine": {"show": False}}],
        "series": [
            {"name": rides, "type": "bar", "data": [day.rides for day in days]},
            {
                "name": fares,
                "type": "line",
                "yAxisIndex": 1,
                "showSymbol": False,
                "data": [day.fares / 100 for day in days],
            },
        ],
    }


def net_flows(fares: Mapping[tuple[int, int], tuple[int, int]]) -> dict[tuple[int, int], int]:
    """What one city owes another net, fen above 0, by (issuer, operator); the largest first."""
    amounts = {pair: amount for pair, (_, amount) in fares.items()}
    net = {pair: amount - amounts.get((pair[1], pair[0]), 0) for pair, amount in amounts.items()}
    return dict(
        sorted(((pair, amount) for pair, amount in net.items() if amount > 0), key=lambda one: (-one[1], one[0]))
    )


def flows_chart(flows: Mapping[tuple[int, int], int], name: Callable[[int], str]) -> dict[str, Any]:
    """Net flows as a Sankey diagram: who pays on the left, who earns on the right. Yuan."""
    payers, earners = {pair[0] for pair in flows}, {pair[1] for pair in flows}
    nodes = [{"name": f"{name(city)} →", "depth": 0} for city in sorted(payers)]
    nodes += [{"name": f"→ {name(city)}", "depth": 1} for city in sorted(earners)]
    links = [
        {"source": f"{name(issuer)} →", "target": f"→ {name(operator)}", "value": amount / 100}
        for (issuer, operator), amount in flows.items()
    ]
    sankey = {
        "type": "sankey",
        "left": 8,
        "right": 96,
        "top": 8,
        "bottom": 8,
        "nodeGap": 10,
        "data": nodes,
        "links": links,
        "lineStyle": {"color": "gradient", "opacity": 0.35},
    }
    return {"tooltip": {"trigger": "item"}, "series": [sankey]}

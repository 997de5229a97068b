"""The chart of cost: an arm a row, what it reaches beside what it computes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from repro.format import figure
from repro.site.archive import Scale
from repro.site.element import Markup
from repro.site.hanging import measurements
from repro.site.plot import chart
from repro.site.suite_page import SIZES, of_arm
from repro.site.tables import nothing, number, table
from repro.site.vega import drawn

ROW, NAMES, REACHED, SIZE = 18, 120, 150, 84  # pixels
NOTE = "Dot: the mean over seeds. Line: the lowest to the highest seed. Sizes on log scales; the cheapest arm first."


@dataclass(frozen=True)
class Reached:
    """An arm: means over its seeds."""

    arm: str
    value: float
    low: float
    high: float
    seeds: int
    sizes: dict[str, float]  # params and macs, where they are known

    def says(self, metric: str) -> str:
        spread = (
            f" ({figure(self.low)} to {figure(self.high)} over {self.seeds} seeds)" if self.seeds > 1 else ""
        )
        sizes = "; ".join(f"{SIZES[key]} {size:,.0f}" for key, size in self.sizes.items())
        return f"{self.arm}: {metric} {figure(self.value)}{spread}; {sizes}"


def main_metric(scale: Scale) -> str | None:
    """The first metric of trained nets that its claims use, else the first that is an error, else any."""
    measured = {name for trial in scale.trials for name in trial.measurements}
    used = [found.name for latest in scale.claims.values() for found in measurements(latest.claim)]
    ranked = [*used, *sorted(measured, key=lambda name: ("error" not in name, name))]
    return next((name for name in ranked if name in measured), None)


def reached(scale: Scale, metric: str) -> list[Reached]:
    """The cheapest arm first."""
    trials, found = scale.trials, list[Reached]()
    for arm in scale.arms:
        measured = [trial.measurements.get(metric) for trial in trials if trial.arm == arm]
        values = [value for value in measured if value is not None]
        sizes = {key: of[0] for key in SIZES if (of := of_arm(trials, arm, key)) and of[0] > 0}
        if values and sizes:
            found.append(
                Reached(arm, sum(values) / len(values), min(values), max(values), len(values), sizes)
            )
    return sorted(found, key=lambda one: (one.sizes.get("macs", 0.0), one.sizes.get("params", 0.0)))


def cost_chart(found: Sequence[Reached], metric: str) -> Markup:
    """`metric`, multiply-adds and parameters side by side, with the arms as rows."""
    values = [
        {
            "arm": one.arm,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "says": one.says(metric),
            **one.sizes,
        }
        for one in found
    ]
    known = [key for key in reversed(SIZES) if any(key in one.sizes for one in found)]
    spec = {
        "data": {"values": values},
        "spacing": 14,
        "hconcat": [_reached(len(values), metric), *(_sized(len(values), key) for key in known)],
    }
    says = f"{metric} of {len(found)} arms beside what they compute"
    return chart(f"{metric}, and what it takes", drawn(spec, says), _table(found, metric), NOTE)


def _reached(rows: int, metric: str) -> dict[str, Any]:
    axis = {"title": None, "labelLimit": NAMES, "labelColor": "var(--ink)", "ticks": False, "grid": True}
    y = {"field": "arm", "type": "nominal", "sort": None, "axis": axis}
    x = {
        "type": "quantitative",
        "scale": {"zero": False},
        "axis": {"title": metric, "tickCount": 3, "grid": False},
    }
    return {
        "width": REACHED,
        "height": ROW * rows,
        "layer": [
            {
                "mark": {"type": "rule", "aria": False, "color": "var(--accent)", "strokeWidth": 1.5},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "y": y},
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 1, "size": 60, "color": "var(--accent)"},
                "encoding": {"x": {"field": "value", **x}, "y": y, "description": {"field": "says"}},
            },
        ],
    }


def _sized(rows: int, key: str) -> dict[str, Any]:
    axis = {"title": SIZES[key].removesuffix(" an image"), "tickCount": 2, "format": "~s", "grid": False}
    return {
        "width": SIZE,
        "height": ROW * rows,
        "mark": {
            "type": "point",
            "aria": False,
            "filled": True,
            "opacity": 1,
            "size": 36,
            "color": "var(--muted)",
        },
        "encoding": {
            "x": {"field": key, "type": "quantitative", "scale": {"type": "log", "nice": True}, "axis": axis},
            "y": {
                "field": "arm",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "labels": False, "ticks": False, "grid": True},
            },
        },
    }


def _table(found: Sequence[Reached], metric: str) -> Markup:
    rows = [
        [
            one.arm,
            number(one.value),
            f"{figure(one.low)} to {figure(one.high)}",
            *(
                number(one.sizes[key], f"{one.sizes[key]:,.0f}") if key in one.sizes else nothing()
                for key in reversed(SIZES)
            ),
        ]
        for one in found
    ]
    head = ("arm", metric, "over seeds", *(SIZES[key] for key in reversed(SIZES)))
    return table(head, rows, caption=f"{metric} and cost", right=range(1, 5))

"""The chart of cost: an arm a row, what it reaches beside what it computes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from repro.format import counted, figure
from repro.result import TrialResult
from repro.site.archive import Scale
from repro.site.element import Markup
from repro.site.hanging import measurements
from repro.site.tables import nothing, number, table
from repro.site.vega import drawn

ROW, NAMES, REACHED, SIZE = 18, 120, 150, 84  # pixels
NOTE = (
    "Dot: the mean over seeds. Line: from the lowest to the highest seed. Sizes on log scales. "
    "The cheapest arm first."
)
SIZES = {"params": "parameters", "macs": "multiply-adds an image"}


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


@dataclass(frozen=True)
class Cost:
    """Of a suite: what its arms reach in its main metric, as a chart and as a table."""

    chart: Markup
    values: Markup

    @classmethod
    def of(cls, scale: Scale) -> Self | None:
        metric = main_metric(scale)
        found = reached(scale, metric) if metric else []
        return cls(cost_chart(found, metric), cost_table(found, metric)) if metric and found else None


def of_arm(trials: Sequence[TrialResult], arm: str, key: str) -> list[float]:
    """What the trials of an arm cost, where it is known."""
    costs = [trial.cost.get(key) for trial in trials if trial.arm == arm]
    return [cost for cost in costs if cost is not None]


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
        {"arm": one.arm, "says": one.says(metric), **one.sizes}
        | {key: _drawn(getattr(one, key)) for key in ("value", "low", "high")}
        for one in found
    ]
    known = [key for key in reversed(SIZES) if any(key in one.sizes for one in found)]
    sizes = [_sized(key, [one.sizes[key] for one in found if key in one.sizes], len(found)) for key in known]
    spec = {"data": {"values": values}, "spacing": 14, "hconcat": [_reached(len(found), metric), *sizes]}
    return drawn(spec, f"{metric} of {counted(len(found), 'arm')} beside what they compute")


def _drawn(value: float) -> float | None:
    """What diverged is not drawn."""
    return value if math.isfinite(value) else None


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


def _sized(key: str, sizes: Sequence[float], rows: int) -> dict[str, Any]:
    """Over whole powers of ten."""
    low, high = math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes)))
    high = max(high, low + 1)
    ticks = [10.0**power for power in range(low, high + 1, -(-(high - low) // 2))]
    axis = {
        "title": SIZES[key].removesuffix(" an image"),
        "values": ticks,
        "format": "~s",
        "grid": False,
        "labelFlush": False,
    }
    scale = {"type": "log", "domain": [10.0**low, 10.0**high]}
    names = {"title": None, "labels": False, "ticks": False, "grid": True}
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
            "x": {"field": key, "type": "quantitative", "scale": scale, "axis": axis},
            "y": {"field": "arm", "type": "nominal", "sort": None, "axis": names},
        },
    }


def cost_table(found: Sequence[Reached], metric: str) -> Markup:
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

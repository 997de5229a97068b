"""The chart of a claim's evidence: margins seed by seed, with the interval as it narrows."""

import math
from collections.abc import Sequence

from repro.evidence import LOOKS, decide
from repro.format import figure, interval
from repro.result import Evidence, PartResult
from repro.site.axis import Axis, covering
from repro.site.element import Markup
from repro.site.plot import Plot, chart, circle
from repro.site.tables import number, table

WIDTH, HEIGHT = 440, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 374, 30, 216


def margins_chart(part: PartResult, evidence: Evidence) -> Markup:
    """The paired differences of a part, seed by seed: their mean so far, and the margins still possible."""
    margins, count = part.margins, len(part.margins)
    ends = [end for end in part.interval or () if end is not None]
    y = covering(
        [*margins, *ends], BOTTOM, TOP, include=[0.0], room=0.25, title="margin: above 0 the claim holds"
    )
    plot = Plot(Axis(0.5, count + 0.5, LEFT, RIGHT, title="seeds, in their order"), y, WIDTH, HEIGHT)
    plot.grid([(i + 1, str(seed)) for i, seed in _thinned(evidence.seeds)])
    open_ = intervals(part, evidence)
    plot.band([(i + 1, *_within(ends, y)) for i, ends in enumerate(open_)], "band")
    plot.level(0.0, "zero")
    means = [_mean(margins[: i + 1]) for i in range(count)]
    plot.line([(i + 1, mean) for i, mean in enumerate(means)], "line")
    told, rows = [], []
    for i, (seed, margin, mean) in enumerate(zip(evidence.seeds, margins, means, strict=True)):
        span = interval(open_[i]) if any(map(math.isfinite, open_[i])) else ""
        known = f"; interval {span}" if span else ""
        told.append((i + 1.0, f"seed {seed}: margin {figure(margin)}; mean so far {figure(mean)}{known}"))
        rows.append([str(seed), number(margin), number(mean), span])
        value = y.low if margin is None else margin
        plot.parts.append(
            circle(plot.x.at(i + 1), y.at(value), 4, "dot" if margin is not None else "dot open")
        )
    if part.decided_at:
        at = plot.x.at(part.decided_at)
        plot.add("line", class_="decided", x1=at, x2=at, y1=TOP, y2=BOTTOM)
    plot.slices(told)
    if means and means[-1] is not None:
        plot.names([(means[-1], "mean", "name")])
    says = (
        f"{count} margins of {part.text}, from {figure(min_(margins))} to {figure(max_(margins))}, "
        f"mean {figure(part.estimate)}"
    )
    head = ("seed", "margin", "mean so far", "interval")
    values = table(head, rows, caption=f"Margins of {part.text}", right=(0, 1, 2, 3), sortable=False)
    note = (
        "Dots: one seed each. Line: their mean so far. Band: the margins that are still possible, "
        "as the last look found them."
    )
    if part.decided_at:
        note += " Upright line: the look at which the verdict came."
    return chart("Margin by seed", plot.svg(says), values, note)


def intervals(part: PartResult, evidence: Evidence) -> list[tuple[float, float]]:
    """After each seed the margins that were still possible, as they were found at the last look."""
    margins = [math.nan if margin is None else margin for margin in part.margins]
    parts = sum(part.is_tried for part in evidence.parts)
    found = [(-math.inf, math.inf)]
    for seeds in range(1, len(margins) + 1):
        at_look = seeds in LOOKS and not any(map(math.isnan, margins[:seeds]))
        found.append(decide(margins[:seeds], evidence.alpha, parts).interval if at_look else found[-1])
    return found[1:]


def _within(ends: tuple[float, float], y: Axis) -> tuple[float, float]:
    """The part of an interval that a chart shows."""
    low, high = (min(max(end, y.low), y.high) for end in ends)
    return low, high


def _mean(margins: Sequence[float | None]) -> float | None:
    known = [margin for margin in margins if margin is not None]
    return sum(known) / len(known) if len(known) == len(margins) else None


def _thinned(seeds: Sequence[int], most: int = 12) -> list[tuple[int, int]]:
    return list(enumerate(seeds))[:: -(-len(seeds) // most) or 1]


def min_(margins: Sequence[float | None]) -> float | None:
    return min((m for m in margins if m is not None), default=None)


def max_(margins: Sequence[float | None]) -> float | None:
    return max((m for m in margins if m is not None), default=None)

"""Charts of a claim's evidence: margins with the interval as it narrows, e-values on the way to a verdict."""

import math
from collections.abc import Sequence

import numpy as np

from repro.evidence import LARGEST_E, Assume, Floats, first_crossings, first_look, log_e
from repro.format import figure, interval
from repro.result import EValues, Evidence, PartResult
from repro.site.axis import Axis, covering
from repro.site.element import Markup
from repro.site.plot import Plot, chart, circle
from repro.site.tables import number, table

WIDTH, HEIGHT = 440, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 374, 30, 216
FINEST = 480  # margins at which the interval is looked for: more than a chart has pixels
E_RANGE = (1e-3, 1e6)  # what is drawn of e-values


def margins_chart(part: PartResult, evidence: Evidence) -> Markup:
    """The paired differences of a part, seed by seed: their mean so far, and the margins still possible."""
    margins, count = part.margins, len(part.margins)
    ends = [end for end in part.interval or () if end is not None]
    y = covering(
        [*margins, *ends], BOTTOM, TOP, include=[0.0], room=0.25, title="margin: above 0 the claim holds"
    )
    plot = Plot(Axis(0.5, count + 0.5, LEFT, RIGHT, title="seeds, in their order"), y, WIDTH, HEIGHT)
    plot.grid([(i + 1, str(seed)) for i, seed in _thinned(evidence.seeds)])
    assume = evidence.assume
    signed = signs(part, assume)
    open_ = [] if signed is None else intervals(signed, evidence.alpha, assume, y.low, y.high)
    plot.band([(i + 1, *(ends or (y.low, y.high))) for i, ends in enumerate(open_)], "band")
    plot.level(0.0, "zero")
    means = [_mean(margins[: i + 1]) for i in range(count)]
    plot.line([(i + 1, mean) for i, mean in enumerate(means)], "line")
    told, rows = [], []
    for i, (seed, margin, mean) in enumerate(zip(evidence.seeds, margins, means, strict=True)):
        where = part.path[i]
        span = interval(part.interval) if i == count - 1 else _about(open_[i], y) if open_ else ""
        known = f"; interval {span}" if span else ""
        told.append((i + 1.0, f"seed {seed}: margin {figure(margin)}; mean so far {figure(mean)}{known}"))
        rows.append([str(seed), number(margin), number(mean), span, number(where[0]), number(where[1])])
        value = margin if margin is not None else (signed[i] if signed is not None else y.low)
        plot.parts.append(
            circle(plot.x.at(i + 1), y.at(value), 4, "dot" if margin is not None else "dot open")
        )
    plot.slices(told)
    if means and means[-1] is not None:
        plot.names([(means[-1], "mean", "name")])
    says = (
        f"{count} margins of {part.text}, from {figure(min_(margins))} to {figure(max_(margins))}, "
        f"mean {figure(part.estimate)}"
    )
    head = ("seed", "margin", "mean so far", "interval", "e-value for", "against")
    values = table(head, rows, caption=f"Margins of {part.text}", right=(0, 1, 2, 3, 4, 5), sortable=False)
    note = "Dots: one seed each. Line: their mean so far. Band: the margins that are still possible."
    return chart("Margin by seed", plot.svg(says), values, note)


def evidence_chart(path: EValues, evidence: Evidence, title: str = "Evidence by seed") -> Markup:
    """E-values for and against after each seed, and what a verdict takes."""
    needed, count = 1 / evidence.alpha, len(path)
    drawn = [min(max(e, E_RANGE[0]), max(E_RANGE[1], needed)) for step in path for e in step]
    y = covering(
        drawn, BOTTOM, TOP, log=True, include=[needed * 1.2, 0.1], title="evidence (e-value, log scale)"
    )
    plot = Plot(Axis(0, max(1, count) + 0.3, LEFT, RIGHT, title="seeds so far"), y, WIDTH, HEIGHT)
    plot.grid([(n, str(n)) for n, _ in _thinned(range(count + 1))])
    plot.level(needed, "threshold")
    plot.text(LEFT + 6, y.at(needed) - 5, f"verdict at {needed:g}", "tick")
    plot.level(1.0, "zero")
    for side, class_ in ((0, "line"), (1, "line against")):
        points = [(0.0, 1.0), *((n, step[side]) for n, step in enumerate(path, start=1))]
        plot.line(points, class_)
        for n, value in points[1:]:
            plot.dot(n, value, "dot small" if side == 0 else "dot small open", 2.5)
    if evidence.decided_at and path is evidence.path:
        at = plot.x.at(evidence.decided_at)
        plot.add("line", class_="decided", x1=at, x2=at, y1=TOP, y2=BOTTOM)
    if path:
        plot.names([(path[-1][0], "for", "name"), (path[-1][1], "against", "name muted")])
    plot.slices(
        [
            (n, f"after {n} seeds: {figure(e)} for, {figure(f)} against")
            for n, (e, f) in enumerate(path, start=1)
        ]
    )
    rows = [[str(n), number(e), number(f)] for n, (e, f) in enumerate(path, start=1)]
    values = table(("seeds", "for", "against"), rows, caption=title, right=(0, 1, 2), sortable=False)
    last = f"{figure(path[-1][0])} for and {figure(path[-1][1])} against" if path else "none"
    note = "Solid: for the claim. Dashed: against it. The first of the two at the upper line is the verdict."
    return chart(
        title, plot.svg(f"Evidence after {count} seeds: {last}; a verdict takes {needed:g}"), values, note
    )


def signs(part: PartResult, assume: Assume) -> Floats | None:
    """The margins; None if they do not lead to the e-values of the result."""
    found = np.array([math.nan if margin is None else margin for margin in part.margins])
    with np.errstate(all="ignore"):
        paths = np.exp(
            np.minimum(np.stack([log_e(found, assume), log_e(-found, assume)], axis=-1), math.log(LARGEST_E))
        )
    return found if np.allclose(paths, np.array(part.path).reshape(-1, 2), rtol=1e-4, atol=1e-12) else None


def intervals(
    margins: Floats, alpha: float, assume: Assume, low: float, high: float
) -> list[tuple[float, float] | None]:
    """After each seed the margins between `low` and `high` still possible; None before any verdict is.

    `repro.evidence.decide` finds them to the last bit, in 15 ms for each seed; these are good to a pixel, all
    in 2 ms.
    """
    grid = np.linspace(low, high, FINEST)
    with np.errstate(all="ignore"):
        up, down = first_crossings(
            np.where(np.isfinite(margins), margins - grid[:, None], margins), alpha, assume
        )
    found = list[tuple[float, float] | None]()
    for seeds in range(1, margins.size + 1):
        not_reproduced, not_refuted = (up > seeds) | (up > down), (down > seeds) | (down > up)
        lowest = grid[not_reproduced.argmax()] if not_reproduced.any() else high
        highest = grid[::-1][not_refuted[::-1].argmax()] if not_refuted.any() else low
        known = seeds >= first_look(alpha, assume)
        found.append((float(lowest), float(max(lowest, highest))) if known else None)
    return found


def _about(ends: tuple[float, float] | None, y: Axis) -> str:
    """An interval that is only known to a pixel, and open where it leaves the chart."""
    if ends is None:
        return ""
    step = (y.high - y.low) / FINEST
    digits = max(0, -math.floor(math.log10(step)) - 1) if step > 0 else 0
    low, high = (f"{end:.{min(digits, 12)}f}" for end in ends)
    return f"[{'…' if ends[0] <= y.low else low}, {'…' if ends[1] >= y.high else high}]"


def _mean(margins: Sequence[float | None]) -> float | None:
    known = [margin for margin in margins if margin is not None]
    return sum(known) / len(known) if len(known) == len(margins) else None


def _thinned(seeds: Sequence[int], most: int = 12) -> list[tuple[int, int]]:
    return list(enumerate(seeds))[:: -(-len(seeds) // most) or 1]


def min_(margins: Sequence[float | None]) -> float | None:
    return min((m for m in margins if m is not None), default=None)


def max_(margins: Sequence[float | None]) -> float | None:
    return max((m for m in margins if m is not None), default=None)

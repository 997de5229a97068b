"""The forest plot: of each claim that seeds decide the margin in units of its spread, with its interval."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from repro.format import counted, figure
from repro.result import ClaimResult, PartResult, verdict
from repro.site import address
from repro.site.element import Markup, element
from repro.site.papers import Paper
from repro.site.vega import drawn

WIDTH = 356  # pixels: as wide as a phone has room for
ROW, HEAD, TOP = 6.0, 19, 4  # pixels of a claim at most, of a paper's title, and above all
TALL, LOWEST = 1750, 2.5  # pixels of all columns together, and of a claim at least
COLUMNS = 3
LONGEST, CUT = (
    52,
    42,
)  # letters of a title, and of one that is cut, of which wide letters must fit a phone, too
EDGE = 30.0  # in units of the spread; what lies beyond is drawn there
TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30)
KINDS = ("reproduced", "refuted", "undecided", "not as expected")
COLOURS = ("var(--accent)", "var(--ink)", "var(--muted)", "var(--alarm)")
SHAPES = ("circle", "diamond", "square", "triangle-up")
HOW_TO_READ = (
    "A row is a claim that trained or timed nets decide: how far, on average, the paper's side is ahead, "
    "divided by how much that differs from seed to seed, with the interval of what is still possible. "
    "Right of 0 the claim holds."
)
LEGEND = element(
    "p",
    [
        element("span", element("span", sign, class_=f"mark {kind}"), f" {name}", class_="key")
        for name, kind, sign in (
            ("reproduced", "reproduced", "●"),
            ("refuted", "refuted", "◆"),
            ("undecided", "undecided", "■"),
            ("not as expected", "alarm", "▲"),
        )
    ],
    class_="legend",
)


@dataclass(frozen=True)
class Row:
    """A claim: `margin`, `low` and `high` are in units of the spread of its margins over the seeds."""

    name: str
    says: str
    page: str
    kind: str
    margin: float
    low: float
    high: float


def rows(paper: Paper, up: str = "") -> list[Row]:
    """Those of a paper that seeds decide, the clearest first."""
    found = [
        _row(claim, name, scale.suite, f"{up}{address.claim(scale.suite, scale.profile, name)}", part)
        for scale in paper.scales
        for name, latest in scale.claims.items()
        if (part := weakest(claim := latest.claim))
    ]
    return sorted(found, key=lambda row: -row.margin)


def weakest(claim: ClaimResult) -> PartResult | None:
    """The part that estimate and interval of a claim are of, if seeds decide it."""
    evidence = claim.evidence
    tried = [part for part in evidence.parts if part.is_tried and part.estimate is not None]
    same = (
        part for part in tried if (part.estimate, part.interval) == (evidence.estimate, evidence.interval)
    )
    return next(same, tried[0] if tried else None)


def spread(part: PartResult) -> float:
    """The standard deviation of its margins over the seeds; infinite where one of them is."""
    margins = [margin for margin in part.margins if margin is not None]
    if not all(map(math.isfinite, margins)):
        return math.inf
    return stdev(margins) if len(margins) > 1 else 0.0


def _row(claim: ClaimResult, name: str, suite: str, page: str, part: PartResult) -> Row:
    unit = spread(part)
    low, high = part.interval or (None, None)
    margin, low, high = (
        _in_units(value, unit)
        for value in (part.estimate, -math.inf if low is None else low, math.inf if high is None else high)
    )
    told = f"margin {figure(margin)} spreads" if 0 < unit < math.inf else f"margin {figure(part.estimate)}"
    says = f"{name} ({suite}): {verdict(claim)}; {told}; {claim.says}"
    return Row(
        name,
        says,
        page,
        claim.verdict if claim.as_expected else KINDS[3],
        *map(_on_axis, (margin, low, high)),
    )


def _in_units(value: float | None, unit: float) -> float:
    value = value or 0.0
    if math.isinf(value):
        return value
    return value / unit if unit else math.copysign(math.inf, value) if value else 0.0


def _on_axis(value: float) -> float:
    return min(max(value, -EDGE), EDGE)


def forest(papers: Iterable[Paper], up: str = "") -> list[Markup]:
    """A chart a column, of about the same height, with the papers in their order."""
    groups = [(paper, found) for paper in papers if (found := rows(paper, up))]
    claims = sum(len(found) for _, found in groups)
    row = max(LOWEST, min(ROW, (TALL - HEAD * len(groups)) / max(claims, 1)))
    heights = [HEAD + row * len(found) for _, found in groups]
    columns: list[list[tuple[Paper, list[Row]]]] = [[] for _ in range(COLUMNS)]
    below = 0.0
    for group, height in zip(groups, heights, strict=True):
        columns[min(COLUMNS - 1, int((below + height / 2) / (sum(heights) / COLUMNS)))].append(group)
        below += height
    return [_column(column, row, up) for column in columns if column]


def _column(groups: Sequence[tuple[Paper, Sequence[Row]]], height: float, up: str) -> Markup:
    values: list[dict[str, Any]] = []
    titles: list[dict[str, Any]] = []
    y: float = TOP
    for paper, found in groups:
        titles.append(
            {"text": _short(paper.dated_title), "page": f"{up}{address.paper(paper.title)}", "y": y + 13}
        )
        y += HEAD
        for row in found:
            values.append({**vars(row), "top": y, "y": y + height / 2, "bottom": y + height})
            y += height
    place = {
        "type": "quantitative",
        "scale": {"domain": [0, y], "range": [0, y], "nice": False},
        "axis": None,
    }
    across = {
        "type": "quantitative",
        "scale": {"type": "symlog", "domain": [-EDGE, EDGE], "nice": False},
        "axis": {"values": TICKS, "title": "margin, in units of its spread over the seeds"},
    }
    kinds = {"domain": KINDS, "range": COLOURS}
    colour = {"field": "kind", "type": "nominal", "scale": kinds, "legend": None}
    at = {"x": {"field": "margin", **across}, "y": {"field": "y", **place}}
    says = {"description": {"field": "says"}, "href": {"field": "page"}}
    marks: list[dict[str, Any]] = [
        {
            "data": {"values": [{}]},  # one line, not one a claim
            "mark": {"type": "rule", "aria": False, "color": "var(--muted)"},
            "encoding": {"x": {"datum": 0, **across}},
        },
        {
            "mark": {"type": "rule", "aria": False, "strokeWidth": 1.5, "opacity": 0.5},
            "encoding": {
                "x": {"field": "low", **across},
                "x2": {"field": "high"},
                "y": {"field": "y", **place},
                "color": colour,
            },
        },
        {
            "mark": {"type": "point", "aria": False, "filled": True, "size": 22, "opacity": 1},
            "encoding": {
                **at,
                "color": colour,
                "shape": {
                    "field": "kind",
                    "type": "nominal",
                    "scale": {"domain": KINDS, "range": SHAPES},
                    "legend": None,
                },
            },
        },
        {
            "mark": {"type": "rect", "color": "transparent"},
            "encoding": {
                "x": {"value": 0},
                "x2": {"value": WIDTH},
                "y": {"field": "top", **place},
                "y2": {"field": "bottom"},
                **says,
            },
        },
        {
            "data": {"values": titles},
            "mark": {
                "type": "text",
                "aria": False,
                "align": "left",
                "fontSize": 12,
                "fontWeight": 600,
                "stroke": "var(--paper)",
                "strokeWidth": 3,
            },
            "encoding": {
                "x": {"value": 0},
                "y": {"field": "y", **place},
                "text": {"field": "text"},
                "href": {"field": "page"},
            },
        },
    ]
    spec = {"width": WIDTH, "height": y, "data": {"values": values}, "layer": marks}
    first, last = groups[0][0], groups[-1][0]
    papers = first.dated_title if first == last else f"from {first.dated_title} to {last.dated_title}"
    return drawn(spec, f"Margins of {counted(len(values), 'claim')}: {papers}")


def _short(title: str) -> str:
    return title if len(title) <= LONGEST else f"{title[:CUT].rsplit(' ', 1)[0]} … {title[-4:]}"

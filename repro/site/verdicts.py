"""Verdicts as marks: readable without colour, and small enough to show thirty runs in a row."""

import re
from collections.abc import Sequence

from repro.result import ClaimResult, verdict
from repro.site.archive import LightClaim, LightResult
from repro.site.element import Markup, element

MARKS = {"reproduced": "✓", "refuted": "✗", "undecided": "?"}
RUNS = 30  # shown of a history
STEP, SIDE, HEIGHT = 8, 6, 12  # pixels of the mark of a run
SHAPES = {  # a full square, a cross, and a frame
    "reproduced": "M{x},1h6v6h-6z",
    "refuted": "M{x},1l6,6m-6,0l6,-6",
    "undecided": "M{x}.6,1.6h4.8v4.8h-4.8z",
}


def badge(claim: ClaimResult) -> Markup:
    """`✗ refuted (as known)`, `? undecided (expected reproduced)`; one that is not as expected stands out."""
    kind = f"verdict {claim.verdict}" + ("" if claim.as_expected else " unexpected")
    mark = element("span", MARKS[claim.verdict], class_="mark", aria_hidden="true")
    told = re.split(r"[(),]", verdict(claim).removeprefix(claim.verdict))
    rest = "; ".join(part.strip() for part in told if part.strip())
    return element(
        "span",
        mark,
        " ",
        claim.verdict,
        element("span", f" ({rest})", class_="rest") if rest else None,
        class_=kind,
    )


def squares(history: Sequence[tuple[LightResult, LightClaim | None]]) -> Markup:
    """A mark a run, the oldest first, underlined where not as expected; a dot where it was not asked."""
    paths: dict[str, list[str]] = {}
    for place, (_, claim) in enumerate(history):
        x = place * STEP + 1
        if claim is None:
            paths.setdefault("absent", []).append(f"M{x + 2},4h2")
            continue
        paths.setdefault(claim.verdict, []).append(SHAPES[claim.verdict].format(x=x))
        if not claim.as_expected:
            paths.setdefault("unexpected", []).append(f"M{x},10.5h{SIDE}")
    text = "".join(MARKS[claim.verdict] if claim else "·" for _, claim in history)
    return element(
        "svg",
        element("title", f"{text} (oldest first)"),
        [element("path", d="".join(shapes), class_=kind) for kind, shapes in paths.items()],
        class_="squares",
        role="img",
        viewBox=f"0 0 {len(history) * STEP} {HEIGHT}",
        width=len(history) * STEP,
        height=HEIGHT,
    )


def legend() -> Markup:
    """What the marks mean."""
    return element(
        "p",
        [
            element("span", element("span", mark, class_=f"mark {name}"), f" {name}", class_="key")
            for name, mark in MARKS.items()
        ],
        element("span", "underlined: not as expected", class_="key"),
        class_="legend",
    )

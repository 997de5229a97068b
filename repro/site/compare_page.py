"""The page that compares two runs of a suite, claim by claim.

Any two can be chosen; without a script it shows the last two.
"""

from collections.abc import Sequence

from repro.format import figure, interval
from repro.site import address
from repro.site.archive import LightClaim, LightResult, Scale
from repro.site.element import Markup, element, link
from repro.site.page import moment_text, page, trail
from repro.site.tables import table
from repro.site.verdicts import MARKS

RUNS = 20  # to choose from


def compare_page(scale: Scale) -> str:
    """Of a suite with two runs at least."""
    up = address.UP
    runs = [run.glance for run in scale.runs[-RUNS:]]
    names = list(dict.fromkeys(name for run in reversed(runs) for name in run.claims))
    suite = link(f"{up}{address.suite(scale.suite, scale.profile)}", f"{scale.suite} at {scale.profile}")
    return page(
        f"Two runs of {scale.suite} at {scale.profile}",
        trail(
            ("Claims", f"{up}{address.CLAIMS}"),
            (f"{scale.suite} at {scale.profile}", f"{up}{address.suite(scale.suite, scale.profile)}"),
            ("two runs", None),
        ),
        element("h1", "Two runs of ", suite),
        element(
            "p",
            "Verdict, margin and interval of each claim. What differs is marked; "
            "whether by more than chance, ",
            element("code", "repro compare"),
            " tells, seed by seed.",
            class_="lead",
        ),
        _choice(runs),
        table(
            ("claim", *(_head(run) for run in runs)),
            [
                [
                    _claim(scale, name, up),
                    *(_cell(run.claims.get(name), i, runs) for i, run in enumerate(runs)),
                ]
                for name in names
            ],
            caption=f"Claims of {scale.suite} at {scale.profile}, run by run",
            sortable=False,
            class_="runs-compared",
        ),
        up=up,
    )


def _choice(runs: Sequence[LightResult]) -> Markup:
    def select(name: str, label: str, chosen: int) -> Markup:
        options = [
            element("option", f"{moment_text(run.finished)}  {run.id}", value=i, selected=i == chosen)
            for i, run in enumerate(runs)
        ]
        return element("label", f"{label} ", element("select", options, id=name))

    last = len(runs) - 1
    return element(
        "div",
        select("before", "before", last - 1),
        select("after", "after", last),
        element("span", id="differing", aria_live="polite"),
        class_="filters",
        id="compare",
        hidden=True,
    )


def _head(run: LightResult) -> Markup:
    return element("time", moment_text(run.finished), datetime=run.finished)


def _claim(scale: Scale, name: str, up: str) -> Markup:
    if name not in scale.claims:
        return element("th", name, scope="row")
    return element("th", link(f"{up}{address.claim(scale.suite, scale.profile, name)}", name), scope="row")


def _cell(claim: LightClaim | None, place: int, runs: Sequence[LightResult]) -> Markup:
    """Of the runs but the last two only a script shows it."""
    older = place < len(runs) - 2
    if claim is None:
        return element("td", "not asked", class_="none", data_said="", hidden=older)
    said = f"{claim.verdict} {figure(claim.evidence.estimate)}"
    surprise = "" if claim.as_expected else " unexpected"
    return element(
        "td",
        element(
            "span", f"{MARKS[claim.verdict]} {claim.verdict}", class_=f"verdict {claim.verdict}{surprise}"
        ),
        element(
            "span", f"{figure(claim.evidence.estimate)} {interval(claim.evidence.interval)}", class_="spread"
        ),
        data_said=said,
        hidden=older,
    )

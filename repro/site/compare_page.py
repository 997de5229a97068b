"""The page that compares two runs of a suite, claim by claim.

Any two can be chosen; without a script it shows the last two. Of those it has what `repro compare` says, too.
"""

from collections.abc import Sequence

from repro.format import figure, interval
from repro.nightly.compare import Comparison, compare
from repro.nightly.compare_text import SAYS
from repro.nightly.measurements import REGRESSIONS
from repro.result import Result
from repro.site import address
from repro.site.archive import LightClaim, LightResult, Scale
from repro.site.element import Markup, element, link
from repro.site.glossary import term
from repro.site.page import moment_text, page, trail
from repro.site.tables import number, table
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
            "Verdict, margin and interval of each claim, and arms that are trivial. What differs is marked; "
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
        _last_two(scale, *both) if (both := scale.last_two()) else None,
        up=up,
    )


def _last_two(scale: Scale, base: Result, new: Result) -> Markup:
    """What `repro compare` says of them. A script hides it where another two are chosen."""
    found = compare([base], [new])
    before, after = (run.glance.commit for run in scale.runs[-2:])
    return element(
        "section",
        element("h2", "What ", element("code", "repro compare"), " says of the last two"),
        element(
            "p",
            f"Both: {before}." if before == after else f"Before: {before}. After: {after}.",
            class_="note",
        ),
        _changed(found),
        _lines("Gone: what the run before had", found.gone),
        _lines("All seeds alike, which they were not before", found.alike),
        _lines("Notes", found.notes),
        _lines("What to run next, for the first regression", found.next, "code"),
        id="last-two",
    )


def _changed(found: Comparison) -> Markup:
    """Measurements that changed by more than chance, for the worse first."""
    kinds = (*REGRESSIONS, "better", "found")
    changes = sorted(
        (one for one in found.measurements if one.kind in kinds), key=lambda one: kinds.index(one.kind)
    )
    if not changes:
        return element("p", "No measurement has changed by more than chance.")
    rows = [
        [
            element("code", f"{one.quantity}({one.arm})"),
            number(one.base),
            number(one.new),
            "" if one.p is None else f"{one.p:.1g}",
            SAYS[one.kind],
        ]
        for one in changes
    ]
    head = ("measurement", "before", "after", term("p (value)", "p"), "")
    return table(head, rows, caption="Measurements that changed", right=(1, 2, 3), sortable=False)


def _lines(title: str, lines: Sequence[str], kind: str = "span") -> Markup | None:
    if not lines:
        return None
    return element(
        "div", element("h3", title), element("ul", [element("li", element(kind, line)) for line in lines])
    )


def _choice(runs: Sequence[LightResult]) -> Markup:
    def select(name: str, label: str, chosen: int) -> Markup:
        options = [
            element(
                "option",
                f"{moment_text(run.finished)}  {run.commit}  {run.id}",
                value=i,
                selected=i == chosen,
            )
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
    return element(
        "span",
        element("time", moment_text(run.finished), datetime=run.finished),
        element("span", run.commit, class_="spread"),
    )


def _claim(scale: Scale, name: str, up: str) -> Markup:
    if name not in scale.claims:
        return element("th", name, scope="row")
    return element("th", link(f"{up}{address.claim(scale.suite, scale.profile, name)}", name), scope="row")


def _cell(claim: LightClaim | None, place: int, runs: Sequence[LightResult]) -> Markup:
    """Of the runs but the last two only a script shows it."""
    older = place < len(runs) - 2
    if claim is None:
        return element("td", "not asked", class_="none", data_said="", hidden=older)
    trivial = ", ".join(f"{arm} is trivial" for arm in claim.trivial)
    said = f"{claim.verdict} {figure(claim.evidence.estimate)} {trivial}".rstrip()
    surprise = "" if claim.as_expected else " unexpected"
    return element(
        "td",
        element(
            "span", f"{MARKS[claim.verdict]} {claim.verdict}", class_=f"verdict {claim.verdict}{surprise}"
        ),
        element(
            "span", f"{figure(claim.evidence.estimate)} {interval(claim.evidence.interval)}", class_="spread"
        ),
        element("span", trivial, class_="spread") if trivial else None,
        data_said=said,
        hidden=older,
    )

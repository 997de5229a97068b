"""The page of a claim: what the paper says, what was asked, every number, why the verdict is what it is."""

import shlex
from collections.abc import Iterable, Mapping

from repro.archive import Latest
from repro.errors import ReproError
from repro.expectation import Measurement, parse
from repro.format import duration, figure, interval
from repro.report.text import meaning
from repro.result import ArmResult, ClaimResult, Evidence, PartResult, Result, verdict
from repro.site import address
from repro.site.archive import Scale
from repro.site.arms import comparison
from repro.site.element import Child, Markup, element, link
from repro.site.evidence_charts import margins_chart
from repro.site.page import page, time, trail
from repro.site.papers import paper
from repro.site.tables import facts, nothing, number, table
from repro.site.verdicts import MARKS, RUNS, badge, legend, squares


def claim_page(scale: Scale, name: str, latest: Latest) -> str:
    claim, result, up = latest.claim, latest.result, address.UP
    return page(
        f"{name}: {verdict(claim)} ({scale.suite} at {scale.profile})",
        trail(
            ("Claims", f"{up}{address.FRONT}"),
            (f"{scale.suite} at {scale.profile}", f"{up}{address.suite(scale.suite, scale.profile)}"),
            (name, None),
        ),
        element("h1", name),
        element("p", badge(claim), class_="verdict-line"),
        element("blockquote", element("p", claim.says), element("footer", paper(result.paper, claim.source))),
        facts(
            [
                ("expects", element("code", claim.expect)),
                ("known", f"{claim.expected} is expected: {claim.because}" if claim.because else None),
                ("ledger", ", ".join(claim.ledger) or None),
                ("worded", _worded(claim)),
                ("took", duration(claim.seconds) if claim.evidence.seeds else None),
                ("timed", _timed(claim, result)),
                ("run", [time(result.finished), f" ({result.id})"]),
                ("again", element("code", f"{result.command} -k {shlex.quote(name)}")),
            ]
        ),
        _conclusion(claim),
        _charts(claim.evidence),
        element("section", element("h2", "Values"), _values(claim), _reported(claim)),
        element("section", element("h2", "Arms"), comparison(_arms(claim, result))),
        element("section", element("h2", "In other runs"), *_history(scale, name)),
        up=up,
    )


def _worded(claim: ClaimResult) -> str | None:
    """Whether it was worded otherwise before."""
    again = str(claim.formulation or "")
    return f"{again} that these seeds have judged; the register has those before" if again else None


def _conclusion(claim: ClaimResult) -> Markup:
    evidence = claim.evidence
    rows = [_part(part) for part in evidence.parts]
    head = ("decided", "part", "margin", "interval")
    parts = table(head, rows, caption="What the claim comes down to", right=(2, 3), sortable=False)
    several = (
        "It holds when each of its parts does, and is refuted when one is, at its share of the level: "
        "alpha divided by the number of parts that seeds decide."
    )
    nothing_to_chance = "What decides it needs no seeds: chance has no part in it."
    return element(
        "section",
        element(
            "h2", "What the verdict rests on" if claim.verdict != "undecided" else "Why there is no verdict"
        ),
        parts,
        element("p", several) if len(evidence.parts) > 1 else None,
        [element("p", line) for line in meaning(claim)]
        or element("p", nothing_to_chance if not evidence.seeds else None),
    )


def _part(part: PartResult) -> list[Child]:
    if part.why:
        return [element("td", "✗ no value"), element("code", part.text), element("td", part.why), ""]
    if part.holds is not None:
        mark = element("td", "✓ holds" if part.holds else "✗ does not hold")
        return [mark, element("code", part.text), number(part.estimate), ""]
    by_seeds = f"{part.verdict} at seed {part.decided_at}" if part.decided_at else "undecided"
    return [by_seeds, element("code", part.text), number(part.estimate), interval(part.interval)]


def _charts(evidence: Evidence) -> Markup | None:
    """The margins of each part that seeds decide."""
    tried = [part for part in evidence.parts if part.is_tried and part.margins]
    if not tried:
        return None
    if len(tried) == 1:
        return element("div", margins_chart(tried[0], evidence), class_="pair")
    each = [
        [
            element("h3", element("code", part.text)),
            element("div", margins_chart(part, evidence), class_="pair"),
        ]
        for part in tried
    ]
    return element("section", element("h2", "Evidence"), each)


def _values(claim: ClaimResult) -> Markup:
    evidence, names = claim.evidence, list(claim.values)
    if not evidence.seeds:
        rows: Iterable[list[Child]] = [
            [element("code", name), number(values[0])] for name, values in claim.values.items()
        ]
        return table(("measurement", "value"), rows, caption="Values", right=(1,), sortable=False)
    single = evidence.parts[0] if len(evidence.parts) == 1 else None
    rows = []
    for i, seed in enumerate(evidence.seeds):
        cells = [
            number(values[i] if len(values) == len(evidence.seeds) else values[0])
            for values in claim.values.values()
        ]
        rows.append([number(seed, str(seed)), *cells, *([number(single.margins[i])] if single else [])])
    head = ("seed", *(element("code", name) for name in names), *(["margin"] if single else []))
    return table(head, rows, caption="Values by seed", right=range(len(head)))


def _reported(claim: ClaimResult) -> Markup | None:
    """The paper's numbers beside ours, which are means over the seeds."""
    if not claim.reported:
        return None
    rows = []
    for name, value in claim.reported.items():
        known = [v for v in claim.values.get(name, ()) if v is not None]
        mean = sum(known) / len(known) if known else None
        spread = f"{figure(min(known))} to {figure(max(known))}" if len(known) > 1 else ""
        mine = (
            [nothing(), spread, nothing()] if mean is None else [number(mean), spread, number(mean - value)]
        )
        rows.append([element("code", name), number(value), *mine])
    return element(
        "div",
        element("h3", "The paper's numbers"),
        element(
            "p",
            "Shown, not tested: the paper's nets, data and training are seldom those of this profile.",
            class_="note",
        ),
        table(
            ("measurement", "paper", "here", "over seeds", "difference"),
            rows,
            caption="Reported and measured",
            right=(1, 2, 3, 4),
        ),
    )


def _timed(claim: ClaimResult, result: Result) -> str | None:
    """What the clock was read around, if the claim is about what was timed."""
    wanted = {(measurement.name, measurement.subject) for measurement in _measurements(claim)}
    regions = dict.fromkeys(
        t.region for t in result.timings if any((name, t.name) in wanted for name in t.measurements)
    )
    seeds = (
        "A seed is a round of timing: every net once, in a process of its own, with the machine to itself."
    )
    return f"{'; '.join(regions)}. {seeds}" if regions else None


def _arms(claim: ClaimResult, result: Result) -> Mapping[str, ArmResult]:
    """Those that the expectation names, in its order."""
    named = dict.fromkeys(measurement.arm for measurement in _measurements(claim))
    return {arm: result.arms[arm] for arm in named if arm in result.arms}


def _measurements(claim: ClaimResult) -> Iterable[Measurement]:
    try:
        return parse(claim.expect).measurements
    except ReproError:
        return ()  # a result of another version, with a larger language


def _history(scale: Scale, name: str) -> Iterable[Child]:
    history = scale.history(name, RUNS)
    yield squares(history)
    yield legend()
    rows = [
        [
            time(run.finished),
            f"{MARKS[claim.verdict]} {claim.verdict}",
            "as expected" if claim.as_expected else f"expected {claim.expected}",
            run.id,
            link(f"{address.UP}{address.result(scale.suite, scale.profile, run.id)}", "JSON")
            if any(used.id == run.id for used in scale.results)
            else "",
        ]
        for run, claim in reversed(history)
        if claim
    ]
    runs = table(
        ("ended", "verdict", "", "run", "numbers"), rows, caption=f"Verdicts of the last {len(rows)} runs"
    )
    yield element("details", element("summary", f"The last {len(rows)} runs"), runs)

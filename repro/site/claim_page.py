"""The page of a claim: what the paper says, what was asked, every number, why the verdict is what it is."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from repro.archive import Latest
from repro.catalogue import CLOCKS, COUNTS, declaration
from repro.evidence import LOOKS
from repro.format import counted, duration, interval, ranges
from repro.register import Entry
from repro.report.text import meaning
from repro.result import ArmResult, ClaimResult, Evidence, PartResult, Result, verdict
from repro.site import address
from repro.site.archive import Scale
from repro.site.arms import comparison
from repro.site.curves import Arms, explained, of_claim, panels
from repro.site.element import Child, Markup, element, link
from repro.site.evidence_charts import margins_chart
from repro.site.glossary import linked, named, term, unit
from repro.site.hanging import measurements
from repro.site.history import claim_history
from repro.site.page import page, time, trail
from repro.site.papers import paper
from repro.site.pictures import pictures
from repro.site.reported import beside, reported
from repro.site.suite_page import of_paper
from repro.site.tables import facts, number, table
from repro.site.verdicts import MARKS, RUNS, badge, legend, squares

MOST = 12  # claims that hang on an arm; more are folded away
SHORT = 320  # characters of what a suite says of itself; more are folded away


@dataclass(frozen=True)
class Beside:
    """What a claim's page shows that its result does not hold."""

    pictures: Mapping[str, str]  # addresses by name
    worded: Sequence[Entry]  # all wordings that its seeds have judged, the oldest first
    hanging: Sequence[tuple[Scale, str, Latest]]  # the other claims that share an arm with it
    curves: Mapping[str, Arms]  # of its suite, by quantity


def claim_page(scale: Scale, name: str, latest: Latest, beside_it: Beside) -> str:
    claim, result, up = latest.claim, latest.result, address.UP
    arms = _arms(claim, result)
    numbers = [row for _, row in reported(claim)]
    return page(
        f"{name}: {verdict(claim)} ({scale.suite} at {scale.profile})",
        trail(
            of_paper(scale, up),
            (f"{scale.suite} at {scale.profile}", f"{up}{address.suite(scale.suite, scale.profile)}"),
            (name, None),
        ),
        element("h1", name),
        element("p", badge(claim), class_="verdict-line"),
        element("p", "In the glossary: ", _words(claim), ".", class_="note"),
        element("blockquote", element("p", claim.says), element("footer", paper(result.paper, claim.source))),
        facts(
            [
                ("expects", element("code", linked(claim.expect))),
                ("measures", _measures(claim, result)),
                (
                    term("as expected", "known"),
                    f"{claim.expected} is expected: {claim.because}" if claim.because else None,
                ),
                (term("ledger"), ", ".join(claim.ledger) or None),
                (term("formulation", "worded"), _worded(claim)),
                ("took", duration(claim.seconds) if claim.evidence.seeds else None),
                ("timed", _timed(claim, result)),
                ("run", [time(result.finished), f" ({result.id}, ", _json(scale, result.id), ")"]),
                ("again", element("code", f"{result.command} -k {shlex.quote(name)}")),
            ]
        ),
        _about(result.about),
        _conclusion(claim),
        _charts(claim.evidence),
        beside(numbers) if numbers else None,
        _pictures(scale, beside_it.pictures, arms),
        _curves(claim, beside_it.curves, arms, result.units),
        element("section", element("h2", "Values"), _values(claim)),
        element("section", element("h2", "Arms"), comparison(arms)),
        _hanging(beside_it.hanging),
        _register(claim, beside_it.worded),
        element("section", element("h2", "In other runs"), *_history(scale, name)),
        up=up,
    )


def _words(claim: ClaimResult) -> list[Child]:
    """Links to what the words of its verdict mean."""
    said = {
        "verdict": True,
        "as expected": claim.expected != "reproduced",
        "contested": claim.contested,
        "formulation": bool(str(claim.formulation or "")),
        "trivial": bool(claim.trivial),
        "without seeds": not claim.evidence.seeds,
    }
    words = [word for word, applies in said.items() if applies]
    return [[", " if i else None, term(word)] for i, word in enumerate(words)]


def _measured(claim: ClaimResult) -> list[str]:
    """The names of what it measures, in the order of its values."""
    return list(dict.fromkeys(name.partition("(")[0] for name in claim.values))


def _measures(claim: ClaimResult, result: Result) -> list[Child]:
    """What is measured, in which unit, and which way is better."""
    found = list[Child]()
    for name in _measured(claim):
        declared = declaration(name) if name in COUNTS.targets else result.declared(name)
        found += [
            "; " if found else None,
            element("code", named(name)),
            " (",
            unit(declared),
            ")",
        ]
    return found


def _about(said: str | None) -> Markup | None:
    """What the suite says of itself; a long text is folded."""
    if not said:
        return None
    text = element("p", said)
    if len(said) <= SHORT:
        return text
    return element("details", element("summary", "How this was tried, and what differs from the paper"), text)


def _worded(claim: ClaimResult) -> str | None:
    """Whether it was worded otherwise before."""
    again = str(claim.formulation or "")
    return f"{again} that these seeds have judged; the register has those before" if again else None


def _pictures(scale: Scale, places: Mapping[str, str], arms: Mapping[str, ArmResult]) -> Markup | None:
    shown = pictures(scale, places, arms) if arms else []
    return element("section", element("h2", "Pictures"), shown) if shown else None


def _curves(
    claim: ClaimResult, curves: Mapping[str, Arms], arms: Mapping[str, ArmResult], units: Mapping[str, str]
) -> Markup | None:
    """How its arms were trained, in what the claim compares them by."""
    trained = [name for name in _measured(claim) if name not in COUNTS.targets and name not in CLOCKS.targets]
    shown = of_claim(curves, arms, trained) if claim.evidence.seeds and trained else {}
    if not shown:
        return None
    why = explained(shown, trained)
    return element(
        "section",
        element("h2", "Training"),
        element("p", why, class_="note") if why else None,
        panels(shown, units),
    )


def _hanging(found: Sequence[tuple[Scale, str, Latest]]) -> Markup | None:
    if not found:
        return None
    rows = [
        [
            element("td", badge(latest.claim), class_="state"),
            element(
                "td",
                link(f"{address.UP}{address.claim(scale.suite, scale.profile, name)}", name),
                element("p", latest.claim.says),
                class_="claim",
            ),
            link(
                f"{address.UP}{address.suite(scale.suite, scale.profile)}",
                f"{scale.suite} at {scale.profile}",
            ),
        ]
        for scale, name, latest in found
    ]
    shown = table(
        ("verdict", "claim", "suite"), rows, caption="Claims that share an arm with this one", class_="stack"
    )
    return element(
        "section",
        element("h2", "What else hangs on its arms"),
        element("p", "If a net here is wrong, so are these.", class_="note"),
        element("details", element("summary", counted(len(rows), "claim")), shown)
        if len(rows) > MOST
        else shown,
    )


def _register(claim: ClaimResult, entries: Sequence[Entry]) -> Markup | None:
    """All verdicts that the register has of it, where those are several."""
    if len(entries) < 2:
        return None
    rows = [
        [
            time(entry.at),
            element("code", entry.expect),
            f"{MARKS[entry.verdict]} {entry.verdict}",
            element("td", ranges(sorted(entry.seeds)), class_="state"),
            "today’s" if claim.formulation and entry.formulation == claim.formulation.digest else "",
        ]
        for entry in entries
    ]
    earlier = any(len(entry.seeds) < LOOKS[0] for entry in entries)
    return element(
        "section",
        element("h2", "In the register"),
        element(
            "p",
            "Every wording that judging seeds have been shown, with its first verdict on these seeds: a run "
            "that repeats one adds no line, and one with further seeds does. Where two wordings read alike, "
            "an arm or the level was another.",
            f" Verdicts on fewer than {LOOKS[0]} seeds are those of an earlier rule." if earlier else None,
            class_="note",
        ),
        table(("judged", "expects", "verdict", "seeds", "wording"), rows, caption="Wordings", sortable=False),
    )


def _conclusion(claim: ClaimResult) -> Markup:
    evidence = claim.evidence
    rows = [_part(part) for part in evidence.parts]
    head = ("decided", "part", term("margin"), term("interval"))
    parts = table(head, rows, caption="What the claim comes down to", right=(2, 3), sortable=False)
    several = [
        "It holds when each of its parts does, and is refuted when one is, at its share of the ",
        term("level (alpha)", "level"),
        ": alpha divided by the number of parts that seeds decide.",
    ]
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
    by_seeds = f"{part.verdict} after {part.decided_at} seeds" if part.decided_at else "undecided"
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
            [element("code", linked(name)), number(values[0])] for name, values in claim.values.items()
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


def _timed(claim: ClaimResult, result: Result) -> str | None:
    """What the clock was read around, if the claim is about what was timed."""
    wanted = {(measurement.name, measurement.subject) for measurement in measurements(claim)}
    regions = dict.fromkeys(
        t.region for t in result.timings if any((name, t.name) in wanted for name in t.measurements)
    )
    seeds = (
        "A seed is a round of timing: every net once, in a process of its own, with the machine to itself."
    )
    return f"{'; '.join(regions)}. {seeds}" if regions else None


def _arms(claim: ClaimResult, result: Result) -> Mapping[str, ArmResult]:
    """Those that the expectation names, in its order."""
    named = dict.fromkeys(measurement.arm for measurement in measurements(claim))
    return {arm: result.arms[arm] for arm in named if arm in result.arms}


def _history(scale: Scale, name: str) -> Iterable[Child]:
    history = scale.history(name, RUNS)
    asked = [(run, claim) for run, claim in history if claim]
    if len(asked) < 2:
        yield element("p", "There is no other run of it yet.")
        return
    yield squares(history)
    yield legend()
    yield claim_history(scale, name)
    rows = [
        [
            time(run.finished),
            f"{MARKS[claim.verdict]} {claim.verdict}",
            element("td", ranges(claim.evidence.seeds), class_="state"),
            "as expected" if claim.as_expected else f"expected {claim.expected}",
            run.id,
            _json(scale, run.id) if any(used.id == run.id for used in scale.results) else "",
        ]
        for run, claim in reversed(asked)
    ]
    runs = table(
        ("ended", "verdict", "seeds", "expected", "run", "numbers"),
        rows,
        caption=f"Verdicts of the last {len(rows)} runs",
    )
    yield element("details", element("summary", f"The last {len(rows)} runs"), runs)


def _json(scale: Scale, run: str) -> Markup:
    return link(f"{address.UP}{address.result(scale.suite, scale.profile, run)}", "JSON")

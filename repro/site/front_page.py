"""The front page: what holds, what does not, and what changed since the run before."""

from collections import Counter
from collections.abc import Sequence

from repro import result
from repro.report.text import promise
from repro.site import address
from repro.site.archive import Archive, Change, Scale
from repro.site.claim_table import claim_table
from repro.site.element import Child, Markup, element, link
from repro.site.page import page, time
from repro.site.tables import table
from repro.site.verdicts import MARKS, badge, legend


def front_page(archive: Archive) -> str:
    claims = [latest.claim for scale in archive.scales for latest in scale.claims.values()]
    unexpected = sum(not claim.as_expected for claim in claims)
    changes = [(scale, change) for scale in archive.scales for change in scale.changes()]
    return page(
        "Claims and their verdicts",
        element("h1", "Claims and their verdicts"),
        _summary(claims, unexpected, len(changes)),
        element("p", f"{_sentence(promise(claims, result.falsely_reproduced(claims)))}", class_="lead")
        if promise(claims, 0)
        else None,
        _problems(archive.problems),
        element("section", element("h2", "Changed since the run before"), _changes(changes), id="changed"),
        element("section", element("h2", "Not as expected"), _unexpected(archive.scales), id="unexpected"),
        element("h2", "All claims"),
        _filters(),
        legend(),
        [_suite(scale) for scale in archive.scales],
        element("p", "No claim is like that.", id="none", hidden=True),
        made=f"From {archive.runs} runs of {len({scale.suite for scale in archive.scales})} suites.",
    )


def _summary(claims: Sequence[result.ClaimResult], unexpected: int, changed: int) -> Markup:
    counts = Counter[str](claim.verdict for claim in claims)
    tiles: list[tuple[int, str, str]] = [(counts[name], f"{MARKS[name]} {name}", name) for name in MARKS]
    tiles += [
        (unexpected, "! not as expected", "alarm" if unexpected else ""),
        (changed, "↻ changed verdict", ""),
    ]
    return element(
        "ul",
        [
            element("li", element("strong", count), " ", element("span", text), class_=class_ or None)
            for count, text, class_ in tiles
        ],
        class_="summary",
        aria_label=f"{len(claims)} claims",
    )


def _changes(changes: Sequence[tuple[Scale, Change]]) -> Markup:
    if not changes:
        return element("p", "No claim has another verdict than in the run before.")
    rows = [
        [
            element("td", _claim_link(scale, change.name), element("p", _where(scale)), class_="claim"),
            element("td", f"{MARKS[change.before.verdict]} {change.before.verdict}", class_="state"),
            element("td", "→ ", badge(change.after), class_="state"),
            element("td", time(change.since)),
            "the expectation is another one, too" if change.before.expect != change.after.expect else "",
        ]
        for scale, change in changes
    ]
    return table(
        ("claim", "was", "is", "run before", ""),
        rows,
        caption="Claims with a changed verdict",
        class_="stack",
    )


def _unexpected(scales: Sequence[Scale]) -> Markup:
    rows = [
        [
            element("td", badge(latest.claim), class_="state"),
            element("td", _claim_link(scale, name), element("p", latest.claim.says), class_="claim"),
            element("td", link(address.suite(scale.suite, scale.profile), _where(scale))),
        ]
        for scale in scales
        for name, latest in scale.claims.items()
        if not latest.claim.as_expected
    ]
    if not rows:
        return element("p", "Every claim ends as expected.")
    return table(
        ("verdict", "claim", "suite"), rows, caption="Claims that are not as expected", class_="stack"
    )


def _filters() -> Markup:
    kinds = [
        ("", "all"),
        *((name, f"{mark} {name}") for name, mark in MARKS.items()),
        ("unexpected", "! not as expected"),
    ]
    buttons = [
        element("button", text, type="button", data_state=state, aria_pressed="false" if state else "true")
        for state, text in kinds
    ]
    field = element(
        "input", type="search", id="filter", placeholder="name, suite or words", autocomplete="off"
    )
    return element(
        "div",
        element("label", "Filter ", field),
        element("div", buttons, class_="choice", role="group", aria_label="Verdict"),
        element("span", id="shown", aria_live="polite"),
        class_="filters",
        hidden=True,
    )


def _suite(scale: Scale) -> Markup:
    claims = [latest.claim for latest in scale.claims.values()]
    counts = Counter[str](claim.verdict for claim in claims)
    last = scale.latest
    known = promise(claims, result.falsely_reproduced(claims))
    return element(
        "section",
        element(
            "h3",
            link(address.suite(scale.suite, scale.profile), scale.suite),
            element("span", f" at {scale.profile}", class_="muted"),
        ),
        element(
            "p",
            ", ".join(f"{counts[name]} {name}" for name in MARKS if counts[name]) or "no claims",
            f". {_sentence(known)}" if known else ".",
            f" {len(scale.runs)} runs, the last " if len(scale.runs) > 1 else " One run, ",
            time(last.finished),
            "." if last.complete else ", of some of the claims.",
            class_="note",
        ),
        claim_table(scale),
        class_="suite",
        data_words=f"{scale.suite} {scale.profile}",
    )


def _problems(problems: Sequence[str]) -> Markup | None:
    if not problems:
        return None
    return element(
        "section",
        element("h2", "Files that are not results"),
        element("ul", [element("li", problem) for problem in problems]),
        class_="problems",
    )


def _claim_link(scale: Scale, name: str) -> Markup:
    return link(address.claim(scale.suite, scale.profile, name), name)


def _where(scale: Scale) -> str:
    return f"{scale.suite} at {scale.profile}"


def _sentence(text: str) -> Child:
    return f"{text[:1].upper()}{text[1:]}." if text else ""

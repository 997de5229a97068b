"""The page of all claims, by paper: to search, to filter, to sort."""

from collections import Counter

from repro import result
from repro.report.text import promise
from repro.site import address
from repro.site.archive import Archive, Scale
from repro.site.claim_table import claim_table
from repro.site.element import Markup, element, link
from repro.site.page import page, time
from repro.site.papers import Paper, by_paper
from repro.site.verdicts import MARKS, legend


def claims_page(archive: Archive) -> str:
    return page(
        "All claims",
        element("h1", "All claims"),
        element("p", "By paper, the oldest first. A click on a column’s head sorts by it.", class_="lead"),
        _filters(),
        legend(),
        [_paper(paper) for paper in by_paper(archive.scales)],
        element("p", "No claim is like that.", id="none", hidden=True),
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
        "input", type="search", id="filter", placeholder="name, paper, arXiv or words", autocomplete="off"
    )
    return element(
        "div",
        element("label", "Filter ", field),
        element("div", buttons, class_="choice", role="group", aria_label="Verdict"),
        element("span", id="shown", aria_live="polite"),
        class_="filters",
        hidden=True,
    )


def _paper(paper: Paper) -> Markup:
    return element(
        "section",
        element("h2", link(address.paper(paper.title), paper.dated_title)),
        [_suite(scale) for scale in paper.scales],
        class_="paper",
        data_words=paper.words,
    )


def _suite(scale: Scale) -> Markup:
    return element(
        "section",
        element(
            "h3",
            link(address.suite(scale.suite, scale.profile), scale.suite),
            element("span", f" at {scale.profile}", class_="muted"),
        ),
        said(scale),
        claim_table(scale, history=False),
        class_="suite",
        data_words=f"{scale.suite} {scale.profile}",
    )


def said(scale: Scale) -> Markup:
    """How a suite's claims end, and when it was run."""
    claims = [latest.claim for latest in scale.claims.values()]
    counts = Counter[str](claim.verdict for claim in claims)
    known, last = promise(claims, result.falsely_reproduced(claims)), scale.latest
    return element(
        "p",
        ", ".join(f"{counts[name]} {name}" for name in MARKS if counts[name]) or "no claims",
        f". {known[:1].upper()}{known[1:]}." if known else ".",
        f" {len(scale.runs)} runs, the last " if len(scale.runs) > 1 else " One run, ",
        time(last.finished),
        "." if last.complete else ", of some of the claims.",
        class_="note",
    )

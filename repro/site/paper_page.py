"""The page of a paper: what it claims, how that ends here, its pictures, its numbers beside ours."""

from collections.abc import Mapping

from repro.site import address
from repro.site.archive import Scale
from repro.site.claim_table import claim_table
from repro.site.claims_page import said
from repro.site.element import Child, Markup, element, link
from repro.site.forest import HOW_TO_READ, LEGEND, forest
from repro.site.page import page, trail
from repro.site.papers import Paper, paper
from repro.site.pictures import pictures as shown_pictures
from repro.site.reported import beside, reported
from repro.site.verdicts import legend


def paper_page(of: Paper, pictures: Mapping[tuple[str, str], Mapping[str, str]]) -> str:
    """`pictures` are the addresses of those that there are, by suite and profile, then by name."""
    up = address.UP
    charts = forest([of], up)
    read = element("p", HOW_TO_READ, " ", link(f"{up}{address.GLOSSARY}", "All words"), ".", class_="note")
    return page(
        of.title,
        trail(("Papers", f"{up}{address.FRONT}#all"), (of.title, None)),
        element("h1", of.title),
        element("p", paper(of.found), class_="lead") if of.found else None,
        _section("What seeds decide", read, LEGEND, element("div", charts, class_="forest"))
        if charts
        else None,
        element("section", element("h2", "Claims"), legend(), [_suite(scale, up) for scale in of.scales]),
        _reported(of, up),
        _pictures(of, pictures),
        up=up,
    )


def _section(title: str, *content: Child) -> Markup:
    return element("section", element("h2", title), *content)


def _suite(scale: Scale, up: str) -> list[Markup]:
    title = link(f"{up}{address.suite(scale.suite, scale.profile)}", scale.suite)
    return [
        element("h3", title, element("span", f" at {scale.profile}", class_="muted")),
        said(scale),
        claim_table(scale, up),
    ]


def _reported(of: Paper, up: str) -> Markup | None:
    """All numbers of the paper that claims name, each once."""
    rows: dict[tuple[str, str, str], list[Child]] = {}
    for scale in of.scales:
        for name, latest in scale.claims.items():
            to = link(f"{up}{address.claim(scale.suite, scale.profile, name)}", name)
            for measurement, cells in reported(latest.claim):
                rows.setdefault((scale.suite, scale.profile, measurement), [*cells, to])
    return beside(rows.values(), "claim") if rows else None


def _pictures(of: Paper, pictures: Mapping[tuple[str, str], Mapping[str, str]]) -> Markup | None:
    found = [
        figure
        for scale in of.scales
        for figure in shown_pictures(scale, pictures.get((scale.suite, scale.profile), {}))
    ]
    return _section("Pictures", found) if found else None

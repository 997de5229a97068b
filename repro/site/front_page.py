"""The front page: what this is, a picture, what holds of each paper, and what changed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repro import result
from repro.format import counted
from repro.report.text import promise
from repro.site import address
from repro.site.archive import Archive, Change, Scale
from repro.site.element import Child, Markup, element, link
from repro.site.forest import HOW_TO_READ, LEGEND, forest, rows, weakest
from repro.site.glossary import term
from repro.site.page import page, time
from repro.site.papers import Paper, by_paper
from repro.site.tables import nothing, number, table
from repro.site.verdicts import MARKS, badge

MOST = 8  # rows of what changed, and of what is not as expected; the page of all claims has the rest
WHAT = (
    "The papers that made computer vision say why nets got better. Here each such claim is a test: nets are "
    "trained with several seeds, and it ends as reproduced, refuted or undecided."
)

Places = Mapping[tuple[str, str], Mapping[str, str]]  # of pictures, by suite and profile, then by name


@dataclass(frozen=True)
class Shown:
    """A picture, with the claim that it stands for."""

    scale: Scale
    name: str
    file: str
    claim: str


def front_page(archive: Archive, pictures: Places) -> str:
    papers = by_paper(archive.scales)
    claims = [latest.claim for scale in archive.scales for latest in scale.claims.values()]
    unexpected = [
        (scale, name)
        for scale in archive.scales
        for name, latest in scale.claims.items()
        if not latest.claim.as_expected
    ]
    changes = [(scale, change) for scale in archive.scales for change in scale.changes()]
    suites = {scale.suite for scale in archive.scales}
    named = sum(paper.found is not None for paper in papers)
    known = promise(claims, result.falsely_reproduced(claims))
    shown = best_picture(archive.scales, pictures)
    return page(
        "Do the papers' claims hold?",
        element(
            "div",
            element(
                "div",
                element("h1", "Do the papers’ claims hold?"),
                element("p", WHAT, class_="lead"),
                _summary(claims, len(unexpected), len(changes)),
                element("p", f"{_sentence(known)}", class_="note") if known else None,
            ),
            _figure(shown) if shown else None,
            class_="hero",
        ),
        _problems(archive.problems),
        _forest(papers),
        element("section", element("h2", "Changed since the run before"), _changes(changes), id="changed"),
        element(
            "section",
            element("h2", "Not as expected"),
            _unexpected(unexpected),
            _known(claims),
            id="unexpected",
        ),
        element(
            "section",
            element("h2", "All claims, by paper"),
            element(
                "p",
                link(address.CLAIMS, f"All {counted(len(claims), 'claim')}"),
                " in one list, to search and to filter.",
            ),
            _papers(papers),
            id="all",
        ),
        made=f"From {counted(archive.runs, 'run')} of {counted(len(suites), 'suite')}"
        f" on {counted(named, 'paper')}.",
    )


def best_picture(scales: Sequence[Scale], pictures: Places) -> Shown | None:
    """Of the pictures one whose suite holds the reproduced claim with the clearest margin."""
    found = []
    for paper in by_paper(scales):
        for scale in paper.scales:
            places = pictures.get((scale.suite, scale.profile), {})
            best = [
                row for row in rows(Paper(paper.title, paper.found, (scale,))) if row.kind == "reproduced"
            ]
            for name in list(places)[:1] if best else ():
                found.append((best[0].margin, Shown(scale, name, places[name], best[0].name)))
    return max(found, key=lambda pair: pair[0], default=(0.0, None))[1]


def _figure(shown: Shown) -> Markup:
    scale = shown.scale
    says = scale.pictures[shown.name][0].says
    claim = scale.claims[shown.claim].claim
    return element(
        "figure",
        link(
            address.suite(scale.suite, scale.profile),
            element("img", src=shown.file, alt=f"{says} {scale.suite} at {scale.profile}"),
        ),
        element("figcaption", badge(claim), " ", _claim_link(scale, shown.claim), f": {claim.says}"),
        class_="glance",
    )


def _summary(claims: Sequence[result.ClaimResult], unexpected: int, changed: int) -> Markup:
    counts = Counter[str](claim.verdict for claim in claims)
    tiles: list[tuple[int, str, str, str]] = [
        (counts[name], f"{MARKS[name]} {name}", name, f"{address.CLAIMS}#verdict={name}") for name in MARKS
    ]
    tiles += [
        (
            unexpected,
            "! not as expected",
            "alarm" if unexpected else "",
            f"{address.CLAIMS}#verdict=unexpected",
        ),
        (changed, "↻ changed verdict", "", "#changed"),
    ]
    return element(
        "ul",
        [
            element(
                "li", link(to, element("strong", count), " ", element("span", text)), class_=class_ or None
            )
            for count, text, class_, to in tiles
        ],
        class_="summary",
        aria_label=f"{len(claims)} claims",
    )


def _forest(papers: Sequence[Paper]) -> Markup | None:
    charts = forest(papers)
    if not charts:
        return None
    return element(
        "section",
        element("h2", "What seeds decide"),
        element("p", HOW_TO_READ, " ", link(address.GLOSSARY, "All words"), ".", class_="note"),
        LEGEND,
        element("div", charts, class_="forest"),
        id="forest",
    )


def _changes(changes: Sequence[tuple[Scale, Change]]) -> Child:
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
        for scale, change in changes[:MOST]
    ]
    shown = table(
        ("claim", "was", "is", "run before", "beside"),
        rows,
        caption="Claims with a changed verdict",
        class_="stack",
    )
    rest = (
        element(
            "p",
            f"And {len(changes) - MOST} more: of ",
            [
                [", " if i else None, link(address.suite(scale.suite, scale.profile), _where(scale))]
                for i, scale in enumerate({id(scale): scale for scale, _ in changes[MOST:]}.values())
            ],
            ".",
        )
        if len(changes) > MOST
        else None
    )
    return [shown, rest]


def _unexpected(found: Sequence[tuple[Scale, str]]) -> Child:
    if not found:
        return element("p", "Every claim ends as expected.")
    rows = []
    for scale, name in found[:MOST]:
        claim = scale.claims[name].claim
        rows.append(
            [
                element("td", badge(claim), class_="state"),
                element("td", _claim_link(scale, name), element("p", claim.says), class_="claim"),
                element("td", link(address.suite(scale.suite, scale.profile), _where(scale))),
            ]
        )
    shown = table(
        ("verdict", "claim", "suite"), rows, caption="Claims that are not as expected", class_="stack"
    )
    more = (
        element(
            "p", link(f"{address.CLAIMS}#verdict=unexpected", f"All {len(found)} that are not as expected")
        )
        if len(found) > MOST
        else None
    )
    return [shown, more]


def _known(claims: Sequence[result.ClaimResult]) -> Markup | None:
    """Why so many that are not reproduced are as expected."""
    known = sum(claim.as_expected and claim.expected != "reproduced" for claim in claims)
    if not known:
        return None
    return element(
        "p",
        f"{counted(known, 'claim')} {'was' if known == 1 else 'were'} expected to be refuted or undecided "
        "here, for a reason that its page tells: ",
        term("as expected", "as known", up=""),
        ".",
        class_="note",
    )


def _papers(papers: Sequence[Paper]) -> Markup:
    """A row a paper, with how many claims end how."""
    rows = []
    for paper in papers:
        claims = [latest.claim for scale in paper.scales for latest in scale.claims.values()]
        counts = Counter[str](claim.verdict for claim in claims)
        surprises = sum(not claim.as_expected for claim in claims)
        tried = sum(weakest(claim) is not None for claim in claims)
        year = paper.year if paper.year < 9999 else 0
        numbers = (year, *(counts[name] for name in MARKS), surprises, tried)
        rows.append(
            [
                element("td", link(address.paper(paper.title), paper.title), class_="claim"),
                *(number(count, str(count)) if count else nothing() for count in numbers),
            ]
        )
    head = ("paper", "year", *(f"{mark} {name}" for name, mark in MARKS.items()), "! unexpected", "by seeds")
    return table(head, rows, caption="Papers", right=range(1, 7), class_="papers")


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


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""

"""The table of a suite's claims: the verdict of each, what it rests on, how it went in the runs before."""

from repro.archive import Latest
from repro.format import figure, interval
from repro.site import address
from repro.site.archive import Scale
from repro.site.element import Markup, element, link
from repro.site.tables import nothing, number, table
from repro.site.verdicts import RUNS, badge, squares

HEAD = ("verdict", "claim", "seeds", "margin", "interval")
ORDER = ("refuted", "undecided", "reproduced")  # when sorted by verdict; what is not as expected comes before


def claim_table(scale: Scale, up: str = "", *, history: bool = True) -> Markup:
    """With a mark for each of the last runs, if there is a `history`."""
    return table(
        (*HEAD, "last runs") if history else HEAD,
        (_row(scale, name, latest, up, history) for name, latest in scale.claims.items()),
        caption=f"Claims of {scale.suite} at profile {scale.profile}",
        right=(2, 3, 4),
        class_="claims stack",
    )


def _row(scale: Scale, name: str, latest: Latest, up: str, history: bool) -> list[Markup]:
    claim, evidence = latest.claim, latest.claim.evidence
    rank = ORDER.index(claim.verdict) + len(ORDER) * claim.as_expected
    page = f"{up}{address.claim(scale.suite, scale.profile, name)}"
    runs = [element("td", squares(scale.history(name, RUNS)), class_="runs")] if history else []
    return [
        element("td", badge(claim), data_value=rank, class_="state"),
        element("td", link(page, name), element("p", claim.says), class_="claim"),
        number(len(evidence.seeds), str(len(evidence.seeds))) if evidence.seeds else nothing(),
        number(evidence.estimate, figure(evidence.estimate)),
        element("td", interval(evidence.interval), class_="number"),
        *runs,
    ]

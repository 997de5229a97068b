"""The table of a suite's claims: the verdict of each, what it rests on, how it went in the runs before."""

from collections.abc import Iterable

from repro.archive import Latest
from repro.format import figure, interval
from repro.site import address
from repro.site.archive import Scale
from repro.site.element import Markup, element, link
from repro.site.tables import nothing, number, table
from repro.site.verdicts import RUNS, badge, squares

HEAD = ("verdict", "claim", "seeds", "margin", "interval", "last runs")
ORDER = ("refuted", "undecided", "reproduced")  # when sorted by verdict; what is not as expected comes before


def claim_table(scale: Scale, names: Iterable[str] | None = None, up: str = "") -> Markup:
    names = list(scale.claims if names is None else names)
    rows = (_row(scale, name, scale.claims[name], up) for name in names)
    return table(
        HEAD,
        rows,
        caption=f"Claims of {scale.suite} at profile {scale.profile}",
        right=(2, 3, 4),
        class_="claims stack",
    )


def _row(scale: Scale, name: str, latest: Latest, up: str) -> list[Markup]:
    claim, evidence = latest.claim, latest.claim.evidence
    rank = ORDER.index(claim.verdict) + len(ORDER) * claim.as_expected
    states = f"{claim.verdict} {'as-expected' if claim.as_expected else 'unexpected'}"
    page = f"{up}{address.claim(scale.suite, scale.profile, name)}"
    return [
        element("td", badge(claim), data_value=rank, data_states=states, class_="state"),
        element("td", link(page, name), element("p", claim.says), data_value=name, class_="claim"),
        number(len(evidence.seeds), str(len(evidence.seeds))) if evidence.seeds else nothing(),
        number(evidence.estimate, figure(evidence.estimate)),
        element("td", interval(evidence.interval), class_="number"),
        element("td", squares(scale.history(name, RUNS)), class_="runs"),
    ]

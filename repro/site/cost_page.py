"""The page on cost: what arms reach for how much computation, a chart a suite."""

from collections.abc import Mapping

from repro.site import address
from repro.site.archive import Archive, Scale
from repro.site.cost_charts import NOTE
from repro.site.element import Markup, element, link
from repro.site.page import page
from repro.site.papers import by_paper

ELSEWHERE = (
    "The pages of the suites have the values, how fast arms train and run, and how that went from run to run."
)


def cost_page(archive: Archive, charts: Mapping[tuple[str, str], Markup]) -> str:
    """`charts` are by suite and profile."""
    papers = [
        (paper, [_chart(scale, charts[key]) for scale in paper.scales if (key := scale.key) in charts])
        for paper in by_paper(archive.scales)
    ]
    shown = [
        element(
            "section",
            element("h2", link(address.paper(paper.title), paper.dated_title)),
            element("div", found, class_="pair"),
        )
        for paper, found in papers
        if found
    ]
    return page(
        "Cost",
        element("h1", "Cost"),
        element("p", "What arms reach with how much computation, a chart a suite.", class_="lead"),
        element("p", f"{NOTE} {ELSEWHERE}", class_="note"),
        shown or element("p", "No trained arm tells its parameters or multiply-adds."),
    )


def _chart(scale: Scale, chart: Markup) -> Markup:
    title = link(f"{address.suite(scale.suite, scale.profile)}#cost", scale.suite)
    return element(
        "section",
        element("h3", title, element("span", f" at {scale.profile}", class_="muted")),
        chart,
    )

"""The page on cost: what arms reach for how much computation, a chart a suite."""

from repro.site import address
from repro.site.archive import Archive, Scale
from repro.site.cost_charts import cost_chart, main_metric, reached
from repro.site.element import Markup, element, link
from repro.site.page import page
from repro.site.papers import by_paper


def cost_page(archive: Archive) -> str:
    papers = [
        (paper, [chart for scale in paper.scales if (chart := _chart(scale))])
        for paper in by_paper(archive.scales)
    ]
    shown = [
        element(
            "section",
            element("h2", link(address.paper(paper.title), paper.dated_title)),
            element("div", charts, class_="pair"),
        )
        for paper, charts in papers
        if charts
    ]
    return page(
        "Cost",
        element("h1", "Cost"),
        element(
            "p",
            "What arms reach with how much computation, a chart a suite. How fast they train and run, and how that "
            "went from run to run, is on the pages of the suites.",
            class_="lead",
        ),
        shown or element("p", "No trained arm tells its parameters or multiply-adds."),
    )


def _chart(scale: Scale) -> Markup | None:
    metric = main_metric(scale)
    found = reached(scale, metric) if metric else []
    if not metric or not found:
        return None
    title = link(address.suite(scale.suite, scale.profile), scale.suite)
    return element(
        "section",
        element("h3", title, element("span", f" at {scale.profile}", class_="muted")),
        cost_chart(found, metric),
    )

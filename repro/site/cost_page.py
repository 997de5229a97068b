"""The page on cost: what arms reach for how much computation, and how fast nets train and run."""

from repro.site import address
from repro.site.archive import Archive, Scale
from repro.site.cost_charts import bubble_chart, bubbles, main_metric, timing_chart, training_chart
from repro.site.element import Markup, element, link
from repro.site.page import page
from repro.site.suite_page import SIZES


def cost_page(archive: Archive) -> str:
    reached = [section for scale in archive.scales if (section := _reached(scale))]
    rates = [
        chart for scale in archive.scales for of in (training_chart, timing_chart) if (chart := of(scale))
    ]
    return page(
        "Cost",
        element("h1", "Cost"),
        element(
            "p", "What arms reach with how much computation, and how fast they train and run.", class_="lead"
        ),
        element("h2", "Reached, by multiply-adds and by parameters"),
        reached or element("p", "No trained arm tells its parameters or multiply-adds."),
        element("h2", "Images a second, run by run"),
        element("div", rates, class_="pair")
        if rates
        else element("p", "No run tells how fast its nets were."),
    )


def _reached(scale: Scale) -> Markup | None:
    metric = main_metric(scale)
    if metric is None:
        return None
    found = bubbles(scale, metric)
    charts = [chart for across in reversed(SIZES) if (chart := bubble_chart(found, metric, across))]
    if not charts:
        return None
    title = link(address.suite(scale.suite, scale.profile), scale.suite)
    return element(
        "section",
        element("h3", title, element("span", f" at {scale.profile}", class_="muted")),
        element("div", charts, class_="pair"),
    )

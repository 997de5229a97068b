"""The paper's numbers beside ours."""

from collections.abc import Iterable

from repro.format import figure
from repro.result import ClaimResult
from repro.site.element import Child, Markup, element
from repro.site.tables import nothing, number, table

NOTE = "Shown, not tested: the paper’s nets, data and training are seldom those of this profile."


def reported(claim: ClaimResult) -> Iterable[tuple[str, list[Child]]]:
    """Each measurement that the paper tells, with its row; ours are means over the seeds."""
    for name, value in claim.reported.items():
        known = [v for v in claim.values.get(name, ()) if v is not None]
        mean = sum(known) / len(known) if known else None
        spread = f"{figure(min(known))} to {figure(max(known))}" if len(known) > 1 else ""
        mine: list[Child] = (
            [nothing(), spread, nothing()] if mean is None else [number(mean), spread, number(mean - value)]
        )
        yield name, [element("code", name), number(value), *mine]


def beside(rows: Iterable[list[Child]], *further: str) -> Markup:
    """The section of such rows."""
    return element(
        "section",
        element("h2", "The paper’s numbers beside ours"),
        element("p", NOTE, class_="note"),
        table(
            ("measurement", "paper", "here", "over seeds", "difference", *further),
            rows,
            caption="Reported and measured",
            right=(1, 2, 3, 4),
        ),
    )

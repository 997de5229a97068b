"""Tables of pages: sorted by a click on a column's head, scrolled sideways where there is no room."""

import re
from collections.abc import Iterable, Sequence
from statistics import median

from repro.format import figure
from repro.site.element import Child, Markup, element

PLAIN = re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")  # numbers that a browser reads as we do


def number(value: float | None, text: str | None = None) -> Markup:
    """A cell with a number, sorted by its value; None is a measurement without one."""
    shown = figure(value) if text is None else text
    return element("td", shown, class_="number", data_value=_sorted_by(value, shown))


def spread(values: Sequence[float]) -> Markup:
    """A cell with the median, and what it is from and to."""
    if not values:
        return nothing()
    middle, low, high = median(values), figure(min(values)), figure(max(values))
    around = element("span", f"{low} to {high}", class_="spread") if low != high else None
    return element("td", figure(middle), " ", around, class_="number", data_value=f"{middle:.6g}")


def nothing() -> Markup:
    return element("td", "–", class_="number none")


def table(
    head: Sequence[Child],
    rows: Iterable[Sequence[Child]],
    *,
    caption: str,
    right: Sequence[int] = (),
    sortable: bool = True,
    class_: str | None = None,
) -> Markup:
    """Cells that are no `td` or `th` become one; columns in `right` are numbers. The caption is only told."""
    body = [element("tr", (_cell(cell, i in right) for i, cell in enumerate(row))) for row in rows]
    heads = [
        element(
            "th",
            element("button", cell, type="button") if sortable and cell else cell,
            scope="col",
            class_=_number(i in right),
        )
        for i, cell in enumerate(head)
    ]
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", heads)),
        element("tbody", body),
        class_=" ".join(filter(None, ["sortable" if sortable else None, class_])) or None,
    )
    return element("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)


def facts(rows: Iterable[tuple[Child, Child]]) -> Markup:
    """Names and what they are, one under the other; what is None is left out."""
    return element(
        "dl",
        ((element("dt", key), element("dd", value)) for key, value in rows if value is not None),
        class_="facts",
    )


def _sorted_by(value: float | None, shown: str) -> str | None:
    """What a cell is sorted by, six digits of it; None where that is the text that it shows."""
    if value is None:
        return ""
    return None if PLAIN.fullmatch(shown) else f"{value:.6g}"


def _cell(cell: Child, right: bool) -> Markup:
    if isinstance(cell, Markup) and cell.startswith(("<td", "<th")):
        return cell
    return element("td", cell, class_=_number(right))


def _number(right: bool) -> str | None:
    return "number" if right else None

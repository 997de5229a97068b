"""The page of the glossary: the site's terms, units, and everything that is measured."""

from collections.abc import Iterable

from repro.site.element import Child, Markup, element
from repro.site.glossary import TERMS, UNITS, Measure, anchor, measures, prose, unit
from repro.site.page import page


def glossary_page() -> str:
    return page(
        "Glossary",
        element("h1", "Glossary"),
        element("p", "What the words on these pages mean, and what is measured.", class_="lead"),
        _entries((anchor(word), word, prose(says)) for word, says in TERMS.items()),
        element(
            "section", element("h2", "Units"), _entries((anchor(w), w, says) for w, says in UNITS.items())
        ),
        [
            element("section", element("h2", kind), _entries(_measure(*one) for one in found.items()))
            for kind, found in measures().items()
        ],
    )


def _measure(name: str, measure: Measure) -> tuple[str, Child, Child]:
    units = [[" or " if i else None, unit(one, up="")] for i, one in enumerate(measure.declared)]
    return name, element("code", name), [prose(measure.says), element("p", units, class_="note")]


def _entries(entries: Iterable[tuple[str, Child, Child]]) -> Markup:
    """By the place that links lead to."""
    return element(
        "dl",
        [(element("dt", word, id=place), element("dd", said)) for place, word, said in entries],
        class_="glossary",
    )

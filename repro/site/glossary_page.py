"""The page of the glossary: the site's terms, units, and everything that is measured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from repro.site.element import Child, Markup, element, link
from repro.site.glossary import (
    OF_TRAINING,
    TERMS,
    UNITS,
    Measure,
    anchor,
    measures,
    of_test,
    prose,
    unit,
)
from repro.site.page import page

Entry = tuple[
    Sequence[tuple[str, Child]], Child
]  # its words, each with the place that links lead to; its text


def glossary_page() -> str:
    kinds = {kind.partition(":")[0]: (kind, found) for kind, found in measures().items()}
    parts = ("Units", *kinds)
    return page(
        "Glossary",
        element("h1", "Glossary"),
        element(
            "p",
            "What the words on these pages mean. Further down: ",
            [
                [", " if i else None, link(f"#all-{part.lower()}", part.lower())]
                for i, part in enumerate(parts)
            ],
            ".",
            class_="lead",
        ),
        _entries(([(anchor(word), word)], prose(says)) for word, says in TERMS.items()),
        _section("Units", "Units", _entries(([(anchor(word), word)], says) for word, says in UNITS.items())),
        [
            _section(part, kind, _how(found), _entries(_measures(found)))
            for part, (kind, found) in kinds.items()
        ],
    )


def _section(name: str, title: str, *content: Child) -> Markup:
    return element("section", element("h2", title), *content, id=f"all-{name.lower()}")


def _how(found: Mapping[str, Measure]) -> Markup | None:
    """What those of the training images have in common."""
    return element("p", prose(OF_TRAINING)) if any(map(of_test, found)) else None


def _measures(found: Mapping[str, Measure]) -> Iterator[Entry]:
    """That of the training images stands beside that of the test images."""
    for name, measure in found.items():
        if of_test(name) in found:
            continue
        both = [name, *(other for other in found if of_test(other) == name)]
        units = [[" or " if i else None, unit(one, up="")] for i, one in enumerate(measure.declared)]
        yield (
            [(each, element("code", each)) for each in both],
            [prose(measure.says), element("p", units, class_="note")],
        )


def _entries(entries: Iterable[Entry]) -> Markup:
    return element(
        "dl",
        [
            ([element("dt", word, id=place) for place, word in words], element("dd", said))
            for words, said in entries
        ],
        class_="glossary",
    )

"""The glossary: complete by construction, and what links to it."""

import re
from html import unescape

import pytest

from repro import catalogue
from repro.catalogue import CLOCKS, COUNTS, PROBES, TASKS
from repro.declaration import Declaration
from repro.errors import ReproError
from repro.site import glossary
from repro.site.element import element
from repro.site.glossary import (
    TERMS,
    UNITS,
    anchor,
    linked,
    measures,
    named,
    names,
    of_metric,
    of_test,
    term,
    unit,
)
from repro.site.glossary_page import glossary_page

METRICS = sorted({name for task in TASKS.builtin for name in catalogue.metrics(task)})
OTHERS = sorted({*COUNTS.builtin, *PROBES.builtin, *CLOCKS.builtin})


@pytest.mark.parametrize("name", [*METRICS, *OTHERS])
def test_whatever_is_measured_has_an_entry_in_plain_language(name):
    assert name in names(), (
        f"{name} has no text: a metric's is in repro/site/glossary.py, another's its docstring"
    )
    (says,) = {found[name].says for found in measures().values() if name in found}
    assert len(says) > 20 and "Raises" not in says and says.endswith((".", "?"))


def test_every_unit_has_an_entry():
    declared = [
        one for found in measures().values() for measure in found.values() for one in measure.declared
    ]
    assert {one.unit for one in declared if one.unit} <= UNITS.keys() and len(declared) > 80


def test_what_is_of_the_training_images_says_so_and_of_what():
    assert (of_test("train_miou"), of_test("train_error"), of_test("miou")) == ("miou", "test_error", None)
    assert of_metric("train_miou") == of_metric("miou") and of_metric("train_of_another_package") is None
    page = re.sub("<[^>]*>", " ", glossary_page())
    assert re.search(r"\smiou\s+train_miou\s+Mean intersection over union", page)
    assert page.count("in front is of the training images") == 1


def test_no_two_words_have_one_place_and_every_link_has_one():
    page = glossary_page()
    places = re.findall(r'<dt id="([^"]+)"', page)
    assert len(places) == len({place.lower() for place in places}) == len(TERMS) + len(UNITS) + len(names())
    assert {*re.findall(r'href="[^"]*#([^"]+)"', page)} <= {*places, "content"} | {
        *re.findall(r'<section id="([^"]+)"', page)
    }
    assert "`" not in page and '<code><a href="glossary.html#correct" class="word">correct</a></code>' in page


def test_a_word_is_linked_by_its_beginning_and_one_that_is_none_is_a_mistake():
    assert 'href="../glossary.html#level"' in term("level (alpha)", "level") and ">level</a>" in term(
        "level", "level"
    )
    assert anchor("paper, suite, profile") == "paper"
    with pytest.raises(KeyError):
        term("no such word")


def test_of_an_expectation_what_is_measured_is_linked_and_nothing_else():
    shown = element("p", linked("abs(miou(a) - other(b)) < 0.1 * miou(a, images=4)"))
    assert unescape(re.sub("<[^>]*>", "", shown)) == "abs(miou(a) - other(b)) < 0.1 * miou(a, images=4)"
    assert re.findall(r'href="[^"]*#(\w+)"', shown) == ["miou", "miou"]
    assert named("other") == "other"


def test_a_unit_without_an_entry_and_none_at_all_are_told():
    said = [
        re.sub("<[^>]*>", "", "".join(map(str, filter(None, unit(one)))))
        for one in (
            Declaration(unit="share", better="lower"),
            Declaration(unit="parsecs"),
            Declaration(),
        )
    ]
    assert said == ["share, lower is better", "parsecs", "a plain number"]


def test_a_package_that_is_broken_breaks_no_page(monkeypatch):
    def broken(*_):
        raise ReproError("no source file")

    for name in ("metrics", "declared"):
        monkeypatch.setattr(catalogue, name, broken)
    assert not any(glossary.measures.__wrapped__().values())

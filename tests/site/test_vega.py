"""Charts of Vega-Lite: in the colours of the style sheet, with values that are told, and nothing else."""

import re
from xml.etree import ElementTree

from repro.site.vega import drawn

EVIL = '"><script>alert("x")</script>'
POINTS = {
    "data": {
        "values": [
            {"x": 0.123456, "says": f"one; {EVIL}", "page": "claims/a.html"},
            {"x": 2, "says": "two", "page": "claims/b.html"},
        ]
    },
    "mark": {"type": "point", "color": "var(--accent)"},
    "encoding": {
        "x": {
            "field": "x",
            "type": "quantitative",
            "axis": {"title": EVIL, "values": [0.25, 2], "format": ".2f"},
        },
        "description": {"field": "says"},
        "href": {"field": "page"},
    },
}


def test_a_mark_with_a_description_is_a_spot_and_a_link_where_it_has_an_address():
    made = drawn(POINTS, "two points")
    first, second = re.findall('<(a|g) class="spot"([^>]*)><title>([^<]*)</title><circle', made)
    assert first[:2] == ("a", ' href="claims/a.html" tabindex="0"') and first[2].startswith("one; ")
    assert second == ("a", ' href="claims/b.html" tabindex="-1"', "two")
    encoding = {name: value for name, value in POINTS["encoding"].items() if name != "href"}
    assert '<g class="spot" tabindex="-1"><title>two</title>' in drawn(POINTS | {"encoding": encoding}, "")
    assert 'role="group" aria-label="two points"' in made and "var(--accent)" in made


def test_what_it_is_given_is_text_and_numbers_that_are_shown_stay_as_they_are():
    made = drawn(POINTS, EVIL)
    assert "<script" not in made and "http" not in made and "style=" not in made
    assert ">0.25</text>" in made
    places = re.findall(r' (?:d|transform|x\d?|y\d?)="([^"]*)"', made)
    assert places and not [place for place in places if re.search(r"\.\d\d", place)]


def test_groups_that_say_nothing_are_gone_and_the_others_are_closed():
    made = drawn(POINTS, "")
    assert "<g>" not in made and "<g/>" not in made and "translate(0,0)" not in made
    ElementTree.fromstring(made)
    assert made.count("<text") == 3 and made.count("<circle") == 2

"""HTML as values: what is text stays text."""

import pytest

from repro.site import address
from repro.site.element import Markup, element, link


def test_text_and_attributes_are_escaped():
    made = element("p", "<script>alert('&')</script>", title='"><script>')
    assert (
        made
        == '<p title="&quot;&gt;&lt;script&gt;">&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;</p>'
    )


def test_elements_within_elements_are_not_escaped_again():
    assert (
        element("ul", [element("li", text) for text in ("a < b", "c")])
        == "<ul><li>a &lt; b</li><li>c</li></ul>"
    )


def test_none_and_false_leave_no_trace_and_true_is_an_attribute_alone():
    assert (
        element("input", type=None, disabled=False, hidden=True, data_value=0)
        == '<input hidden data-value="0">'
    )
    assert element("p", None, [None, "x"], 2) == "<p>x2</p>"


def test_python_names_become_those_of_html():
    assert (
        link("x.html", "x", class_="a", aria_label="b") == '<a href="x.html" class="a" aria-label="b">x</a>'
    )
    assert (
        element("path", viewBox="0 0 1 1", stroke_width=2)
        == '<path viewBox="0 0 1 1" stroke-width="2"></path>'
    )
    assert isinstance(element("p"), Markup)


@pytest.mark.parametrize("name", ["degradation", "resnet-20_a", "0"])
def test_a_plain_name_is_its_own_file_name(name):
    assert address.slug(name) == name


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a.b", "A", "", "..", "<script>", "a/b", "a\\b", "ü", "x" * 500, "a\0b", "-"]
)
def test_any_other_name_becomes_a_safe_one(name):
    made = address.slug(name)
    assert made != name and len(made) < 80
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_no_two_names_share_a_file_even_where_case_does_not_count():
    names = ["a", "A", "a.b", "a-b", "a/b", "a b", "Ä", "ä", "x" * 100, "x" * 101]
    assert len({address.slug(name).lower() for name in names}) == len(names)
    assert address.claim("a.b", "c", "d") != address.claim("a", "b.c", "d")

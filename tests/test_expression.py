"""What an expression over measurements is worth."""

import math
import time

import pytest

from repro.expectation import parse
from repro.expression import evaluate, margin, no_value


def value(text, **numbers):
    """Of an expression over measurements m(a), m(b), ...; m(z) is 0."""
    (link,) = parse(f"{text} > m(z)").links
    return evaluate(link.left, lambda measurement: numbers[measurement.arm])


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1 + 2 * 3 ** 2 - m(a)", 17),
        ("-2 ** 2 + m(a)", -2),
        ("(-2) ** 3 * m(a)", -16),
        ("2 ** 3 ** m(a)", 512),
        ("10 - m(a) - 3", 5),
        ("8 / m(a) / 2", 2),
        ("max(1, m(a), 3) + min(1, m(a))", 4),
        ("log2(2 ** m(a)) + log(m(a)) - log(2) + abs(-m(a))", 4),
        ("m(a) ** 0.5", 2**0.5),
    ],
)
def test_expressions_are_computed_as_in_mathematics(text, expected):
    assert value(text, a=2) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("(9 * m(a)) ** 9 ** 9 + m(a)", math.inf, id="an overflow is infinite"),
        pytest.param("(-10 * m(a)) ** 999 + m(a)", -math.inf, id="of the sign it has"),
        pytest.param("1e308 * m(a) * 1e308", math.inf, id="of a product, too"),
        pytest.param("m(x) - m(a)", math.inf, id="one that diverged is worse"),
        pytest.param("m(a) / m(x)", 0.0, id="by far"),
        pytest.param("min(m(x), m(a))", 1.0, id="and the other is less"),
    ],
)
def test_numbers_beyond_all_bounds_have_a_value(text, expected):
    started = time.process_time()
    assert value(text, a=1.0, x=math.inf, y=math.inf) == expected
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "text, expected",
    [
        ("log(m(a))", "log(m(a)) has no value, with m(a) = 0"),
        ("log2(-1 - m(a))", "log2(-1 - m(a)) has no value, with -1 - m(a) = -1"),
        ("1 / m(a)", "1 / m(a) has no value, with 1 = 1, m(a) = 0"),
        ("m(x) / m(a)", "m(x) / m(a) has no value, with m(x) = inf, m(a) = 0"),
        ("m(a) ** -1", "m(a) ** -1 has no value, with m(a) = 0, -1 = -1"),
        ("(m(a) - 8) ** 0.5", "(m(a) - 8) ** 0.5 has no value, with m(a) - 8 = -8, 0.5 = 0.5"),
        ("m(x) - m(x)", "m(x) - m(x) has no value, with m(x) = inf, m(x) = inf"),
        ("1 + (m(x) + -m(x))", "m(x) + (-m(x)) has no value, with m(x) = inf, -m(x) = -inf"),
        ("m(x) / m(x)", "m(x) / m(x) has no value, with m(x) = inf, m(x) = inf"),
        ("m(a) / m(a)", "m(a) / m(a) has no value, with m(a) = 0, m(a) = 0"),
        ("0 * m(x)", "0 * m(x) has no value, with 0 = 0, m(x) = inf"),
        ("m(n) + 1", "m(n) has no value"),
        ("max(1, 2 * m(n))", "m(n) has no value"),
        ("min(m(n), 1)", "m(n) has no value"),
        ("0 ** m(n) + m(n) ** 0", "m(n) has no value"),
    ],
)
def test_what_has_no_value_is_no_number_and_says_which_part_has_none(text, expected):
    values = {"a": 0.0, "x": math.inf, "n": math.nan}
    assert math.isnan(value(text, **values))
    (link,) = parse(f"{text} > 0").links
    assert no_value(link.left, lambda m: values[m.arm]) == expected


def test_what_has_a_value_has_no_reason_not_to():
    (link,) = parse("m(x) + 1 > 0").links
    assert no_value(link.left, lambda _: math.inf) is None


def margin_of(text, **numbers):
    (link,) = parse(text).links
    (expression,) = link.margins
    return margin(expression, lambda measurement: numbers[measurement.arm])


SINGLE = 0.8999999761581421  # 0.9 in single precision


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("m(a) < 0.9", {"a": SINGLE}),
        ("0.9 < m(a)", {"a": SINGLE}),
        ("m(a) - m(b) > m(c) - m(d)", {"a": 0.3160000145, "b": 0.2319999933, "c": 0.3865, "d": 0.3025}),
        ("min(m(a), m(b)) > 0.9", {"a": SINGLE, "b": math.inf}),
        ("abs(m(a)) > 2 * m(b)", {"a": 2 * SINGLE, "b": 0.9}),
        ("m(a) / m(b) > 0.9", {"a": 900.0 * SINGLE / 0.9, "b": 1000.0}),
    ],
)
def test_what_is_no_more_than_rounding_is_no_margin(text, numbers):
    assert margin_of(text, **numbers) == 0.0


@pytest.mark.parametrize(
    ("text", "numbers", "expected"),
    [
        ("m(a) < 0.9", {"a": 0.899999}, 1e-6),
        ("m(a) > m(b)", {"a": 1e-9, "b": 0.0}, 1e-9),
        ("m(a) / m(b) > 1", {"a": 1000.001, "b": 1000.0}, 1e-6),
        ("min(m(a), 3) > 1", {"a": math.inf}, 2.0),
        ("m(a) > m(b)", {"a": math.inf, "b": 1.0}, math.inf),
        ("1 / m(a) > m(b)", {"a": math.inf, "b": 1.0}, -1.0),
    ],
)
def test_what_is_more_is_one_however_small(text, numbers, expected):
    assert margin_of(text, **numbers) == pytest.approx(expected, rel=1e-6)

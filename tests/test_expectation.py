"""What a claim may expect: read, never run."""

import random

import pytest

from repro.expectation import MAX_LENGTH, ExpectationError, Link, parse
from repro.expression import Measurement, Number, Operation, evaluate

A, B, C = (Measurement("m", arm) for arm in "abc")


def values(**numbers):
    return lambda measurement: numbers[measurement.arm]


def error(text):
    with pytest.raises(ExpectationError) as caught:
        parse(text)
    return f"{caught.value.offset}: {caught.value}"


# ---- what it says


@pytest.mark.parametrize(
    "text, links",
    [
        ("m(a) > m(b)", [Link(A, ">", B)]),
        ("m(a) <= 0.5", [Link(A, "<=", Number(0.5))]),
        ("m(a) < m(b) <= m(c)", [Link(A, "<", B), Link(B, "<=", C)]),
        ("m(a) < m(b) and m(b) == m(c)", [Link(A, "<", B), Link(B, "==", C)]),
        ("m(a) < 1 and (m(b) < 1 and m(c) < 1)", [Link(x, "<", Number(1)) for x in (A, B, C)]),
        ("m(a) == approx(m(b), abs=0.1)", [Link(A, "==", B, Number(0.1))]),
        ("approx(m(b), abs=0.1) == m(a)", [Link(A, "==", B, Number(0.1))]),
        (
            "m(a) == approx(2, rel=0.1)",
            [Link(A, "==", Number(2), Operation("*", (Number(0.1), Operation("abs", (Number(2),)))))],
        ),
        ("abs(m(a)) < 0.1", [Link(A, "<", Number(0), Number(0.1))]),
        ("0.1 >= abs(m(a))", [Link(A, "<=", Number(0), Number(0.1))]),
        ("abs(m(a)) > 0.1", [Link(Operation("abs", (A,)), ">", Number(0.1))]),
        ("m(a)\n  > \t m(b)\n", [Link(A, ">", B)]),
        ("m(a) > -2", [Link(A, ">", Number(-2))]),
    ],
)
def test_an_expectation_is_a_conjunction_of_links(text, links):
    assert list(parse(text).links) == links


def test_options_are_numbers_words_and_texts_in_any_order():
    (link,) = parse(
        "m(a, n=8, x=-0.5, layer=first, path='a.b', on=true) > -m(a, "
        "on=True, path='a.b', layer='first', x=-.5, n=8)"
    ).links
    assert link.right == Operation("-", (link.left,))
    assert dict(link.left.options) == {"n": 8, "x": -0.5, "layer": "first", "path": "a.b", "on": True}


def test_measurements_are_listed_once_and_placed_wherever_they_stand():
    expected = parse("  m(a) > log(é(b)) and m(a) < m(c)")
    assert expected.measurements == (A, Measurement("é", "b"), C)
    assert [offset for _, offset in expected.places] == [2, 13, 23, 30]
    assert [link.offset for link in expected.links] == [2, 23]


@pytest.mark.parametrize(
    "text",
    [
        "m(a) > m(b)",
        "m(a) - (m(b) - m(c)) > 0",
        "m(a) - m(b) - m(c) > 0",
        "-(m(a) + m(b)) < m(c)",
        "(-m(a)) ** 2 > m(b)",
        "-m(a) ** 2 < m(b)",
        "(-2) ** 2 < m(a)",
        "-2 ** 2 < m(a)",
        "2 ** -m(a) < m(b)",
        "(m(a) / m(b)) ** (m(c) * 2) < 1",
        "max(m(a), -m(b), 1e-30) < min(m(c), 0.1234567890123456789)",
        "log2(m(a)) < log(m(b)) < abs(m(c)) + 1",
        "m(a) == approx(m(b) - m(c), rel=0.1)",
        "abs(m(a) - m(b)) < 2 * m(c)",
        "abs(m(a) - m(b)) <= 0.1",
        "m(a, x=-1, path='a b', word='and', deep=\"it's\", on=True) > m(a, layer=first)",
    ],
)
def test_what_is_printed_says_the_same(text):
    for link in parse(text).links:
        assert parse(str(link)).links == (link,)


def test_random_expressions_are_printed_so_that_they_say_the_same():
    rng = random.Random(0)

    def expression(depth):
        if depth == 0 or rng.random() < 0.2:
            return rng.choice([A, B, C, Number(rng.choice([2.0, -2.0, 0.1 + 0.2, 1e22]))])
        name = rng.choice(["+", "-", "*", "/", "**", "minus", "abs", "max", "log"])
        if name == "minus":
            inner = expression(depth - 1)
            return inner if isinstance(inner, Number) else Operation("-", (inner,))
        count = 1 if name in ("abs", "log") else 2
        return Operation(name, tuple(expression(depth - 1) for _ in range(count)))

    said = 0
    for _ in range(500):
        link = Link(
            Operation("+", (A, expression(4))),
            rng.choice(["<", "<=", ">", ">=", "=="]),
            Operation("-", (B, expression(4))),
        )
        try:
            assert parse(str(link)).links == (link,), str(link)
            said += 1
        except ExpectationError as error:  # of numbers alone, as log(-2)
            assert "is no number" in str(error), str(link)
    assert said > 300


# ---- what it is not


@pytest.mark.parametrize(
    "text, expected",
    [
        ("m(a).real > 1", "0: 'm(a).real' is not part of the language"),
        ("os.system(a) > 1", "0: 'os.system(a)' is not part of the language"),
        ("m(a)[0] > 1", "0: 'm(a)[0]' is not part of the language"),
        ("(lambda: 1)() > m(a)", "0: '(lambda: 1)()' is not part of the language"),
        ("m(a) > (lambda: 1)", "8: 'lambda: 1' is not part of the language"),
        ("[m(x) for x in y] > 1", "0: '[m(x) for x in y]' is not part of the language"),
        ("m(a) > 'x'", "7: ''x'' is not part of the language"),
        ("(x := 1) > m(a)", "1: '(x := 1)' is not part of the language"),
        ("m(a) > f'{x}'", "7: 'f'{x}'' is not part of the language"),
        ("m(a) > True", "7: 'True' is not part of the language"),
        ("m(a) > 1j", "7: '1j' is not part of the language"),
        ("m(a) > ...", "7: '...' is not part of the language"),
        ("m(a) % 2 > 1", "0: 'm(a) % 2' is not part of the language"),
        ("m(a) // 2 > 1", "0: 'm(a) // 2' is not part of the language"),
        ("+m(a) > 1", "0: '+m(a)' is not part of the language"),
        ("(m(a) if m(b) else 1) > 1", "1: 'm(a) if m(b) else 1' is not part of the language"),
        ("(m(a) < m(b)) < m(c)", "1: 'm(a) < m(b)' is not part of the language"),
        ("m(a) > 1 # and m(b) > 1", "9: '#' is not part of the language"),
        ("m(a) > b", "7: 'b' alone is not a number; measure it: train_error(b), say"),
        ("__import__('os') > 1", "0: a measurement names one arm: __import__(ARM)"),
        ("m() > 1", "0: a measurement names one arm: m(ARM)"),
        ("m(a, b) > 1", "0: a measurement names one arm: m(ARM)"),
        ("m(*a) > 1", "0: a measurement names one arm: m(ARM)"),
        ("m(a, **b) > 1", "7: an option of m is a number, a word or a text"),
        ("m(a, x=[1]) > 1", "7: an option of m is a number, a word or a text"),
        ("m(a, x=None) > 1", "7: an option of m is a number, a word or a text"),
        ("m(a, x=1e999) > 1", "7: an option of m is a number, a word or a text"),
        ("m(a, x=1, x=2) > 1", "12: the option 'x' is given twice"),
        ("m(a, x='\\d') > 1", "7: not an expectation: invalid escape sequence '\\d'"),
        ("m(a)", "0: expected a comparison such as 'train_error(a) < train_error(b)'"),
        ("m(a) > 1 and m(b)", "13: expected a comparison such as 'train_error(a) < train_error(b)'"),
        ("m(a) > 1 or m(b) > 1", "0: 'or' is not supported: a claim says one thing"),
        ("m(a) > 1 and not m(b) > 1", "13: 'not' is not supported: say what holds"),
        ("m(a) != 1", "0: only < <= > >= and == compare"),
        ("m(a) in b", "0: only < <= > >= and == compare"),
        ("1 < 2", "0: '1 < 2' measures nothing"),
        ("m(a) < m(b) and 1 < 2", "16: '1 < 2' measures nothing"),
        ("m(a) == approx(1)", "8: approx takes a value and abs=… or rel=…"),
        ("m(a) == approx(1, abs=1, rel=1)", "8: approx takes a value and abs=… or rel=…"),
        ("m(a) == approx(1, tol=1)", "8: approx takes a value and abs=… or rel=…"),
        ("m(a) < approx(1, abs=1)", "7: approx(…) goes with =="),
        ("m(a) == 1 + approx(1, abs=1)", "12: approx(…) stands alone on one side of =="),
        ("abs(m(a), 1) < 1", "0: abs takes one number"),
        ("log(m(a), base=2) < 1", "0: log takes one number"),
        ("min() < m(a)", "0: min takes two or more numbers"),
        ("max(m(a)) > 1", "0: max takes two or more numbers"),
        ("m(a) > 1e999", "7: a number too large"),
        ("m(a) < 9**9**9**9", "10: '9 ** 9 ** 9' is no number, or too large a one"),
        ("m(a) < 2**100000", "7: '2 ** 100000' is no number, or too large a one"),
        ("m(a) < m(b) + 1/0", "14: '1 / 0' is no number, or too large a one"),
        ("m(a) < min(1, (-2)**0.5)", "14: '(-2) ** 0.5' is no number, or too large a one"),
        ("m(a) < m(a)", "0: 'm(a) < m(a)' has the same on both sides"),
        ("m(b) < 1 and m(a, x=1) == m(a, x=1)", "13: 'm(a, x=1) == m(a, x=1)' has the same on both sides"),
        ("m(a) == approx(0.5, abs=-1)", "24: nothing is within abs=-1"),
        ("m(a) == approx(0, rel=0.1)", "22: a share of 0 is 0: say abs=… instead of rel=…"),
        (f"m(a) > {'9' * 400}", "7: a number too large"),
        ("m(a) >", "6: not an expectation: invalid syntax"),
        ("  m(a) >", "8: not an expectation: invalid syntax"),
        ("m(a > 1", "1: not an expectation: '(' was never closed"),
        ("m(a) > 1; m(b) > 1", "8: not an expectation: invalid syntax"),
        ("m(a) = 1", "5: not an expectation: invalid syntax"),
        ("m(é) > 1 1", "9: not an expectation: invalid syntax"),
        ("é(a) > x", "7: 'x' alone is not a number; measure it: train_error(x), say"),
        ("m(a) > 1if 1 else 2", "7: not an expectation: invalid decimal literal"),
        ("", "0: not an expectation: invalid syntax"),
    ],
)
def test_what_is_not_part_of_the_language_is_an_error_with_its_character(text, expected):
    assert error(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-" * 900 + "m(a) > 1", id="900 signs"),
        pytest.param("1+" * 450 + "m(a) > 1", id="a sum of 450"),
        pytest.param("2**" * 300 + "m(a) > 1", id="300 powers"),
        pytest.param("abs(" * 150 + "m(a)" + ")" * 150 + " > 1", id="150 calls"),
    ],
)
def test_too_deep_an_expression_is_an_error(text):
    assert error(text) == "0: not an expectation: too complex"


def test_too_long_an_expression_is_an_error():
    assert (
        error("(" * 250 + "m(a)" + ")" * 250 + "> 1")
        == "200: not an expectation: too many nested parentheses"
    )
    assert error("m(a) > 1" + " " * MAX_LENGTH) == f"0: an expectation has at most {MAX_LENGTH} characters"


# ---- what holds


@pytest.mark.parametrize(
    "text, a, b, holds",
    [
        ("m(a) < m(b)", 1, 1, False),
        ("m(a) <= m(b)", 1, 1, True),
        ("m(a) > m(b)", 1, 1, False),
        ("m(a) >= m(b)", 1, 1, True),
        ("m(a) == m(b)", 1, 1, True),
        ("m(a) == m(b)", 1, 2, False),
        ("m(a) == approx(m(b), abs=1)", 1, 2, True),
        ("m(a) == approx(m(b), abs=1)", 1, 3, False),
        ("m(a) == approx(m(b), rel=0.5)", 1, 2, True),
        ("m(a) == approx(m(b), rel=0.5)", -1, -2, True),
        ("abs(m(a) - m(b)) < 1", 1, 2, False),
        ("abs(m(a) - m(b)) <= 1", 2, 1, True),
    ],
)
def test_a_number_without_noise_holds_exactly_as_the_relation_says(text, a, b, holds):
    (link,) = parse(text).links
    assert link.holds(values(a=a, b=b)) is holds


@pytest.mark.parametrize(
    "text, a, b, margins",
    [
        ("m(a) < m(b)", 1, 4, [3]),
        ("m(a) > m(b)", 1, 4, [-3]),
        ("m(a) == approx(m(b), abs=5)", 1, 4, [8, 2]),
        ("m(a) == approx(m(b), rel=0.5)", 1, 4, [5, -1]),
        ("abs(m(a) - m(b)) < 5", 1, 4, [8, 2]),
        ("m(a) == m(b)", 4, 1, [-3]),
        ("m(a) == m(b)", 4, 4, [0]),
    ],
)
def test_margins_are_positive_where_a_link_holds(text, a, b, margins):
    (link,) = parse(text).links
    assert [evaluate(margin, values(a=a, b=b)) for margin in link.margins] == margins

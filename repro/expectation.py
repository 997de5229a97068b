"""What a claim expects: a small language, parsed with `ast` and never run as Python.

    train_error(plain56) > train_error(plain20)
    train_error(plain56) - train_error(plain20) > train_error(resnet56) - train_error(resnet20)
    test_error(resnet56) == approx(0.0697, abs=0.005)
    miou(fcn32) < miou(fcn16) < miou(fcn8) and params(fcn32) == params(fcn8)

An expectation is a conjunction of links, each of one or two margins: numbers that are positive when the link
holds. `a < b` has the margin b - a; `a == approx(b, abs=m)` and `abs(a - b) < m` have two, m - (a - b) and m
+ (a - b).
"""

import ast
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from repro.errors import ReproError
from repro.expression import (
    FUNCTIONS,
    Expression,
    Number,
    Operation,
    Option,
    Values,
    evaluate,
    measurements,
    raising,
)
from repro.expression import Measurement as Measurement

MAX_LENGTH = 1000  # characters; the longest of a real suite has a third of it
MAX_DEPTH = 100  # operators within operators
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=="}


class ExpectationError(ReproError):
    """What is wrong, and at which character (from 0)."""

    def __init__(self, message: str, offset: int):
        self.message, self.offset = message, offset
        super().__init__(message)


@dataclass(frozen=True)
class Link:
    """`left relation right`. With a tolerance it is an equivalence: left - right is within ± tolerance.

    Its relation then says whether the tolerance itself is within: `==` (of an `approx`), `<` or `<=` (of
    `abs(…) < …`).
    """

    left: Expression
    relation: str
    right: Expression
    tolerance: Expression | None = None
    offset: int = field(default=0, compare=False)  # the character it starts at, for errors

    def __str__(self) -> str:
        if self.tolerance is None:
            return f"{self.left} {self.relation} {self.right}"
        if self.relation == "==":
            return f"{self.left} == approx({self.right}, abs={self.tolerance})"
        return f"abs({self.left}) {self.relation} {self.tolerance}"

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(e for e in (self.left, self.right, self.tolerance) if e is not None)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(dict.fromkeys(m for expression in self.expressions for m in measurements(expression)))

    @property
    def margins(self) -> tuple[Expression, ...]:
        """Each is positive when the link holds, for the values of one seed; of an exact equality it is 0
        then, else negative.
        """
        difference = Operation("-", (self.left, self.right))
        if self.tolerance is not None:
            return Operation("-", (self.tolerance, difference)), Operation("+", (self.tolerance, difference))
        if self.relation in ("<", "<="):
            return (Operation("-", (self.right, self.left)),)
        if self.relation == "==":
            return (Operation("-", (Number(0.0), Operation("abs", (difference,)))),)
        return (difference,)

    def choices(self, is_noisy: Callable[[Measurement], bool]) -> tuple[Operation, ...]:
        """Where the data choose the side that suits the link: the `min` of `c > min(a, b)`, the `abs` of
        `abs(a - b) > x`. The size of an `approx` with `rel=` is no choice.
        """
        difference = Operation("-", (self.left, self.right))
        if self.tolerance is None:
            margins = [] if self.relation == "==" else list(self.margins)
        else:
            match self.tolerance:
                case Operation("*", (share, Operation("abs", (target,)))) if target == self.right:
                    tolerance = share
                case tolerance:
                    pass
            margins = [tolerance, difference, Operation("-", (difference,))]
        return tuple(dict.fromkeys(choice for margin in margins for choice in raising(margin, is_noisy)))

    def holds(self, values: Values) -> bool:
        """For numbers without noise: exactly what the relation says."""
        left, right = evaluate(self.left, values), evaluate(self.right, values)
        relation = self.relation
        if self.tolerance is not None:
            difference = evaluate(Operation("abs", (Operation("-", (self.left, self.right)),)), values)
            left, right = difference, evaluate(self.tolerance, values)
            relation = "<=" if relation == "==" else relation
        return {
            "<": left < right,
            "<=": left <= right,
            ">": left > right,
            ">=": left >= right,
            "==": left == right,
        }[relation]


@dataclass(frozen=True)
class Expectation:
    text: str
    links: tuple[Link, ...]
    places: tuple[tuple[Measurement, int], ...]  # every measurement with its character, for errors

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(dict.fromkeys(measurement for measurement, _ in self.places))


def parse(text: str) -> Expectation:
    """Raises `ExpectationError` with the character where it goes wrong."""
    if len(text) > MAX_LENGTH:
        raise ExpectationError(f"an expectation has at most {MAX_LENGTH} characters", 0)
    if "#" in text:
        raise ExpectationError("'#' is not part of the language", text.index("#"))
    line = re.sub(r"\s", " ", text)
    places: list[tuple[Measurement, int]] = []
    try:
        with warnings.catch_warnings(action="error"):  # what Python only warns of is a mistake here
            body = ast.parse(line.strip(), mode="eval").body
        if _depth(body) > MAX_DEPTH:
            raise RecursionError
        links = [link for node in _conjuncts(body) for link in _links(node, places)]
    except ExpectationError as error:
        raise ExpectationError(error.message, _character(line, error.offset)) from None
    except SyntaxError as error:
        offset = (
            min(error.offset - 1 if error.offset else len(line), len(line.strip()))
            + len(line)
            - len(line.lstrip())
        )
        raise ExpectationError(f"not an expectation: {error.msg}", offset) from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpectationError("not an expectation: too complex", 0) from None
    return Expectation(
        text,
        tuple(replace(link, offset=_character(line, link.offset)) for link in links),
        tuple((measurement, _character(line, offset)) for measurement, offset in places),
    )


def parse_measurement(text: str) -> Measurement:
    """One measurement, with its options in any order: `miou(fcn8, images=40)`.

    Raises `ExpectationError` for anything else.
    """
    (link,) = parse(f"{text} > 0").links
    if not isinstance(link.left, Measurement):
        raise ExpectationError(f"'{text}' is not a measurement; expected one such as miou(ARM)", 0)
    return link.left


def _character(line: str, offset: int) -> int:
    """The place of a character in a text, from that of its byte in the stripped text, as `ast` counts."""
    return len(line) - len(line.lstrip()) + len(line.strip().encode()[:offset].decode(errors="ignore"))


def _depth(body: ast.expr) -> int:
    depth, level = 0, list[ast.AST]([body])
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _conjuncts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [conjunct for value in node.values for conjunct in _conjuncts(value)]
    if isinstance(node, ast.BoolOp):
        raise ExpectationError("'or' is not supported: a claim says one thing", node.col_offset)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        raise ExpectationError("'not' is not supported: say what holds", node.col_offset)
    return [node]


def _links(node: ast.expr, places: list[tuple[Measurement, int]]) -> Iterator[Link]:
    if not isinstance(node, ast.Compare):
        raise ExpectationError(
            "expected a comparison such as 'train_error(a) < train_error(b)'", node.col_offset
        )
    sides = [node.left, *node.comparators]
    for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
        relation = COMPARISONS.get(type(operator))
        if relation is None:
            raise ExpectationError("only < <= > >= and == compare", left.col_offset)
        link = _link(left, relation, right, places)
        if not link.measurements:
            raise ExpectationError(f"'{link}' measures nothing", left.col_offset)
        if link.left == link.right and link.tolerance is None:
            raise ExpectationError(f"'{link}' has the same on both sides", left.col_offset)
        yield replace(link, offset=left.col_offset)


def _link(left: ast.expr, relation: str, right: ast.expr, places: list[tuple[Measurement, int]]) -> Link:
    if _is_call(left, "approx"):
        left, right = right, left
    if _is_call(right, "approx"):
        if relation != "==":
            raise ExpectationError("approx(…) goes with ==", right.col_offset)
        return _equivalence(left, right, places)
    if relation in (">", ">=") and _is_call(right, "abs"):
        left, relation, right = right, relation.replace(">", "<"), left
    if relation in ("<", "<=") and _is_call(left, "abs"):
        inner = _arguments(left)[0]
        return Link(_expression(inner, places), relation, Number(0.0), _expression(right, places))
    return Link(_expression(left, places), relation, _expression(right, places))


def _equivalence(left: ast.expr, approx: Any, places: list[tuple[Measurement, int]]) -> Link:
    keywords = {k.arg: k.value for k in approx.keywords}
    if len(approx.args) != 1 or len(keywords) != 1 or not keywords.keys() <= {"abs", "rel"}:
        raise ExpectationError("approx takes a value and abs=… or rel=…", approx.col_offset)
    target = _expression(approx.args[0], places)
    ((kind, node),) = keywords.items()
    tolerance = _expression(node, places)
    if (least := _constant(tolerance)) is not None and least < 0:
        raise ExpectationError(f"nothing is within {kind}={ast.unparse(node)}", node.col_offset)
    if kind == "rel" and target == Number(0.0):
        raise ExpectationError("a share of 0 is 0: say abs=… instead of rel=…", node.col_offset)
    if kind == "rel":
        tolerance = Operation("*", (tolerance, Operation("abs", (target,))))
    return Link(_expression(left, places), "==", target, tolerance)


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _arguments(node: Any) -> list[ast.expr]:
    several = node.func.id in ("min", "max")
    if node.keywords or (len(node.args) < 2 if several else len(node.args) != 1):
        raise ExpectationError(
            f"{node.func.id} takes {'two or more numbers' if several else 'one number'}", node.col_offset
        )
    return list(node.args)


def _expression(node: ast.expr, places: list[tuple[Measurement, int]]) -> Expression:
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ):
        if abs(node.value) > sys.float_info.max:
            raise ExpectationError("a number too large", node.col_offset)
        return Number(float(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _expression(node.operand, places)
        return Number(-operand.value) if isinstance(operand, Number) else Operation("-", (operand,))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        sides = _expression(node.left, places), _expression(node.right, places)
        return _of_numbers(Operation(OPERATORS[type(node.op)], sides), node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        if name == "approx":
            raise ExpectationError("approx(…) stands alone on one side of ==", node.col_offset)
        if name in FUNCTIONS:
            arguments = tuple(_expression(a, places) for a in _arguments(node))
            return _of_numbers(Operation(name, arguments), node)
        measurement = _measurement(node, name)
        places.append((measurement, node.col_offset))
        return measurement
    if isinstance(node, ast.Name):
        raise ExpectationError(
            f"'{node.id}' alone is not a number; measure it: train_error({node.id}), say", node.col_offset
        )
    raise ExpectationError(f"'{ast.unparse(node)}' is not part of the language", node.col_offset)


def _of_numbers(operation: Operation, node: ast.expr) -> Operation:
    """The operation; of numbers alone it has to have a value, and one that is not infinite."""
    value = _constant(operation)
    if value is not None and not math.isfinite(value):
        raise ExpectationError(f"'{ast.unparse(node)}' is no number, or too large a one", node.col_offset)
    return operation


def _constant(expression: Expression) -> float | None:
    """The value of what measures nothing."""
    if next(measurements(expression), None) is not None:
        return None
    return evaluate(expression, lambda _: math.nan)


def _measurement(node: ast.Call, name: str) -> Measurement:
    if len(node.args) != 1 or not isinstance(node.args[0], ast.Name):
        raise ExpectationError(f"a measurement names one arm: {name}(ARM)", node.col_offset)
    options: list[tuple[str, Option]] = []
    for keyword in node.keywords:
        option = _option(keyword.value)
        if keyword.arg is None or option is None:
            raise ExpectationError(
                f"an option of {name} is a number, a word or a text", keyword.value.col_offset
            )
        if keyword.arg in dict(options):
            raise ExpectationError(f"the option '{keyword.arg}' is given twice", keyword.value.col_offset)
        options.append((keyword.arg, option))
    return Measurement(name, node.args[0].id, tuple(sorted(options)))


def _option(node: ast.expr) -> Option | None:
    match node:
        case ast.Name(id="true" | "false" as word):  # as in YAML
            return word == "true"
        case ast.Name(id=word):
            return word
        case ast.Constant(value=str() | bool() as value):
            return value
        case ast.Constant(value=int() | float() as value) if abs(value) <= sys.float_info.max:
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return None if isinstance(value, bool) else -value
    return None

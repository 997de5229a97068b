"""What a claim expects: a small language, parsed with `ast` and never run as Python.

    train_error(plain56) > train_error(plain20)
    train_error(plain56) - train_error(plain20) > train_error(resnet56) - train_error(resnet20)
    test_error(resnet56) == approx(0.0697, abs=0.005)
    miou(fcn32) < miou(fcn16) < miou(fcn8) and params(fcn32) == params(fcn8)

An expectation is a conjunction of links, each of one or two margins: numbers that are positive when the link holds.
`a < b` has the margin b - a; `a == approx(b, abs=m)` and `abs(a - b) < m` have two, m - (a - b) and m + (a - b).
"""

import ast
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, TypeAlias

from repro.errors import ReproError

MAX_LENGTH = 1000  # characters; the longest of a real suite has a third of it
MAX_DEPTH = 100  # operators within operators
FUNCTIONS: dict[str, Callable[..., float]] = {"abs": abs, "min": min, "max": max, "log": math.log, "log2": math.log2}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=="}
Option: TypeAlias = str | float | int | bool


class ExpectationError(ReproError):
    """What is wrong, and at which character (from 0)."""

    def __init__(self, message: str, offset: int):
        self.message, self.offset = message, offset
        super().__init__(message)


@dataclass(frozen=True)
class Number:
    value: float

    def __str__(self) -> str:
        short = f"{self.value:.12g}"
        return short if float(short) == self.value else repr(self.value)


@dataclass(frozen=True)
class Measurement:
    """`name(arm, option=value, …)`; two that say the same are equal, wherever they stand."""

    name: str
    arm: str
    options: tuple[tuple[str, Option], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join([self.arm, *(f'{k}={_written(v)}' for k, v in self.options)])})"


def _written(option: Option) -> str:
    is_word = isinstance(option, str) and option.isidentifier() and not iskeyword(option)
    return str(option) if is_word else repr(option)


@dataclass(frozen=True)
class Operation:
    """An operator or a function of `FUNCTIONS` on its operands."""

    name: str
    operands: tuple["Expression", ...]

    def __str__(self) -> str:
        if self.name in FUNCTIONS:
            return f"{self.name}({', '.join(map(str, self.operands))})"
        *left, right = (f"({o})" if _needs_brackets(o) else str(o) for o in self.operands)
        return f"{left[0]} {self.name} {right}" if left else f"-{right}"


def _needs_brackets(operand: "Expression") -> bool:
    if isinstance(operand, Number):
        return operand.value < 0  # -2 ** 2 would be -(2 ** 2)
    return isinstance(operand, Operation) and operand.name not in FUNCTIONS


Expression: TypeAlias = Number | Measurement | Operation
Values: TypeAlias = Callable[[Measurement], float]


@dataclass(frozen=True)
class Link:
    """`left relation right`. With a tolerance it is an equivalence: left - right is within ± tolerance.

    Its relation then says whether the tolerance itself is within: `==` (of an `approx`), `<` or `<=` (of `abs(…) < …`).
    """

    left: Expression
    relation: str
    right: Expression
    tolerance: Expression | None = None

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
        """Each is positive when the link holds, for the values of one seed."""
        difference = Operation("-", (self.left, self.right))
        if self.tolerance is not None:
            return Operation("-", (self.tolerance, difference)), Operation("+", (self.tolerance, difference))
        if self.relation in ("<", "<="):
            return (Operation("-", (self.right, self.left)),)
        return (difference,)

    def holds(self, values: Values) -> bool:
        """For numbers without noise: exactly what the relation says."""
        left, right = evaluate(self.left, values), evaluate(self.right, values)
        relation = self.relation
        if self.tolerance is not None:
            difference = evaluate(Operation("abs", (Operation("-", (self.left, self.right)),)), values)
            left, right = difference, evaluate(self.tolerance, values)
            relation = "<=" if relation == "==" else relation
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right, "==": left == right}[relation]


@dataclass(frozen=True)
class Expectation:
    text: str
    links: tuple[Link, ...]
    places: tuple[tuple[Measurement, int], ...]  # every measurement with its character, for errors

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(dict.fromkeys(measurement for measurement, _ in self.places))


def measurements(expression: Expression) -> Iterator[Measurement]:
    if isinstance(expression, Measurement):
        yield expression
    elif isinstance(expression, Operation):
        for operand in expression.operands:
            yield from measurements(operand)


def evaluate(expression: Expression, values: Values) -> float:
    """The value of an expression. What overflows is infinite; what has no value (log of 0, 0/0) raises `ReproError`."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Measurement):
        return float(values(expression))
    operands = [evaluate(operand, values) for operand in expression.operands]
    try:
        match expression.name, operands:
            case "+", [a, b]:
                result = a + b
            case "-", [a, b]:
                result = a - b
            case "-", [a]:
                result = -a
            case "*", [a, b]:
                result = a * b
            case "/", [a, b]:
                result = 1.0 if math.isinf(a) and math.isinf(b) else a / b
            case "**", [a, b]:
                result = a**b
            case name, _:
                result = FUNCTIONS[name](*operands)
    except OverflowError:  # of a power: it alone raises
        return -math.inf if operands[0] < 0 and operands[1] % 2 == 1 else math.inf
    except (ZeroDivisionError, ValueError):
        result = math.nan
    if expression.name in ("+", "-", "*") and any(map(math.isinf, operands)) and not any(map(math.isnan, operands)):
        return 0.0 if math.isnan(result) else float(result)  # two diverged runs: neither is the better one
    if isinstance(result, complex) or math.isnan(result) or any(map(math.isnan, operands)):
        raise ReproError(f"{expression} has no value: its operands are {', '.join(f'{o:g}' for o in operands)}")
    return float(result)


def parse(text: str) -> Expectation:
    """Raises `ExpectationError` with the character where it goes wrong."""
    if len(text) > MAX_LENGTH:
        raise ExpectationError(f"an expectation has at most {MAX_LENGTH} characters", 0)
    try:
        body = ast.parse(text.strip().replace("\n", " "), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        offset = (getattr(error, "offset", None) or 1) - 1
        raise ExpectationError(f"not an expectation: {getattr(error, 'msg', 'too complex')}", offset) from None
    places: list[tuple[Measurement, int]] = []
    links = [link for node in _conjuncts(body) for link in _links(node, places)]
    return Expectation(text, tuple(links), tuple(places))


def _conjuncts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [conjunct for value in node.values for conjunct in _conjuncts(value)]
    if isinstance(node, ast.BoolOp):
        raise ExpectationError("'or' is not supported: a claim says one thing", node.col_offset)
    return [node]


def _links(node: ast.expr, places: list[tuple[Measurement, int]]) -> Iterator[Link]:
    if not isinstance(node, ast.Compare):
        raise ExpectationError("expected a comparison such as 'train_error(a) < train_error(b)'", node.col_offset)
    sides = [node.left, *node.comparators]
    for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
        relation = COMPARISONS.get(type(operator))
        if relation is None:
            raise ExpectationError("only < <= > >= and == compare", left.col_offset)
        if _is_call(left, "approx"):
            left, right = right, left
        if _is_call(right, "approx"):
            if relation != "==":
                raise ExpectationError("approx(…) goes with ==", right.col_offset)
            yield _equivalence(left, right, places)
        elif (relation in ("<", "<=") and _is_call(left, "abs")) or (relation in (">", ">=") and _is_call(right, "abs")):
            inner, bound = (left, right) if relation in ("<", "<=") else (right, left)
            inner = _arguments(inner, 1)[0]
            yield Link(_expression(inner, places), "==", Number(0.0), _expression(bound, places))
        else:
            yield Link(_expression(left, places), relation, _expression(right, places))


def _equivalence(left: ast.expr, approx: Any, places: list[tuple[Measurement, int]]) -> Link:
    keywords = {k.arg: k.value for k in approx.keywords}
    if len(approx.args) != 1 or len(keywords) != 1 or not keywords.keys() <= {"abs", "rel"}:
        raise ExpectationError("approx takes a value and abs=… or rel=…", approx.col_offset)
    target = _expression(approx.args[0], places)
    ((kind, node),) = keywords.items()
    tolerance = _expression(node, places)
    if kind == "rel":
        tolerance = Operation("*", (tolerance, Operation("abs", (target,))))
    return Link(_expression(left, places), "==", target, tolerance)


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _arguments(node: Any, count: int | None = None) -> list[ast.expr]:
    if node.keywords or (count is not None and len(node.args) != count) or not node.args:
        raise ExpectationError(f"{node.func.id} takes {count or 'one or more'} plain argument(s)", node.col_offset)
    return list(node.args)


def _expression(node: ast.expr, places: list[tuple[Measurement, int]]) -> Expression:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        try:
            return Number(float(node.value))
        except OverflowError:
            raise ExpectationError("a number too large", node.col_offset) from None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _expression(node.operand, places)
        return Number(-operand.value) if isinstance(operand, Number) else Operation("-", (operand,))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return Operation(OPERATORS[type(node.op)], (_expression(node.left, places), _expression(node.right, places)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        if name == "approx":
            raise ExpectationError("approx(…) stands alone on one side of ==", node.col_offset)
        if name in FUNCTIONS:
            count = None if name in ("min", "max") else 1
            return Operation(name, tuple(_expression(a, places) for a in _arguments(node, count)))
        measurement = _measurement(node, name)
        places.append((measurement, node.col_offset))
        return measurement
    if isinstance(node, ast.Name):
        raise ExpectationError(f"'{node.id}' alone is not a number; measure it: train_error({node.id}), say", node.col_offset)
    raise ExpectationError(f"'{ast.unparse(node)}' is not part of the language", node.col_offset)


def _measurement(node: ast.Call, name: str) -> Measurement:
    if len(node.args) != 1 or not isinstance(node.args[0], ast.Name):
        raise ExpectationError(f"a measurement names one arm: {name}(ARM)", node.col_offset)
    options: list[tuple[str, Option]] = []
    for keyword in node.keywords:
        value = keyword.value
        if keyword.arg is None or not isinstance(value, ast.Constant | ast.Name):
            raise ExpectationError(f"an option of {name} is a number, a word or a text", value.col_offset)
        option = value.id if isinstance(value, ast.Name) else value.value
        if not isinstance(option, str | float | int):
            raise ExpectationError(f"an option of {name} is a number, a word or a text", value.col_offset)
        options.append((keyword.arg, option))
    return Measurement(name, node.args[0].id, tuple(sorted(options)))

"""What a claim measures: numbers, measurements of arms, and what is computed from them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from keyword import iskeyword
from typing import TypeAlias

FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "log": math.log,
    "log2": math.log2,
}
ROUNDING = 2.0**-22  # of two numbers of single precision, each half a unit in the last place, and some more
Option: TypeAlias = str | float | int | bool


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

    @property
    def subject(self) -> str:
        """The arm with the options: `vgg16`, or `vgg16(batch_size=8)`."""
        options = ", ".join(f"{key}={value}" for key, value in sorted(self.options))
        return f"{self.arm}({options})" if options else self.arm


def _written(option: Option) -> str:
    if isinstance(option, bool):
        return str(option).lower()
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
        if len(self.operands) == 1:
            return f"-{_in_brackets(self.operands[0])}"
        left, right = self.operands
        is_base = self.name == "**"  # -2 ** 2 would be -(2 ** 2)
        return f"{_in_brackets(left, is_base)} {self.name} {_in_brackets(right)}"


def _in_brackets(operand: "Expression", is_base: bool = False) -> str:
    negative = isinstance(operand, Number) and operand.value < 0
    if (negative and is_base) or (isinstance(operand, Operation) and operand.name not in FUNCTIONS):
        return f"({operand})"
    return str(operand)


Expression: TypeAlias = Number | Measurement | Operation
Values: TypeAlias = Callable[[Measurement], float]


def measurements(expression: Expression) -> Iterator[Measurement]:
    if isinstance(expression, Measurement):
        yield expression
    elif isinstance(expression, Operation):
        for operand in expression.operands:
            yield from measurements(operand)


def evaluate(expression: Expression, values: Values) -> float:
    """The value of an expression: infinite where it overflows, NaN where it has none (see `no_value`)."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Measurement):
        return float(values(expression))
    operands = [evaluate(operand, values) for operand in expression.operands]
    if any(map(math.isnan, operands)):
        return math.nan
    try:
        return float(_computed(expression.name, operands))
    except OverflowError:  # of a power: nothing else raises it
        return -math.inf if operands[0] < 0 and operands[1] % 2 == 1 else math.inf
    except (ZeroDivisionError, ValueError):
        return math.nan


def margin(expression: Expression, values: Values) -> float:
    """The value of a difference, and 0 where it is no more than the rounding of what is subtracted: metrics
    are of single precision, so that 0.9 - 0.8999999761581421 is no evidence that one is the larger.
    """
    found = evaluate(expression, values)
    if not math.isfinite(found):
        return found
    size = _size(expression, values)
    return 0.0 if math.isfinite(size) and abs(found) <= ROUNDING * size else found


def _size(expression: Expression, values: Values) -> float:
    """How large what is added up in an expression of finite value is, whatever the signs."""
    if isinstance(expression, Operation):
        operands = expression.operands
        match expression.name:
            case "+" | "-" | "abs":
                return sum(_size(operand, values) for operand in operands)
            case "*":
                return math.prod(_size(operand, values) for operand in operands)
            case "/":
                return _size(operands[0], values) / abs(evaluate(operands[1], values))
            case "min" | "max":
                choose = min if expression.name == "min" else max
                return _size(choose(operands, key=lambda one: evaluate(one, values)), values)
    return abs(evaluate(expression, values))


def _computed(name: str, operands: list[float]) -> float:
    match name, operands:
        case "+", [a, b]:
            return a + b
        case "-", [a, b]:
            return a - b
        case "-", [a]:
            return -a
        case "*", [a, b]:
            return a * b
        case "/", [a, b]:
            return a / b
        case "**", [a, b]:
            return math.pow(a, b)
    return FUNCTIONS[name](*operands)


def raising(expression: Expression, is_noisy: Callable[[Measurement], bool]) -> Iterator[Operation]:
    """The choices of the data that raise an expression: `max(a, b)` or `abs(a)` of noisy measurements where
    more of it is more of the whole, and `min(a, b)` where it is less.

    Of two arms that do not differ one is always the greater by chance, so that such a number is biased. What
    multiplies or divides is taken for positive, unless it is a number that is not.
    """
    yield from _choices(expression, True, is_noisy)


def _choices(
    expression: Expression, rises: bool, is_noisy: Callable[[Measurement], bool]
) -> Iterator[Operation]:
    if not isinstance(expression, Operation):
        return
    name, operands = expression.name, expression.operands
    if name in (("max", "abs") if rises else ("min",)) and any(map(is_noisy, measurements(expression))):
        yield expression
        return
    for index, operand in enumerate(operands):
        falls = name in ("-", "/") and index == len(operands) - 1
        if name in ("*", "/", "**"):
            falls ^= any(_is_negative(other) for other in operands if other is not operand)
        yield from _choices(operand, rises ^ falls, is_noisy)


def _is_negative(expression: Expression) -> bool:
    return not any(measurements(expression)) and evaluate(expression, lambda _: math.nan) < 0


def no_value(expression: Expression, values: Values) -> str | None:
    """Why an expression has no value, from the innermost part that has none; None if it has one."""
    if not math.isnan(evaluate(expression, values)):
        return None
    if not isinstance(expression, Operation):
        return f"{expression} has no value"
    of_operands = (no_value(operand, values) for operand in expression.operands)
    inner = next(filter(None, of_operands), None)
    if inner:
        return inner
    named = (f"{operand} = {evaluate(operand, values):g}" for operand in expression.operands)
    return f"{expression} has no value, with {', '.join(named)}"

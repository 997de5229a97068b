"""Axes: from values to pixels, and the round numbers that stand beside them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

LARGEST = 1e300  # what lies beyond is drawn there: the length of an axis must not overflow
LARGEST_POWER = 1e120  # the same, and 1 over it, of an axis of logarithms


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` as pixels from `start` to `end`; what lies beyond is drawn at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    title: str = ""

    def at(self, value: float) -> float:
        ends = (self.low, self.high, min(max(value, self.low), self.high))
        low, high, place = map(math.log10, ends) if self.log else ends
        return self.start + (place - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        return _decades(self.low, self.high, most) if self.log else _round(self.low, self.high, most)


def covering(
    values: Iterable[float | None],
    start: float,
    end: float,
    *,
    log: bool = False,
    include: Iterable[float] = (),
    room: float = 0.06,
    title: str = "",
) -> Axis:
    """An axis over the finite `values`, with `room`, a share of its length, at both ends; else 0 to 1."""
    smallest, largest = (1 / LARGEST_POWER, LARGEST_POWER) if log else (-LARGEST, LARGEST)
    finite = [
        min(max(v, smallest), largest)
        for v in values
        if v is not None and math.isfinite(v) and (v > 0 or not log)
    ]
    finite += include
    if not finite:
        finite = [1.0, 10.0] if log else [0.0, 1.0]
    low, high = min(finite), max(finite)
    if log:
        factor = max((high / low) ** room, 1.15)
        return Axis(low / factor, high * factor, start, end, True, title)
    beyond = (high - low) * room or abs(high) * 0.1 or 1.0
    low = low if low == 0 <= high else low - beyond  # what starts at 0 is drawn from there
    high += beyond
    return Axis(low, high, start, end, False, title)


def label(value: float) -> str:
    """Short, for a tick: 64 k, 0.05."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e15:
            return f"{value / (1e3 if letter == 'k' else size):.4g} {letter}"
    return f"{value:.6g}"


def _round(low: float, high: float, most: int) -> list[float]:
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [tick for i in range(most + 2) if (tick := (first + i) * step) <= high + step * 1e-9]


def _decades(low: float, high: float, most: int) -> list[float]:
    exponents = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    if len(exponents) >= 3:
        return [10.0**exponent for exponent in exponents[:: -(-len(exponents) // most)]]
    sizes = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    for factors in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), tuple(1 + i / 10 for i in range(90))):
        ticks = [tick for size in sizes for factor in factors if low <= (tick := factor * 10.0**size) <= high]
        if len(ticks) >= 2:
            return ticks[:: -(-len(ticks) // most)]
    return [math.sqrt(low * high)]

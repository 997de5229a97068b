"""What paired differences say of a claim: one exact rule, a group-sequential sign-flip test.

The differences D_1 … D_n are looked at after 5, 7, 10 and, where more seeds are allowed, 14 and 20 of them.
Were there nothing to the claim, each difference would be as likely to come with the other sign: given the
sizes |D_i|, all 2^n patterns of signs are equally probable. At a look they are ordered by the sum they give.
Patterns whose first signs had crossed at an earlier look stay crossed; of the others those with the largest
sums cross, until as many have as the share of alpha spent by then allows:

    look                               5         7       10         14            20
    share of alpha spent            .625    .78125       .9        .95             1
    patterns crossed (alpha .05)       1         5       46        778        52,428
    of                                32       128    1,024     16,384     1,048,576

A claim is reproduced when the pattern that was seen crosses, and refuted when that of the negated differences
does. Of patterns with equal sums those with their minus signs on earlier seeds come first. A difference of 0
counts as below 0, for the claim and against it.

- **Level.** Which patterns cross depends on the sizes alone, and at most alpha of all patterns ever do. So a
  claim to which there is nothing is reproduced with probability at most alpha, whenever one stops. That takes
  signs that are fair given all sizes: independent differences, each symmetric about 0.
- **Raising a difference never loses a verdict.** Let D_i rise, and no sums be equal for now. Patterns that
  agree with the one seen at i gain on those that do not, so none overtakes it. Two patterns p and q change
  places at a cut only if p gains on q, hence agrees at i; the one seen is not q, then, and its place among
  the others is what it was: each continuation of q that is now free has the sum of one of p that no longer
  is. A rule for equal sums that is the same for all sizes is a difference of sizes too small to see.
- So the level also holds where differences are symmetric about points below 0, be they different ones; and
  the margins m for which D - m is undecided are an interval.
- **An infinite difference**, of a run that diverged, dwarfs all finite ones and equals other infinite ones.

Symmetry is what is assumed, and it can fail: see `tests/evidence/test_error_rates.py` for what happens then.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["reproduced", "refuted", "undecided"]
Integers = NDArray[np.int64]

SPENT = {5: Fraction(5, 8), 7: Fraction(25, 32), 10: Fraction(9, 10), 14: Fraction(19, 20), 20: Fraction(1)}
LOOKS = tuple(SPENT)  # numbers of seeds
MOST = LOOKS[-1]
BITS = 32  # of the largest difference, to which others are told apart; smaller ones count with their sign
INFINITE = 2 ** (BITS + 6)  # more than 20 differences of at most 2^(BITS + 1) together


@dataclass(frozen=True)
class Decision:
    """The verdict over a sequence of differences, and what it rests on."""

    verdict: Verdict
    decided_at: int | None  # number of differences at the verdict
    estimate: float | None  # mean of all; None where there is none: no differences, or inf and -inf
    differences: tuple[float, ...]
    alpha: Fraction
    parts: int

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The margins m for which D - m is undecided, as the last look finds them; boundless before one."""
        scaled, shift = _on_a_grid(np.array(self.differences))
        low = _last_reproduced(scaled, self.alpha)
        high = -_last_reproduced(-scaled, self.alpha / self.parts)
        return math.ldexp(low, -shift) + 0.0, math.ldexp(high, -shift) + 0.0  # 0.0, not -0.0


def decide(differences: Sequence[float], alpha: float | Fraction = 0.05, parts: int = 1) -> Decision:
    """Differences in the order of their seeds. Of a claim of several parts each is refuted at its share of
    alpha.

    Raises ValueError for NaN, for anything but one row of numbers, and for `alpha` outside (0, 0.5).
    """
    given = np.asarray(differences, dtype=np.float64)
    _check(given, alpha)
    verdict, decided_at = _verdict(_on_a_grid(given)[0], exact(alpha), parts)
    return Decision(verdict, decided_at, _mean(given), tuple(given.tolist()), exact(alpha), parts)


def can_be(verdict: Verdict, differences: Sequence[float], most: int, alpha: float, parts: int = 1) -> bool:
    """Whether differences can still come to a verdict with so many seeds, whatever the others will be."""
    given = np.asarray(differences, dtype=np.float64)
    best = np.full(max(0, most - given.size), np.inf if verdict == "reproduced" else -np.inf)
    return _verdict(_on_a_grid(np.concatenate([given, best]))[0], exact(alpha), parts)[0] == verdict


def share(differences: Sequence[float]) -> float:
    """The share of patterns of signs with a sum at least as large as the one seen, of at most 20 differences.

    It is the p-value of the sign-flip test that looks once, at these differences.
    """
    scaled = _on_a_grid(np.asarray(differences, dtype=np.float64))[0]
    sizes, half = np.abs(scaled), scaled.size // 2
    first, second = _flips(sizes[:half]), np.sort(_flips(sizes[half:]))
    flipped = int(sizes[scaled < 0].sum())
    many = int(np.searchsorted(second, flipped - first, side="right").sum())
    return math.ldexp(many, -sizes.size)


@lru_cache
def first_look(alpha: float | Fraction = 0.05) -> int | None:
    """The number of differences from which on a verdict is possible; None if it never is."""
    return next((look for look in LOOKS if _allowed(look, exact(alpha))), None)


def exact(alpha: float | Fraction) -> Fraction:
    """A level as it is written: 0.05 is 1/20."""
    return alpha if isinstance(alpha, Fraction) else Fraction(alpha).limit_denominator(10**12)


def _check(given: NDArray[np.float64], alpha: float | Fraction) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, not {alpha}")
    if given.ndim != 1:
        raise ValueError(f"differences are one row of numbers, not an array of shape {given.shape}")
    if np.isnan(given).any():
        place = int(np.isnan(given).argmax()) + 1
        raise ValueError(
            f"difference {place} of {given.size} is NaN; a run that diverged counts as inf or -inf"
        )


def _on_a_grid(given: NDArray[np.float64]) -> tuple[Integers, int]:
    """Differences as whole numbers of at most 2^BITS, times 2^shift, so that equal sums are equal.

    One that is not 0 is at least 1 either way, however large another is: its sign counts.
    """
    finite = np.isfinite(given)
    largest = np.abs(given[finite]).max(initial=0.0) or math.ulp(0.0)
    shift = BITS - int(np.frexp(largest)[1])
    scaled = np.zeros(given.size, dtype=np.int64)
    scaled[finite] = np.rint(np.ldexp(given[finite], shift)).astype(np.int64)
    scaled = np.where(scaled == 0, np.sign(given).astype(np.int64), scaled)
    scaled[~finite] = np.where(given[~finite] > 0, INFINITE, -INFINITE)
    return scaled, shift


def _verdict(scaled: Integers, alpha: Fraction, parts: int) -> tuple[Verdict, int | None]:
    """The first crossing either way, and the number of differences at it."""
    up, down = _crossing(scaled, alpha), _crossing(-scaled, alpha / parts)
    if up == down:
        return "undecided", None
    return ("reproduced", up) if down is None or (up or math.inf) < down else ("refuted", down)


def _crossing(scaled: Integers, alpha: Fraction) -> int | None:
    """The number of differences at the look at which the pattern seen crosses; None if it never does.

    A pattern is the set of seeds whose sign is flipped to minus: the smaller the sizes of those together, the
    larger the sum. It is numbered by its bits, the first seed's being the lowest.
    """
    sizes, seen = _sizes_and_signs(scaled)
    crossed, before = np.zeros(1, dtype=bool), 0
    for look in LOOKS[: sum(look <= sizes.size for look in LOOKS)]:
        room = _allowed(look, alpha) - (int(crossed.sum()) << (look - before))
        added, known = _flips(sizes[before:look]), _flips(sizes[:before])
        flipped = int(sizes[:look][seen[:look]].sum())
        place = np.searchsorted(np.sort(known[~crossed]), flipped - added, side="right").sum()
        if place <= room:
            return look
        if look < sizes.size:
            crossed, before = _crossed(known, added, crossed, room), look
    return None


def _crossed(known: Integers, added: Integers, crossed: NDArray[np.bool_], room: int) -> NDArray[np.bool_]:
    """Which patterns have crossed after a look: those that had, and as many more as there is room for."""
    flipped = (added[:, None] + known[None, :]).ravel()
    old = np.tile(crossed, added.size)
    free = flipped[~old]
    cut = np.partition(free, room)[room]  # the first that has no room; alpha is below .5, so there is one
    crossed_now: NDArray[np.bool_] = old | (flipped < cut)
    return crossed_now


def _sizes_and_signs(scaled: Integers) -> tuple[Integers, NDArray[np.bool_]]:
    """Sizes, no two subsets of which have the same sum, and whether a difference counts as below 0."""
    apart = 2 ** np.arange(scaled.size, dtype=np.int64)
    return np.abs(scaled) * 2**MOST + apart, scaled <= 0


def _flips(sizes: Integers) -> Integers:
    """The sum of every subset of sizes, by the subset's bits; [n] → [2^n]."""
    sums = np.zeros(1, dtype=np.int64)
    for size in sizes:
        sums = np.concatenate([sums, sums + size])
    return sums


def _allowed(look: int, alpha: Fraction) -> int:
    """How many patterns may have crossed after a look."""
    return int(SPENT[look] * alpha * 2**look)


def _mean(given: NDArray[np.float64]) -> float | None:
    infinite = set(given[np.isinf(given)].tolist())
    if not given.size or len(infinite) > 1:
        return None
    if infinite:
        return float(infinite.pop())
    mean = math.fsum(given / given.size)
    return float(np.clip(mean, given.min(), given.max()))  # rounding may leave the range


def _last_reproduced(scaled: Integers, alpha: Fraction) -> float:
    """The largest margin m, on the grid, for which D - m is reproduced; infinite if all or none are."""
    infinite = np.abs(scaled) == INFINITE
    finite = scaled[~infinite]

    def is_reproduced(margin: int) -> bool:
        return _crossing(np.where(infinite, scaled, scaled - margin), alpha) is not None

    below, above = int(finite.min(initial=0)) - 1, int(finite.max(initial=0)) + 1
    if not is_reproduced(below):
        return -math.inf
    if is_reproduced(above):
        return math.inf
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if is_reproduced(middle) else (below, middle)
    return float(below)

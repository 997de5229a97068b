"""What paired differences say of a claim: a verdict that may be looked at after every further difference.

Two e-processes run side by side, one for the claim (differences above 0) and one against it (below 0: the
same process on the negated differences). The first to reach 1/alpha is the verdict, for good. Under its null
hypothesis an e-process is nonnegative with mean at most 1 at any stopping time, so by Ville's inequality it
ever reaches 1/alpha with probability at most alpha, however often one looks and whenever one goes on.

"symmetric" bets on signs, more where a difference is large: on its ratio r_i = D_i/s_i to the root mean
square so far.

    E_n = sum over c of weight(c) * product over i <= n of 2 / (1 + exp(-2 c r_i))

Its null: given the past, each difference is symmetric about some point <= 0, which may move. About 0, a
factor averages 1 over the two signs of D_i, since s_i knows only |D_i|. About a point below, every D_i is
that much smaller; the past being given, r_i increases with D_i, and so does the factor: its mean is at most
1. "normal" is the likelihood ratio of T = (sum of D) / sqrt(sum of D²), for independent normal differences of
one variance, mean > 0 against mean 0: the standardised mean has a half-normal prior of scale 3. T increases
when all differences shift up together, so the null is any mean <= 0.

Symmetry is what is assumed, and it can fail. False verdicts in percent, for / against, with a look after each
of 10 independent differences at alpha 0.05 (100,000 runs):

    differences                                  symmetric       normal
    normal                                       3.1 /  3.1     2.2 /  2.1
    t with 3 degrees of freedom                  2.9 /  2.9     1.5 /  1.5
    -1 or 1, at even odds                        3.1 /  3.1    12.9 / 12.9    so: no "normal" with stalls
    the same with normal noise of sd 0.1         3.1 /  3.2    12.7 / 12.8
    exponential, median 0                        3.0 /  3.2     1.2 /  4.6    (the null "median 0" is true)
    lognormal (sigma 1), median 0                2.9 /  3.2     1.0 /  4.4
    exponential, mean 0                          0.6 / 11.1     0.4 / 14.0    (the null "mean 0" is)
    lognormal (sigma 1), mean 0                  0.2 / 17.7     0.1 / 22.4
    -2, but 8 in one of five, + noise of sd 0.5  0.0 / 33.0     0.8 / 46.6    (mean 0: most seeds are below)
    -0.01 or 10, at even odds                   25.2 /  3.1    30.2 / 12.5    (median 0, far from symmetric)

So where differences are skewed, "symmetric" speaks of what most seeds do (nearly the median) rather than of
the mean, and where the two signs differ in size by orders of magnitude, of neither.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Assume = Literal["symmetric", "normal"]
Verdict = Literal["reproduced", "refuted", "undecided"]
Floats = NDArray[np.float64]

BETS = np.array(
    [0.5, 1.0, 2.0, 4.0]
)  # c; the last weight is that of c = infinity, which bets all on the sign alone
WEIGHTS = np.array([0.15, 0.15, 0.15, 0.15, 0.40])
PRIOR_SCALE = 3.0  # of the half-normal prior on mean / sd
NORMAL_FROM = 3  # the first look; before it E is 1: from two differences no one should conclude anything
LARGEST_E = 1e300
TOP = (
    1000  # differences are scaled by a power of two to below 2**TOP: exact, and sums of them do not overflow
)
FAR = 2.0 ** (TOP + 15)  # a margin beyond every difference
FRACTIONS = np.array([0.001, 0.03, 0.2, 0.5, 0.8, 0.97, 0.999])  # of a gap between two differences


@dataclass(frozen=True)
class Decision:
    """The verdict over a sequence of differences, and what it rests on."""

    verdict: Verdict  # that of the first crossing of 1/alpha
    e_for: float  # over all differences given, those after the verdict too; at most 1e300
    e_against: float
    estimate: float | None  # mean; None where there is none: no differences, or inf and -inf
    interval: tuple[float, float]  # margins that could be added to the threshold without a verdict
    decided_at: int | None  # number of differences at the first crossing
    reversed_at: int | None  # number of differences at the first crossing the other way after that
    path: tuple[tuple[float, float], ...]  # (e_for, e_against) after each difference
    alpha: float
    assume: Assume


def decide(differences: Sequence[float], alpha: float = 0.05, assume: Assume = "symmetric") -> Decision:
    """Differences in the order of their seeds. An infinite one is a run that diverged: far larger than all
    finite ones, and as large as the other infinite ones. NaN, `alpha` outside (0, 1) and an unknown `assume`
    raise ValueError.

    The interval is the hull of the margins m for which D - m is undecided: below it D - m is reproduced,
    above refuted. Where differences drift, so that no margin is left undecided, it is the point between those
    two. A verdict has 0 outside the interval, with one exception: a symmetric E need not fall as m rises, and
    the hull covers such a gap. That happened in none of 1,500 simulated sequences at alpha 0.05; (1, 10, ...,
    1e5) at alpha 0.019 is a case of it.
    """
    _check(alpha, assume)
    given = np.asarray(differences, dtype=np.float64).reshape(-1)
    if np.isnan(given).any():
        place = int(np.isnan(given).argmax()) + 1
        raise ValueError(
            f"difference {place} of {given.size} is NaN; a run that diverged counts as inf or -inf"
        )
    shift = TOP - int(np.frexp(np.abs(given[np.isfinite(given)]).max(initial=0.0))[1])
    scaled = np.ldexp(given, shift)
    logs = np.stack([log_e(scaled, assume), log_e(-scaled, assume)], axis=-1)
    path = tuple((float(up), float(down)) for up, down in np.exp(np.minimum(logs, math.log(LARGEST_E))))
    up, down = (int(first) for first in first_crossings(scaled, alpha, assume))
    decided_at, reversed_at = (place if place <= given.size else None for place in sorted((up, down)))
    low = high = math.inf
    if given.size < first_look(alpha, assume):
        low = -math.inf
    else:
        with np.errstate(over="ignore"):  # an end beyond the largest float is infinite
            low = 0.0 + float(np.ldexp(_lowest_margin(scaled, alpha, assume), -shift))
            high = max(low, 0.0 - float(np.ldexp(_lowest_margin(-scaled, alpha, assume), -shift)))
    return Decision(
        verdict="undecided" if up == down else "reproduced" if up < down else "refuted",
        e_for=path[-1][0] if path else 1.0,
        e_against=path[-1][1] if path else 1.0,
        estimate=_mean(scaled, shift),
        interval=(low, high),
        decided_at=decided_at,
        reversed_at=reversed_at,
        path=path,
        alpha=alpha,
        assume=assume,
    )


@lru_cache(maxsize=256)
def first_look(alpha: float = 0.05, assume: Assume = "symmetric") -> int:
    """The smallest number of differences at which any verdict is possible."""
    _check(alpha, assume)
    if assume == "normal":
        return next(
            n for n in count(NORMAL_FROM) if _log_likelihood_ratio(n, np.array(n**0.5)) >= -math.log(alpha)
        )
    places = np.arange(1, 3 + math.ceil(-math.log2(WEIGHTS[-1] * alpha)))
    steepest = np.sqrt(places)  # each difference dwarfs those before it: no ratio can be larger
    return int((_log_bets(steepest, steepest) >= -math.log(alpha)).argmax()) + 1


def false_discovery_level(reproduced: Sequence[float], others: Sequence[float]) -> float:
    """The smallest level at which e-BH (Wang and Ramdas 2022) over all claims rejects the null of each of
    `reproduced`.

    Each claim brings the e-value for it: at its verdict or, without one, at its last difference. At most this
    share of `reproduced` is expected to be false, whatever the dependence between claims. It is 0.0 where
    nothing is reproduced, and 1.0, which promises nothing, where no smaller level does.
    """
    e_values = np.sort(np.array([*reproduced, *others], dtype=np.float64))[::-1]
    if not (e_values >= 0).all():
        raise ValueError("e-values must be numbers >= 0")
    if not len(reproduced):
        return 0.0
    ranks = np.arange(1, e_values.size + 1)
    levels = e_values.size / (
        ranks * np.maximum(e_values, 1.0)
    )  # at which e-BH rejects the k largest; < 1 takes e > 1
    return float(levels[e_values <= min(reproduced)].min())


def first_crossings(
    differences: Floats, alpha: float, assume: Assume
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of differences at which E for and E against first reach 1/alpha; [..., n] → [...], n + 1 for
    never.

    Both at once cannot be: a difference raises at most one symmetric E, and a normal one needs T far on its
    side of 0.
    """
    both = np.stack([differences, -differences])
    if assume == "normal":
        crossed = _t(both) >= np.array([_threshold(n, alpha) for n in range(1, both.shape[-1] + 1)])
    else:
        crossed = log_e(both, assume) >= -math.log(alpha)
    never = np.ones((*crossed.shape[:-1], 1), dtype=bool)
    first_for, first_against = np.concatenate([crossed, never], axis=-1).argmax(axis=-1) + 1
    return first_for, first_against


def log_e(differences: Floats, assume: Assume) -> Floats:
    """log E for the claim after each difference; [..., n] → [..., n]. Finite differences should be below
    1e300.
    """
    if assume == "symmetric":
        return _log_bets(_ratios(differences), np.sign(differences))
    t = _t(differences)
    logs = np.zeros_like(t)
    for n in range(NORMAL_FROM, t.shape[-1] + 1):
        logs[..., n - 1] = _log_likelihood_ratio(n, t[..., n - 1])
    return np.where(np.logical_or.accumulate(differences != 0, axis=-1), logs, 0.0)


def _check(alpha: float, assume: str) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    if assume not in get_args(Assume):
        raise ValueError(f"assume must be one of {', '.join(get_args(Assume))}, not {assume!r}")


def _mean(scaled: Floats, shift: int) -> float | None:
    infinite = set(scaled[np.isinf(scaled)].tolist())
    if not scaled.size or len(infinite) > 1:
        return None
    if infinite:
        return float(infinite.pop())
    mean = np.clip(
        math.fsum(scaled) / scaled.size, scaled.min(), scaled.max()
    )  # rounding may leave the range
    return float(np.ldexp(mean, -shift))


def _roots(differences: Floats) -> tuple[Floats, Floats]:
    """(root of the sum of squares so far, number of infinite differences so far). hypot squares nothing that
    overflows or underflows, so a prefix of 1e-300's keeps its scale whatever comes later."""
    infinite = np.cumsum(np.isinf(differences), axis=-1, dtype=np.float64)
    return np.hypot.accumulate(np.abs(differences), axis=-1), infinite


def _ratios(differences: Floats) -> Floats:
    """D_i / s_i. Of k infinite differences so far each has the ratio sqrt(i/k), and a finite one then has
    0.
    """
    roots, infinite = _roots(differences)
    shares = np.zeros_like(roots)
    np.divide(differences, roots, out=shares, where=(roots > 0) & np.isfinite(differences))
    np.divide(np.sign(differences), np.sqrt(infinite), out=shares, where=np.isinf(differences))
    return shares * np.sqrt(np.arange(1, differences.shape[-1] + 1))


def _t(differences: Floats) -> Floats:
    """T = sum / sqrt(sum of squares) of each prefix; of its infinite differences alone if it has any; 0 of
    zeros.
    """
    roots, infinite = _roots(differences)
    finite_sums = np.cumsum(np.where(np.isinf(differences), 0.0, differences), axis=-1)
    infinite_sums = np.cumsum(np.where(np.isinf(differences), np.sign(differences), 0.0), axis=-1)
    t = np.zeros_like(roots)
    np.divide(finite_sums, roots, out=t, where=roots > 0)
    np.divide(infinite_sums, np.sqrt(infinite), out=t, where=infinite > 0)
    return t


def _log_bets(ratios: Floats, signs: Floats) -> Floats:
    """log of the weighted sum over c of the running products of the factors of the symmetric process."""
    log2 = math.log(2)
    finite = log2 - np.log(1 + np.exp(np.multiply.outer(-2 * BETS, ratios)))  # [c, ..., n]
    boundless = np.where(signs < 0, -np.inf, np.where(signs > 0, log2, 0.0))
    products = np.cumsum(np.concatenate([finite, boundless[None]]), axis=-1)
    peak = products.max(axis=0)
    return np.asarray(peak + np.log(np.tensordot(WEIGHTS, np.exp(products - peak), axes=1)))


@lru_cache(maxsize=256)
def _nodes(degree: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(degree)
    return (1 + nodes) / 2, np.log(weights / 2)


def _log_likelihood_ratio(n: int, t: Floats) -> Floats:
    """log of the mean over delta ~ |N(0, 3²)| of exp(-n delta²/2) * (mean over w ~ chi_n of exp(delta t w)).

    With a = n + 1/9, integrating over delta first leaves (2/(3 sqrt(a))) (1 - t²/a)^(-n/2) times the
    distribution function of Student's t with n degrees of freedom at t sqrt(n / (a - t²)). In the angle psi =
    arccos(-t / sqrt(a)), that function is the integral of sin^(n-1) from 0 to psi over B(n/2, 1/2), which n +
    32 nodes integrate to rounding.
    """
    a = n + PRIOR_SCALE**-2
    psi = np.arccos(-t / math.sqrt(a))
    nodes, log_weights = _nodes(n + 32)
    log_integral = np.logaddexp.reduce(
        log_weights + (n - 1) * np.log(np.sin(psi[..., None] * nodes)), axis=-1
    )
    log_beta = math.lgamma(n / 2) + math.lgamma(0.5) - math.lgamma((n + 1) / 2)
    log_tail = np.log(psi) + log_integral - log_beta
    return np.asarray(math.log(2 / PRIOR_SCALE) - math.log(a) / 2 - n / 2 * np.log1p(-t * t / a) + log_tail)


@lru_cache(maxsize=4096)
def _threshold(n: int, alpha: float) -> float:
    """The T from which on E_n >= 1/alpha (it increases with T); inf where no T does."""
    below, above = 0.0, math.sqrt(n)
    if n < NORMAL_FROM or _log_likelihood_ratio(n, np.array(above)) < -math.log(alpha):
        return math.inf
    while below < (middle := (below + above) / 2) < above:
        if _log_likelihood_ratio(n, np.array(middle)) < -math.log(alpha):
            below = middle
        else:
            above = middle
    return above


def _lowest_margin(scaled: Floats, alpha: float, assume: Assume) -> float:
    """The smallest margin m for which D - m is not reproduced, to the last bit; -inf or inf if that is all or
    none.

    Scanned between and around the differences, since E need not be monotone in m, then narrowed down in the
    order of the floats, so that a margin of 1e-300 among differences of 1e300 is found as well.
    """
    finite = scaled[np.isfinite(scaled)]

    def not_reproduced(margins: Floats) -> NDArray[np.bool_]:
        limit = np.where(
            np.isinf(scaled), scaled, -np.sign(margins)[:, None]
        )  # all finite ones equal, seen from afar
        shifted = np.where(np.abs(margins[:, None]) < FAR, scaled - margins[:, None], limit)
        up, down = first_crossings(shifted, alpha, assume)
        return up >= down

    between = [low + (high - low) * FRACTIONS for low, high in pairwise(np.unique(finite))]
    around = (finite.max() - finite.min()) * 2.0 ** np.arange(-20, 13, 2) if finite.size else finite
    ends = [finite.min() - around, finite.max() + around] if finite.size else []
    grid = np.unique(np.concatenate([[-FAR, FAR], finite, *between, *ends]))
    outside = not_reproduced(grid)
    first = int(outside.argmax())
    if first == 0:
        return -math.inf if outside[0] else math.inf
    below, above = _order(grid[first - 1]), _order(grid[first])
    while (gap := above - below) > 1:
        parts = min(gap, 32)
        orders = [below + gap * part // parts for part in range(parts + 1)]
        inside = not_reproduced(_floats_at(orders[1:-1]))
        first = int(inside.argmax()) if inside.any() else parts - 1
        below, above = orders[first], orders[first + 1]
    return float(_floats_at([above])[0])


def _order(value: float) -> int:
    """The place of a float among all floats in ascending order, 0 being that of 0."""
    return int(math.copysign(1, value)) * int(np.abs(np.float64(value)).view(np.int64))


def _floats_at(orders: list[int]) -> Floats:
    places = np.array(orders, dtype=np.int64)
    return np.copysign(np.abs(places).view(np.float64), places)

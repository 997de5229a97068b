"""Has something changed? Pure functions of numbers; random choices come from the caller's generator. Imports
no torch.

Three questions, and what each answer assumes:

- Do two runs differ? The t test of `paired` differences: they are independent and normal. False alarms of 5
  pairs at level 0.001 (and 0.0002), in percent, 200,000 runs: normal 0.09 (0.020), t with 3 degrees of
  freedom 0.05 (0.014), exponential minus exponential 0.03 (0.006), -1, 0 or 1 plus noise of sd 0.02
  (trainings that stall in one run of four) 0.06 (0.056). Without common seeds `unpaired` is Welch's; 5
  against 5, 100,000 runs: normal 0.06 (0.013), t 0.02 (0.001), exponential 0.04 (0.010), stalls 0.05 (0.050).
- Did a step begin on one of these nights? `step_evidence`: the nights are exchangeable until then. Their
  noise may be any, heavy tails too; but a machine that drifts looks like a step. So it only nominates, and
  what it nominates is measured again.
- Is the new code worse, side by side? `sign_flips`, and `flips_cross` for more than one look: the order
  within each turn was drawn at random. Nothing else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]

SHIFTS = (1.0, 2.0, 3.0)  # what `step_evidence` bets on, in standard deviations if nights were normal
EXACT_TURNS = 20  # 2^20 patterns of signs are enumerated in 0.03 s; above, as many are drawn
FEWEST = 10  # nights for a step to be located among


@dataclass(frozen=True)
class Mean:
    """A mean that was estimated, with its standard error, and the degrees of freedom of that."""

    value: float
    error: float
    freedom: float

    def p(self, margin: float = 0.0) -> float:
        """Two-sided, that the true mean lies in [-margin, margin]."""
        beyond = abs(self.value) - margin
        if self.error == 0.0:
            return 0.0 if beyond > 0 else 1.0
        return min(1.0, 2 * float(stdtr(self.freedom, -beyond / self.error)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        half = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return self.value - half, self.value + half


def paired(differences: ArrayLike) -> Mean:
    """Of at least 2 differences, each of the same seed. All are finite."""
    given = np.asarray(differences, dtype=np.float64)
    return Mean(float(given.mean()), float(given.std(ddof=1)) / math.sqrt(given.size), given.size - 1)


def unpaired(base: ArrayLike, new: ArrayLike) -> Mean:
    """Of how much larger `new` is, from at least 2 finite values on either side: Welch 1947, whose degrees of
    freedom allow for sides that differ in spread.
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (base, new)]
    squares = [float(side.var(ddof=1)) / side.size for side in sides]
    total, value = sum(squares), float(sides[1].mean() - sides[0].mean())
    if total == 0.0:
        return Mean(value, 0.0, 1.0)
    parts = (square**2 / (side.size - 1) for square, side in zip(squares, sides, strict=True))
    return Mean(value, math.sqrt(total), total**2 / sum(parts))


def of_ranks(base: ArrayLike, new: ArrayLike) -> float:
    """Two-sided p that neither side tends to be the larger, infinite values among them: Mann & Whitney
    1947.
    """
    from scipy.stats import mannwhitneyu  # here: it takes half a second to import, and is seldom needed

    return float(mannwhitneyu(base, new).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p: rejecting those up to alpha errs at all in at most alpha of all cases, whatever the
    dependence (Holm 1979).
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    adjusted = np.empty_like(given)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, given[order] * np.arange(given.size, 0, -1)))
    return [float(p) for p in adjusted]


def sign_flips(differences: ArrayLike, rng: np.random.Generator) -> float:
    """One-sided p against "the sign of each difference is a fair coin": the share of sign patterns with as
    large a sum.

    It is exact up to 20 differences; above that, 2^20 patterns are drawn. Infinite differences make it a test
    of ranks.
    """
    given = _ranked(differences)
    if given.size <= EXACT_TURNS:
        sums, drawn = _sums(given), 0
    else:
        drawn = 1  # the pattern that was seen counts as drawn: without it p could be 0
        sums = np.zeros(2**EXACT_TURNS)
        for size in np.abs(given):
            sums += size * rng.choice([-1.0, 1.0], sums.size)
    return float(((sums >= given.sum() - _slack(given)).sum() + drawn) / (sums.size + drawn))


def flips_cross(differences: ArrayLike, looks: Mapping[int, float]) -> bool:
    """The same test, looked at more than once: `looks` are the level that is spent by so many differences.

    At a look the sign patterns with the largest sums cross, as many as the level allows beside those whose
    own first differences have crossed at an earlier look; ties at the cut do not. Sizes decide what crosses,
    and given the sizes all patterns are equally likely: so the pattern that is seen ever crosses with a
    chance of at most the level of the last look. Takes at most 20 differences.
    """
    given = np.asarray(differences, dtype=np.float64)
    crossed = np.zeros(1, dtype=bool)
    for look in sorted(looks):
        if look > given.size:
            break
        sizes = _ranked(given[:look])
        sums, crossed = _sums(sizes), np.tile(crossed, 2**look // crossed.size)
        more = int(looks[look] * 2**look + 1e-9) - int(crossed.sum())
        if more > 0:
            open_sums = np.where(crossed, -np.inf, sums)
            cut = np.partition(open_sums, -more - 1)[-more - 1]
            crossed |= open_sums > cut + _slack(sizes)
        if crossed[int(((sizes < 0) << np.arange(look)).sum())]:
            return True
    return False


def _ranked(differences: ArrayLike) -> Floats:
    """Differences as they are, or their signed ranks if some are infinite."""
    given = np.asarray(differences, dtype=np.float64)
    if np.isfinite(given).all():
        return given
    sizes = np.abs(given)
    ranks = np.array([(sizes < size).sum() + (sizes <= size).sum() for size in sizes], dtype=np.float64)
    signed: Floats = np.sign(given) * ranks
    return signed


def _sums(differences: Floats) -> Floats:
    """Of all 2^n sign patterns on their sizes; in pattern k the bit i, if set, makes difference i
    negative.
    """
    sums = np.zeros(1)
    for size in np.abs(differences):
        sums = np.concatenate([sums + size, sums - size])
    return sums


def _slack(differences: Floats) -> float:
    """Sums in another order round otherwise."""
    return 1e-9 * float(np.abs(differences).sum())


def untied(values: ArrayLike, rng: np.random.Generator) -> Floats:
    """Ranks from 0, ties broken at random: [..., n] → [..., n]."""
    given = np.asarray(values, dtype=np.float64)
    order = np.lexsort((rng.random(given.shape), given), axis=-1)
    return np.argsort(order, axis=-1).astype(np.float64)


def step_evidence(ranks: Floats, starts: Sequence[int]) -> Floats:
    """Evidence that values have gone up, or down, since one of `starts` (their positions): [..., n] → [2,
    ..., n].

    For each start s a bettor holds the values before s against those since. Given all earlier ranks, a value
    that is exchangeable with them falls into each gap between them with the same chance, so a bet that pays
    (number of gaps) times a distribution over gaps has mean 1. The distribution: a gap with v of the m values
    before s below it weighs exp(d Φ⁻¹((v+½)/(m+1))), the likelihood ratio of a shift by d standard deviations
    if values were normal. The mean over d in 1, 2, 3 and over all starts, those still to come counting 1,
    starts at 1 and is a martingale: it ever reaches c with chance at most 1/c. Values before `starts[0]` are
    never bet on. Of k values above all m others, no test that knows ranks only can make more than C(m+k, k):
    46,376 from 30 + 4, 1001 from 10 + 4.
    """
    count = ranks.shape[-1]
    evidence = np.zeros((2, *ranks.shape))
    normal = NormalDist()
    for start in starts:
        evidence[..., : min(start, count)] += 1 / len(starts)
        if start >= count:
            continue
        before, since = ranks[..., :start], ranks[..., start:]
        below = (
            np.searchsorted(np.sort(before), since)
            if ranks.ndim == 1
            else (since[..., None] > before[..., None, :]).sum(-1)
        )
        scores = np.array([normal.inv_cdf((v + 0.5) / (start + 1)) for v in range(start + 1)])
        gaps = start + np.arange(1, count - start + 1)
        for shift in SHIFTS:
            weights = np.exp(shift * scores)
            for way, places in enumerate((below, start - below)):
                bet = weights[places]
                taken = weights.sum() + np.cumsum(bet, axis=-1) - bet
                evidence[way, ..., start:] += (
                    np.exp(np.cumsum(np.log(gaps * bet / taken), axis=-1)) / len(SHIFTS) / len(starts)
                )
    return evidence


@dataclass(frozen=True)
class Step:
    """A step in a history: the first value after it, and all positions at which it may have been."""

    at: int
    plausible: tuple[int, ...]
    p: float


def locate(
    values: ArrayLike, rng: np.random.Generator, alpha: float = 0.05, permutations: int = 999
) -> Step | None:
    """Where a history of 10 or more values has its step; None if it shows none at level `alpha`. [n]

    The scan looks for the split with the largest difference of means, for its place; p is the share of
    shuffled histories with as large a one. The most extreme 5 % at either end, one at least, are first set to
    the next value: an outlier is no step. A position is plausible if neither side of it has a step of its own
    at alpha/2: a single step is in them with chance 1 - alpha.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.size < FEWEST:
        raise ValueError(f"a step is located among {FEWEST} values or more, not {given.size}")
    if not np.isfinite(given).all():
        given = untied(given, rng)
    cut = max(1, given.size // 20)
    clipped = given.clip(*np.sort(given)[[cut, -1 - cut]])
    at, p = _scan(clipped, rng, permutations)
    if p > alpha:
        return None
    sides = {
        k: [_scan(side, rng, permutations)[1] for side in (clipped[:k], clipped[k:])]
        for k in range(1, given.size)
    }
    return Step(at, tuple(k for k, of_side in sides.items() if min(of_side) > alpha / 2 or k == at), p)


def _scan(values: Floats, rng: np.random.Generator, permutations: int) -> tuple[int, float]:
    """(the best split, its permutation p). One value has no split: p is 1."""
    if values.size < 2:
        return 0, 1.0
    shuffled = rng.permuted(np.tile(values, (permutations, 1)), axis=-1)
    splits = np.arange(1, values.size)
    deviations = np.cumsum(np.vstack([values, shuffled]) - values.mean(), axis=-1)[:, :-1]
    contrast = np.abs(deviations) / np.sqrt(splits * (values.size - splits))
    largest = contrast.max(axis=-1)
    return int(contrast[0].argmax()) + 1, float((largest >= largest[0] * (1 - 1e-9)).mean())

"""What has become of each measurement, arm by arm: between two results of one suite at one profile.

Over the seeds that both sides have, each is compared with itself: differences of metrics, ratios of costs. On
a CPU a trial is bit-identical while code, data and torch are: then values are *identical*, without a test. If
they are not, one t test of the paired differences tells *worse* and *better* from *changed in value*; of a
number whose better way nobody declared, *different*. All that is tested goes through Holm's correction.

Where fewer than three seeds are common, and either side has three, all are compared unpaired, by Welch's
test. With fewer than three seeds on a side nothing is tested, and that is said.

What was timed in rounds is compared over rounds, as long as it was timed in the same way. The cost of a trial
is *recorded* and never tested: it is read beside whatever else ran on the machine.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from repro.nightly.changes import Floats, Mean, holm, of_ranks, paired, sign_flips, unpaired
from repro.nightly.measured import COSTS, RECORDED, measured, sign
from repro.result import Result

# Costs: a difference of less than 1 % is none, however certain (the same 4 KiB of memory on each seed).
MARGIN = math.log(1.01)
FEWEST_SEEDS = 3  # to be tested: from two differences no one should conclude anything
REGRESSIONS = ("worse", "different", "lost")

Kind = Literal[
    "identical",
    "changed",  # in value, but no more than chance would have it
    "worse",
    "better",
    "different",  # beyond chance, and which way is better is declared nowhere
    "lost",  # no value now
    "found",  # a value now, and none before
    "untested",  # changed, on too few seeds
    "recorded",  # the cost of a trial
]
Name = tuple[str, str, str]  # what was measured, how it was timed, and the quantity


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Change(Base):
    """One measurement of an arm, or of a net that was timed. Of a cost, difference and interval are shares of
    the base: -0.05 is 5 % less."""

    suite: str
    profile: str
    arm: str = Field(description="with what is special about it: `vgg16(batch_size=8)`")
    quantity: str
    kind: Kind
    base_seeds: tuple[int, ...] = Field(description="of what was timed, the rounds' numbers")
    new_seeds: tuple[int, ...] = Field(description="the same, if each seed was compared with itself")
    base: float | None = Field(description="mean over the seeds; null if a run diverged, or has no value")
    new: float | None
    difference: float | None
    interval: tuple[float, float] | None = Field(description="95 % for this measurement alone")
    p: float | None = Field(description="after Holm's correction for all that were tested")

    @property
    def is_paired(self) -> bool:
        return self.base_seeds == self.new_seeds


class Draft(NamedTuple):
    """A change that is as certain as its p, before the correction for all others."""

    change: Change
    p: float | None


def drafts(base: Result, new: Result, refused: Sequence[str] = ()) -> Iterator[Draft]:
    """Of every measurement that is on both sides, but for quantities that are `refused`."""
    before = _by_seed(base)
    for name, values in _by_seed(new).items():
        earlier, quantity = before.get(name, {}), name[2]
        if earlier and quantity not in refused:
            yield _draft(new, name, _compared(earlier, values))


def settled(found: Sequence[Draft], alpha: float) -> tuple[Change, ...]:
    """With each p corrected for all that were tested, and what is within chance said to be no more than
    changed.
    """
    tested = [i for i, draft in enumerate(found) if draft.p is not None]
    adjusted = holm([draft.p for draft in found if draft.p is not None])
    changes = [draft.change for draft in found]
    for i, p in zip(tested, adjusted, strict=True):
        kind = changes[i].kind if p <= alpha else "changed"
        changes[i] = changes[i].model_copy(update={"p": p, "kind": kind})
    return tuple(changes)


class _Sides(NamedTuple):
    """Values on either side, in the order of their seeds; of costs their logarithms."""

    base_seeds: tuple[int, ...]
    new_seeds: tuple[int, ...]
    base: Floats
    new: Floats

    @property
    def paired(self) -> bool:
        return self.base_seeds == self.new_seeds

    @property
    def enough(self) -> bool:
        return min(self.base.size, self.new.size) >= FEWEST_SEEDS

    @property
    def identical(self) -> bool:
        if self.paired:
            return np.array_equal(self.base, self.new, equal_nan=True)
        return np.unique(np.concatenate([self.base, self.new])).size == 1

    def known(self) -> "_Sides":
        """Without what has no value: of pairs, without those that have none on either side."""
        old, now = ~np.isnan(self.base), ~np.isnan(self.new)
        if self.paired:
            old = now = old | now
        return _Sides(
            tuple(np.array(self.base_seeds)[old].tolist()),
            tuple(np.array(self.new_seeds)[now].tolist()),
            self.base[old],
            self.new[now],
        )


def _by_seed(result: Result) -> dict[Name, dict[int, float]]:
    found = defaultdict[Name, dict[int, float]](dict)
    for one in measured(result):
        for quantity, value in one.quantities.items():
            found[one.name, one.way, quantity][one.seed] = value
    return found


def _compared(base: Mapping[int, float], new: Mapping[int, float]) -> _Sides:
    """The seeds in common, or all where they are too few for a test and all are enough."""
    common = _sides(base, new, base.keys() & new.keys())
    everything = _sides(base, new, base.keys() | new.keys())
    if common.base.size and (common.enough or common.identical or not everything.enough):
        return common
    return everything


def _sides(base: Mapping[int, float], new: Mapping[int, float], seeds: set[int]) -> _Sides:
    of_base, of_new = tuple(sorted(base.keys() & seeds)), tuple(sorted(new.keys() & seeds))
    return _Sides(
        of_base, of_new, np.array([base[seed] for seed in of_base]), np.array([new[seed] for seed in of_new])
    )


def _draft(result: Result, name: Name, sides: _Sides) -> Draft:
    quantity, worse = name[2], sign(result, name[2])
    cost = quantity in COSTS
    kind = "recorded" if quantity in RECORDED else _without_test(sides, worse)
    known = sides.known()
    rise = _rise(known)
    p, interval = None, None
    if kind is None and known.enough:
        mean = _mean(known) if rise is not None else None
        p = mean.p(MARGIN if cost else 0.0) if mean else _of_ranks(known)
        interval = mean.interval() if mean else None
        up = _tendency(known) if rise is None else rise
        kind = "different" if worse == 0 else "worse" if worse * up > 0 else "better"  # if it is certain
    change = Change(
        suite=result.suite,
        profile=result.profile,
        arm=name[0],
        quantity=quantity,
        kind=kind or "untested",
        base_seeds=sides.base_seeds,
        new_seeds=sides.new_seeds,
        base=_finite_mean(np.exp(sides.base) if cost else sides.base),
        new=_finite_mean(np.exp(sides.new) if cost else sides.new),
        difference=math.expm1(rise) if cost and rise is not None else rise,
        interval=(math.expm1(interval[0]), math.expm1(interval[1])) if cost and interval else interval,
        p=p,
    )
    return Draft(change, p)


def _without_test(sides: _Sides, worse: int) -> Kind | None:
    """What needs no test: a value that has gone or come, a run that diverges and did not, nothing changed.

    `worse` is 1 where a higher value is worse, and 0 where nobody knows.
    """
    if sides.identical:
        return "identical"
    none_before, none_now = np.isnan(sides.base), np.isnan(sides.new)
    if sides.paired:
        none_before, none_now = none_before & ~none_now, none_now & ~none_before
    if none_before.any() != none_now.any() or (sides.paired and none_now.any()):
        return "lost" if none_now.any() else "found"
    diverged, mended = _infinite(sides, worse)
    if diverged != mended:
        return "different" if worse == 0 else "worse" if diverged else "better"
    return None


def _infinite(sides: _Sides, worse: int) -> tuple[bool, bool]:
    """Whether a run diverges that did not, and whether one does no longer. Of sides without common seeds:
    whether any run does on that side alone.
    """

    before, now = (_is_bad(side, worse) for side in (sides.base, sides.new))
    if sides.paired:
        before, now = before & np.isfinite(sides.new), now & np.isfinite(sides.base)
    return bool(now.any()), bool(before.any())


def _is_bad(values: Floats, worse: int) -> NDArray[np.bool_]:
    infinite: NDArray[np.bool_] = np.isinf(values)
    return infinite if worse == 0 else infinite & (np.sign(values) == worse)


def _rise(known: _Sides) -> float | None:
    """How much larger the new values are, on average; None where that is not finite."""
    if not known.base.size or not known.new.size:
        return None
    if known.paired:
        return _finite_mean(_differences(known))
    base, new = _finite_mean(known.base), _finite_mean(known.new)
    return None if base is None or new is None else new - base


def _mean(known: _Sides) -> Mean:
    return paired(_differences(known)) if known.paired else unpaired(known.base, known.new)


def _differences(known: _Sides) -> Floats:
    with np.errstate(invalid="ignore"):  # of two runs that diverged
        return np.where(known.base == known.new, 0.0, known.new - known.base)


def _of_ranks(known: _Sides) -> float:
    """Two-sided p where some values are infinite."""
    if not known.paired:
        return of_ranks(known.base, known.new)
    rng, differences = np.random.default_rng(0), _differences(known)
    return min(1.0, 2 * sign_flips(differences, rng), 2 * sign_flips(-differences, rng))


def _tendency(known: _Sides) -> int:
    """Above 0 where new values tend to be the larger."""
    base, new = known.base[:, None], known.new[None, :]
    return int((new > base).sum()) - int((new < base).sum())


def _finite_mean(values: Floats) -> float | None:
    return float(values.mean()) if np.isfinite(values).all() else None

"""Old and new code side by side, in turns: the second of the two steps to an alarm.

Each turn runs both once, in an order drawn at random, each in a process and with a store of its own, on the
same fresh seeds: so rounds of timing are taken anew, too. If the code makes no difference the sign of a
turn's difference is a fair coin, whatever the noise and however the machine drifts from turn to turn: the
test is exact (`changes.flips_cross`). It looks three times: as soon as turns that all agree are enough (after
10 of a single suspect), at the end, and half way between. A suspect that is confirmed needs no further turn;
one whose sum has not even the suspected sign, p above 0.5, is given up, which only lowers the level.

What is confirmed within 12, 16 and 20 turns, in percent of 1,000 simulations, both sides with noise; after
how many turns on average it is decided, if 20 are allowed; and the same of one suspect of ten:

                                                12  16  20                   12  16  20
    slower by 5 % at a noise of 2 %             89  99 100  (11.7)   of ten   0  91  99  (15.5)
    an error worse by 1 sd, 1 seed a turn       11  21  30  (18.8)   of ten   0   6  13  (19.8)
    the same, 5 seeds a turn                    81  97 100  (12.5)   of ten   0  82  96  (16.2)
    nothing has changed                          0   0 0.2  (14.3)   of ten   0   0   0  (16.6)
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from repro.errors import ReproError
from repro.nightly.changes import Floats, flips_cross, sign_flips
from repro.nightly.history import EPOCH
from repro.nightly.measured import COSTS, measured, sign
from repro.nightly.measurements import Base
from repro.nightly.watch import Suspect, Way
from repro.result import Result

LEVEL = 0.05 / EPOCH  # of one confirmation, of all its suspects together
FIRST = 0.6  # of the level, at most, is spent at the first look: for one suspect 10 turns that all agree
UNLIKELY = 0.5  # p above which a suspect is given up

Turn = tuple[Sequence[Result], Sequence[Result]]  # of base and of new


class Decision(Base):
    """What turns side by side say of one measurement. The difference of a cost is a share of the base."""

    suite: str
    profile: str
    arm: str
    quantity: str
    way: Way
    turns: int
    base: float | None = Field(description="mean over turns; null where that is no number")
    new: float | None
    difference: float | None
    p: float = Field(description="exact, at the last turn, times the number of suspects")
    state: Literal["confirmed", "given up", "open"]

    @property
    def alarming(self) -> bool:
        return self.state == "confirmed" and self.way != "better"


def fewest_turns(suspects: int) -> int:
    """Fewer could not confirm even the clearest of so many suspects."""
    return math.ceil(math.log2(suspects / LEVEL))


def looks(suspects: int, turns: int) -> dict[int, float]:
    """The level that is spent on each of so many suspects by so many turns, of at most `turns`."""
    level = LEVEL / suspects
    first = math.ceil(math.log2(1 / (FIRST * level)))
    if first >= turns:
        return {turns: level}
    unanimous = 2.0**-first
    return {first: unanimous, (first + turns) // 2: (unanimous + level) / 2} | {turns: level}


def pair(suspect: Suspect, turn: Turn) -> tuple[float, float]:
    """What base and new measured, NaN where that has no value; of costs the logarithms.

    Raises `ReproError` if a side did not measure it.
    """
    return _mean(turn[0], suspect), _mean(turn[1], suspect)


def direction(suspect: Suspect, turn: Turn) -> int:
    """1 if what is suspected would be a rise, else -1."""
    worse = sign(_of(turn[1], suspect)[0], suspect.quantity) or 1
    return -worse if suspect.way == "better" else worse


def decide(
    suspect: Suspect,
    pairs: Sequence[tuple[float, float]],
    towards: int,
    of: Mapping[int, float],
    suspects: int,
) -> Decision:
    """After so many turns. `of` are the looks, for so many `suspects` in all; `towards` is the suspect's
    `direction`.
    """
    base, new = np.array(pairs).T
    lost = -math.inf if suspect.way == "better" else math.inf
    rises = _differences(towards * base, towards * new, lost)
    p, is_confirmed = _tested(rises, of, two_sided=suspect.way == "different")
    cost = suspect.quantity in COSTS
    mean = _known(_differences(base, new, lost=math.nan))
    return Decision(
        suite=suspect.suite,
        profile=suspect.profile,
        arm=suspect.arm,
        quantity=suspect.quantity,
        way=suspect.way,
        turns=len(pairs),
        base=_known(np.exp(base) if cost else base),
        new=_known(np.exp(new) if cost else new),
        difference=math.expm1(mean) if cost and mean is not None else mean,
        p=min(1.0, suspects * p),
        state="confirmed" if is_confirmed else "given up" if p > UNLIKELY else "open",
    )


def _tested(rises: Floats, of: Mapping[int, float], *, two_sided: bool) -> tuple[float, bool]:
    """p of the turns so far, and whether they have crossed at a look."""
    rng = np.random.default_rng(0)
    if not two_sided:
        return sign_flips(rises, rng), flips_cross(rises, of)
    half = {turns: level / 2 for turns, level in of.items()}
    p = min(1.0, 2 * min(sign_flips(rises, rng), sign_flips(-rises, rng)))
    return p, flips_cross(rises, half) or flips_cross(-rises, half)


def _differences(base: Floats, new: Floats, lost: float) -> Floats:
    """`lost` where there is no value any more, its negative where there is one now."""
    gone, come = np.isnan(new) & ~np.isnan(base), np.isnan(base) & ~np.isnan(new)
    with np.errstate(invalid="ignore"):
        same = (base == new) | (np.isnan(base) & np.isnan(new))
        return np.select([same, gone, come], [0.0, lost, -lost], new - base)


def _known(values: Floats) -> float | None:
    return float(values.mean()) if np.isfinite(values).all() else None


def _of(results: Sequence[Result], suspect: Suspect) -> list[Result]:
    """Those of its suite at its profile. Raises `ReproError` if there are none."""
    found = [
        result for result in results if (result.suite, result.profile) == (suspect.suite, suspect.profile)
    ]
    if not found:
        raise ReproError(f"a turn did not run {suspect.suite} ({suspect.profile})")
    return found


def _mean(results: Sequence[Result], suspect: Suspect) -> float:
    """Over seeds; NaN if one has no value."""
    values = [
        one.quantities[suspect.quantity]
        for result in _of(results, suspect)
        for one in measured(result)
        if one.name == suspect.arm and suspect.quantity in one.quantities
    ]
    if not values:
        raise ReproError(
            f"a turn did not measure {suspect.quantity}({suspect.arm}) of {suspect.suite} ({suspect.profile})"
        )
    return sum(values) / len(values)

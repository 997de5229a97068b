"""Learning-rate schedules: the factor at step `now` (from 0) of `steps`. Imports no torch."""

from math import cos, pi

from repro.bounds import NonNegativeFloat, NonNegativeInt, Share


def constant(now: int, steps: int) -> float:
    """1 throughout."""
    return 1.0


def step(now: int, steps: int, *, at: list[NonNegativeInt], factor: NonNegativeFloat = 0.1) -> float:
    """Times `factor` from each of the steps `at` on."""
    return factor ** sum(now >= boundary for boundary in at)


def cosine(now: int, steps: int) -> float:
    """Half a cosine from 1 down to 0: Loshchilov & Hutter 2017, eq. 5 without restarts."""
    return 0.5 * (1 + cos(pi * now / steps))


def poly(now: int, steps: int, *, power: NonNegativeFloat = 0.9) -> float:
    """(1 - now / steps) to a power: Chen et al. 2016, arXiv 1606.00915, section 4.1.1."""
    return float((1 - now / steps) ** power)


def one_cycle(
    now: int,
    steps: int,
    *,
    rise: Share = 0.3,
    start: NonNegativeFloat = 0.04,
    end: NonNegativeFloat = 4e-6,
) -> float:
    """Up from `start` to 1 over the share `rise` of the steps, down to `end`: cosines, Smith & Topin 2018."""
    peak = rise * steps
    low, high, share = (
        (start, 1.0, now / peak) if now < peak else (1.0, end, (now - peak) / max(steps - peak, 1))
    )
    return low + (high - low) * (1 - cos(pi * share)) / 2

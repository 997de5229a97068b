"""Differences between arms to try the decision rule on, and how often it is wrong about many."""

import numpy as np

from repro.evidence import can_be

ALPHA = 0.05


def is_decided(verdict, differences, alpha=ALPHA):
    """Whether differences come to a verdict, without their interval, which takes longer."""
    return can_be(verdict, differences, len(differences), alpha)


def shares(rows, alpha=ALPHA):
    """The shares of rows of differences that end reproduced and refuted."""
    ended = [[is_decided(verdict, row, alpha) for verdict in ("reproduced", "refuted")] for row in rows]
    return np.mean(ended, axis=0)


def random_differences(rng, sequences, lengths=(5, 13)):
    """Sequences of many kinds: effects of -3 to 2 sd, normal, heavy-tailed, skewed, tied and drifting."""
    kinds = [
        lambda n: rng.normal(size=n),
        lambda n: rng.normal(size=n) + 2,
        lambda n: rng.standard_t(2, size=n) + 1,
        lambda n: np.exp(2 * rng.normal(size=n)) - 0.3,
        lambda n: 0.2 * rng.normal(size=n) + np.arange(n) - 3,
        lambda n: 0.3 * rng.normal(size=n) - 1,
        lambda n: np.round(rng.normal(size=n) + 0.5) / 2000,
    ]
    return [kinds[number % len(kinds)](int(rng.integers(*lengths))) for number in range(sequences)]

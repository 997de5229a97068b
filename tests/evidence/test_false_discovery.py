"""How many of a run's claims are expected to be falsely reproduced."""

import math

import numpy as np
import pytest

from repro.evidence import false_discovery_level


def rejected_by_e_bh(e_values, level):
    """Indices that e-BH rejects: the k largest, for the largest k with k * (k-th largest) / K >= 1/level."""
    order = sorted(range(len(e_values)), key=lambda i: -e_values[i])
    ranks = range(1, len(e_values) + 1)
    passing = [k for k in ranks if k * e_values[order[k - 1]] >= len(e_values) / level * (1 - 1e-12)]
    return set(order[: max(passing, default=0)])


def test_the_false_discovery_level_is_the_smallest_at_which_e_bh_rejects_all_that_is_called_reproduced():
    rng = np.random.default_rng(50)
    below_one = 0
    for _ in range(300):
        reproduced = np.exp(rng.normal(3, 2, size=rng.integers(1, 6))).tolist()
        others = np.exp(rng.normal(0, 2, size=rng.integers(0, 8))).tolist()
        level = false_discovery_level(reproduced, others)
        mine = set(range(len(reproduced)))
        if level < 1:
            below_one += 1
            assert mine <= rejected_by_e_bh(reproduced + others, level)
        assert not mine <= rejected_by_e_bh(reproduced + others, level * (1 - 1e-9))
    assert below_one > 100


def test_the_false_discovery_level_of_simple_runs():
    assert false_discovery_level([20.0], []) == pytest.approx(0.05)
    assert false_discovery_level([20.0] * 4, []) == pytest.approx(0.05)
    assert false_discovery_level([20.0], [0.5] * 9) == pytest.approx(0.5)
    assert false_discovery_level([40.0, 30.0], [0.0, 0.0]) == pytest.approx(4 / 60)
    assert false_discovery_level([0.5], [100.0]) == 1.0
    assert false_discovery_level([0.0], []) == 1.0
    assert false_discovery_level([], [100.0]) == false_discovery_level([], []) == 0.0
    with pytest.raises(ValueError, match="e-values must be numbers >= 0"):
        false_discovery_level([math.nan], [])

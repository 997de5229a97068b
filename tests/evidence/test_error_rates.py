"""How often the rule is wrong, and how often it can tell, on differences of many kinds."""

import numpy as np
import pytest
from kit.differences import ALPHA, shares

pytestmark = pytest.mark.slow  # simulates

RUNS = 1000
ERROR = (ALPHA * (1 - ALPHA) / RUNS) ** 0.5  # the standard error of a share of as many runs


def stalls(rng, shape):
    """Each arm stalls in one of four trainings."""
    arms = np.where(rng.random((2, *shape)) < 0.25, 0.9, 0.1 + 0.02 * rng.normal(size=(2, *shape)))
    return arms[0] - arms[1]


def diverging(rng, shape):
    infinite = rng.choice([-np.inf, np.inf], size=shape)
    return np.where(rng.random(shape) < 0.2, infinite, rng.normal(size=shape))


SYMMETRIC = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t with 3 degrees of freedom": lambda rng, shape: rng.standard_t(3, size=shape),
    "-1 or 1": lambda rng, shape: rng.choice([-1.0, 1.0], size=shape),
    "two humps": lambda rng, shape: rng.choice([-1.0, 1.0], size=shape) + 0.05 * rng.normal(size=shape),
    "trainings that stall": stalls,
    "ties of one image in 2,000": lambda rng, shape: np.round(1.2 * rng.normal(size=shape)) / 2000,
    "a spread that grows": lambda rng, shape: rng.normal(size=shape) * np.arange(1, shape[1] + 1),
    "both arms diverge now and then": diverging,
}


@pytest.mark.parametrize("seeds, runs", [(10, RUNS), (20, 200)])
@pytest.mark.parametrize("kind", SYMMETRIC)
def test_differences_that_are_symmetric_about_nought_are_decided_at_the_level_either_way(kind, seeds, runs):
    rows = SYMMETRIC[kind](np.random.default_rng(50), (runs, seeds))
    assert (shares(rows) <= ALPHA + 4 * ERROR * (RUNS / runs) ** 0.5).all()


def test_the_level_is_reached():
    rows = SYMMETRIC["normal"](np.random.default_rng(51), (RUNS, 10))
    assert (shares(rows) >= ALPHA - 4 * ERROR).all()


def test_below_nought_false_verdicts_are_fewer():
    rows = SYMMETRIC["normal"](np.random.default_rng(52), (RUNS, 10))
    assert shares(rows - 0.2)[0] < shares(rows)[0]


@pytest.mark.parametrize("effect, least", [(1.0, 0.70), (1.5, 0.93), (2.0, 0.99)])
def test_effects_are_told_within_ten_seeds(effect, least):
    rows = np.random.default_rng(53).normal(effect, 1, (400, 10))
    assert shares(rows)[0] > least


def test_what_is_not_symmetric_is_decided_more_often_than_the_level_says():
    """Margins of mean 0 of which most are above 0; and an arm that diverges in half of its trainings."""
    rng = np.random.default_rng(54)
    skewed = 1 - rng.exponential(size=(RUNS, 10))
    diverges = np.where(rng.random((RUNS, 10)) < 0.5, np.inf, -0.01)
    assert 0.08 < shares(skewed)[0] < 0.2
    assert 0.1 < shares(diverges)[0] < 0.5

"""How often the decision rule is wrong and how often it speaks, by simulation."""

import math

import numpy as np
import pytest
from kit.differences import ALPHA, LOOKS, RUNS, false_verdicts

from repro.evidence import first_crossings

pytestmark = pytest.mark.slow  # simulates

SYMMETRIC_NULLS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t3": lambda rng, shape: rng.standard_t(3, size=shape),
    "coin-flip": lambda rng, shape: rng.choice([-1.0, 1.0], size=shape),
    "two-humped": lambda rng, shape: rng.choice([-1.0, 1.0], size=shape) + 0.1 * rng.normal(size=shape),
    "growing": lambda rng, shape: rng.normal(size=shape) * 10.0 ** np.arange(shape[1]),
    "below 0": lambda rng, shape: rng.standard_t(3, size=shape) - 0.1 * np.arange(shape[1]),
}


@pytest.mark.parametrize("null", SYMMETRIC_NULLS)
def test_symmetric_gives_a_false_verdict_at_most_as_often_as_alpha_says_though_it_looks_after_every_seed(
    null,
):
    differences = SYMMETRIC_NULLS[null](np.random.default_rng(10), (RUNS, LOOKS))
    false_for, false_against = false_verdicts(differences, "symmetric")
    assert false_for <= ALPHA
    if null != "below 0":
        assert false_against <= ALPHA
        # The test has teeth: it does speak, and nearly as often as it may
        assert min(false_for, false_against) > 0.02


@pytest.mark.parametrize("mean", [0.0, -0.2])
def test_normal_gives_a_false_verdict_at_most_as_often_as_alpha_says_on_normal_differences(mean):
    false_for, false_against = false_verdicts(
        np.random.default_rng(11).normal(mean, size=(RUNS, LOOKS)), "normal"
    )
    assert false_for <= ALPHA
    if mean == 0:
        assert false_against <= ALPHA
        assert min(false_for, false_against) > 0.01


def test_normal_is_wrong_far_too_often_where_differences_have_two_humps():
    differences = SYMMETRIC_NULLS["two-humped"](np.random.default_rng(12), (RUNS, LOOKS))
    assert false_verdicts(differences, "normal") == pytest.approx((0.13, 0.13), abs=0.01)


@pytest.mark.parametrize(
    "draw, expected",
    [
        (lambda rng, shape: rng.exponential(size=shape) - math.log(2), (0.030, 0.032)),  # median 0
        (lambda rng, shape: rng.lognormal(size=shape) - 1, (0.029, 0.032)),  # median 0
        (lambda rng, shape: rng.exponential(size=shape) - 1, (0.006, 0.111)),  # mean 0
        (lambda rng, shape: 1 - rng.exponential(size=shape), (0.111, 0.006)),  # mean 0
        (lambda rng, shape: rng.lognormal(size=shape) - math.exp(0.5), (0.002, 0.177)),  # mean 0
        (lambda rng, shape: rng.choice([-0.01, 10.0], size=shape), (0.252, 0.031)),  # median 0
    ],
    ids=[
        "exponential-median",
        "lognormal-median",
        "exponential-mean",
        "mirrored",
        "lognormal-mean",
        "lopsided",
    ],
)
def test_on_skewed_differences_symmetric_speaks_of_the_median_rather_than_the_mean(draw, expected):
    differences = draw(np.random.default_rng(13), (RUNS, LOOKS))
    assert false_verdicts(differences, "symmetric") == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "assume, effect, least_power, most_seeds",
    [
        ("symmetric", 1, 0.52, 7.95),
        ("symmetric", 2, 0.95, 5.55),
        ("symmetric", 3, 0.995, 5.1),
        ("symmetric", 4, 0.999, 5.05),
        ("normal", 1, 0.46, 8.35),
        ("normal", 2, 0.97, 5.3),
        ("normal", 3, 0.999, 4.05),
        ("normal", 4, 0.999, 3.6),
    ],
)
def test_a_clear_effect_is_reproduced_within_ten_seeds(assume, effect, least_power, most_seeds):
    differences = np.random.default_rng(14).normal(effect, size=(RUNS, LOOKS))
    reproduced_at, refuted_at = first_crossings(differences, ALPHA, assume)
    assert (reproduced_at < refuted_at).mean() >= least_power
    assert np.minimum(np.minimum(reproduced_at, refuted_at), LOOKS).mean() <= most_seeds

"""The e-processes, held against brute force and independent numerical integration."""

import itertools
import math

import numpy as np
import pytest
from kit.differences import random_differences
from scipy import integrate, special, stats

from repro.evidence import decide, log_e

pytestmark = pytest.mark.slow  # simulates


def test_the_symmetric_process_is_the_sum_of_products_it_is_defined_as():
    for differences in random_differences(np.random.default_rng(20), 30):
        total = 0.4 * np.prod(1 + np.sign(differences))
        for c in (0.5, 1, 2, 4):
            scales = [math.sqrt(np.mean(differences[:i] ** 2)) for i in range(1, len(differences) + 1)]
            total += 0.15 * np.prod(2 / (1 + np.exp(-2 * c * differences / scales)))
        assert decide(differences).e_for == pytest.approx(total, rel=1e-9)


def test_flipping_signs_given_the_sizes_leaves_the_symmetric_process_a_mean_of_one():
    sizes = np.random.default_rng(21).exponential(size=9)
    flipped = sizes * np.array(list(itertools.product([-1.0, 1.0], repeat=9)))
    assert np.exp(log_e(flipped, "symmetric")).mean(axis=0) == pytest.approx(np.ones(9))


def test_a_difference_of_zero_counts_one():
    with_zeros = decide([0.0, 2.0, 0.0, 1.0])
    factor = [[1 + math.tanh(c * r) for r in (math.sqrt(2), math.sqrt(4 / 5))] for c in (0.5, 1, 2, 4)]
    assert with_zeros.e_for == pytest.approx(0.4 * 4 + 0.15 * sum(a * b for a, b in factor))
    assert with_zeros.path[2] == with_zeros.path[1]


def log_ratio(n, delta, t):
    """log of exp(-n delta²/2) Int w^(n-1) exp(-w²/2 + delta t w) dw / Int w^(n-1) exp(-w²/2) dw.

    Integrated around its peak.
    """
    a = delta * t
    peak = (a + math.sqrt(a * a + 4 * (n - 1))) / 2
    top = (n - 1) * math.log(peak) - peak * peak / 2 + a * peak
    area = integrate.quad(
        lambda w: (w / peak) ** (n - 1) * math.exp(-w * w / 2 + a * w + peak * peak / 2 - a * peak),
        max(0.0, peak - 12), peak + 12, points=[peak], epsrel=1e-10,
    )[0]  # fmt: skip
    return top + math.log(area) - special.gammaln(n / 2) - (n / 2 - 1) * math.log(2) - n * delta * delta / 2


@pytest.mark.parametrize(
    "n, effects", [(3, (-3, -0.5, 0, 1, 6)), (10, (-1, 0, 2, 6)), (60, (-1, 6)), (200, (0, 9))]
)
def test_the_normal_process_is_the_likelihood_ratio_of_t_mixed_over_the_prior(n, effects):
    for effect in effects:
        differences = np.random.default_rng(n).normal(effect, size=n)
        t = differences.sum() / math.sqrt((differences**2).sum())

        def log_mixed(delta, t=t):
            return log_ratio(n, delta, t) + stats.halfnorm.logpdf(delta, scale=3)

        deltas = np.linspace(0, 60, 301)
        logs = np.array([log_mixed(delta) for delta in deltas])
        near = deltas[logs > logs.max() - 45]
        mixed = integrate.quad(
            lambda delta, top, log_mixed: math.exp(log_mixed(delta) - top),
            max(0.0, near[0] - 0.2), near[-1] + 0.2, args=(logs.max(), log_mixed),
            points=[deltas[logs.argmax()]], epsrel=1e-8, limit=200,
        )[0]  # fmt: skip
        assert log_e(differences, "normal")[-1] == pytest.approx(logs.max() + math.log(mixed), abs=1e-6)


@pytest.mark.parametrize("n", [3, 4, 11, 60, 200])
def test_the_normal_process_equals_its_closed_form_through_students_t_at_every_t(n):
    cosines = np.linspace(-1, 1, 41)  # mean / root mean square, so that T = sqrt(n) * cosine
    t, a = math.sqrt(n) * cosines, n + 1 / 9
    with np.errstate(divide="ignore"):  # scipy's tail underflows to 0 before ours does
        tail = stats.t.logcdf(t * np.sqrt(n / (a - t * t)), n)
    expected = math.log(2 / 3) - math.log(a) / 2 - n / 2 * np.log1p(-t * t / a) + tail
    noise = np.resize([1.0, -1.0], n) - np.resize([1.0, -1.0], n).mean()
    noise /= math.sqrt((noise**2).mean())
    differences = cosines[:, None] + np.sqrt(1 - cosines**2)[:, None] * noise
    got = log_e(differences, "normal")[:, -1]
    assert got[np.isfinite(expected)] == pytest.approx(expected[np.isfinite(expected)], abs=1e-6)
    assert np.isfinite(got).all() and (np.diff(got) > 0).all()

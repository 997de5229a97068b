"""The interval: the margins for which nothing is decided."""

import itertools
import math

import numpy as np
import pytest
from kit.differences import ALPHA, ASSUMPTIONS, LOOKS, RUNS, false_verdicts, random_differences

from repro.evidence import decide, first_crossings

pytestmark = pytest.mark.slow  # simulates


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_margins_below_the_interval_are_reproduced_and_margins_above_it_refuted(assume):
    rng = np.random.default_rng(40)
    ends = 0
    for differences in random_differences(rng, 40):
        low, high = decide(differences, assume=assume).interval
        spread = np.ptp(differences)
        margins = np.concatenate([
            rng.uniform(differences.min() - spread, differences.max() + spread, 300),
            rng.choice(differences, 100) + spread * rng.choice([-1, 1], 100) * 10 ** rng.uniform(-8, 1, 100),
        ])  # fmt: skip
        reproduced_at, refuted_at = first_crossings(differences - margins[:, None], ALPHA, assume)
        tolerance = 1e-12 * spread
        assert (reproduced_at < refuted_at)[margins < low - tolerance].all()
        assert (refuted_at < reproduced_at)[margins > high + tolerance].all()
        inside = (margins > low + tolerance) & (margins < high - tolerance)
        assert (reproduced_at == refuted_at)[inside].all()  # no gap in any of these
        for end, outward, verdict in ((low, -1, "reproduced"), (high, 1, "refuted")):
            if math.isfinite(end):
                ends += 1
                shifted = differences - (end + outward * 1e-9 * spread)
                assert decide(shifted, assume=assume).verdict == verdict
    assert ends > 20


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_a_verdict_has_zero_outside_its_interval_and_no_verdict_has_it_inside(assume):
    seen = set()
    for differences in random_differences(np.random.default_rng(41), 100):
        decision = decide(differences, assume=assume)
        low, high = decision.interval
        assert low <= high
        assert decision.verdict == ("reproduced" if low > 0 else "refuted" if high < 0 else "undecided")
        seen.add(decision.verdict)
    assert seen == {"reproduced", "refuted", "undecided"}


def test_the_hull_covers_the_gap_where_a_lower_margin_is_harder_to_decide():
    decision = decide([1.0, 10.0, 100.0, 1e3, 1e4, 1e5], alpha=0.019)
    assert decision.verdict == "reproduced"
    assert decision.interval[0] == -math.inf


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_where_differences_drift_the_interval_is_the_point_between_reproduced_and_refuted(assume):
    low, high = decide([1, 1.01, 0.99, 1.02, 0.985, *[5, 5.01, 4.99] * 4], assume=assume).interval
    assert 0.98 < low <= high < 1.05
    if assume == "normal":
        assert high == pytest.approx(low, rel=1e-12)


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_the_interval_covers_the_true_mean_at_all_looks_at_once(assume):
    truth = 1.7
    differences = np.random.default_rng(42).normal(truth, size=(RUNS, LOOKS))
    above, below = false_verdicts(differences - truth, assume)
    assert max(above, below) <= ALPHA
    lows, highs = np.transpose([decide(row, assume=assume).interval for row in differences[:300]])
    reproduced_at, refuted_at = first_crossings(differences[:300] - truth, ALPHA, assume)
    assert (
        (lows > truth) == (reproduced_at < refuted_at)
    ).all()  # so the interval misses as often as counted above
    assert ((highs < truth) == (refuted_at < reproduced_at)).all()
    assert np.isfinite(lows).mean() > 0.9 and np.median(highs - lows) < 3
    for row in differences[:20]:
        looks = [decide(row[:n], assume=assume).interval for n in range(LOOKS + 1)]
        assert all(a[0] <= b[0] + 1e-12 and b[1] <= a[1] + 1e-12 for a, b in itertools.pairwise(looks))

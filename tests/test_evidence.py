"""The decision rule, held against simulation, brute force and independent numerical integration."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from repro.evidence import Decision, decide, false_discovery_level, first_crossings, first_look, log_e

ALPHA = 0.05
RUNS = 20_000
LOOKS = 10
ASSUMPTIONS = ["symmetric", "normal"]
INF = math.inf

SYMMETRIC_NULLS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t3": lambda rng, shape: rng.standard_t(3, size=shape),
    "coin-flip": lambda rng, shape: rng.choice([-1.0, 1.0], size=shape),
    "two-humped": lambda rng, shape: rng.choice([-1.0, 1.0], size=shape) + 0.1 * rng.normal(size=shape),
    "growing": lambda rng, shape: rng.normal(size=shape) * 10.0 ** np.arange(shape[1]),
    "below 0": lambda rng, shape: rng.standard_t(3, size=shape) - 0.1 * np.arange(shape[1]),
}


def false_verdicts(differences, assume):
    """Shares of runs that end reproduced and refuted, each with its standard error at most 0.0016 at 20,000 runs."""
    reproduced_at, refuted_at = first_crossings(differences, ALPHA, assume)
    return (reproduced_at < refuted_at).mean(), (refuted_at < reproduced_at).mean()


def random_differences(rng, sequences, lengths=(5, 13)):
    """Sequences of many kinds: effects of -3 to 2 sd, normal, heavy-tailed, skewed and drifting."""
    kinds = [
        lambda n: rng.normal(size=n),
        lambda n: rng.normal(size=n) + 2,
        lambda n: rng.standard_t(2, size=n) + 1,
        lambda n: np.exp(2 * rng.normal(size=n)) - 0.3,
        lambda n: 0.2 * rng.normal(size=n) + np.arange(n) - 3,
        lambda n: 0.3 * rng.normal(size=n) - 1,
    ]
    return [kinds[number % len(kinds)](int(rng.integers(*lengths))) for number in range(sequences)]


def last(decision: Decision):
    return decision.e_for, decision.e_against


# ---- error rates and power


@pytest.mark.parametrize("null", SYMMETRIC_NULLS)
def test_symmetric_gives_a_false_verdict_at_most_as_often_as_alpha_says_though_it_looks_after_every_seed(null):
    differences = SYMMETRIC_NULLS[null](np.random.default_rng(10), (RUNS, LOOKS))
    false_for, false_against = false_verdicts(differences, "symmetric")
    assert false_for <= ALPHA
    if null != "below 0":
        assert false_against <= ALPHA
        assert min(false_for, false_against) > 0.02  # the test has teeth: it does speak, and nearly as often as it may


@pytest.mark.parametrize("mean", [0.0, -0.2])
def test_normal_gives_a_false_verdict_at_most_as_often_as_alpha_says_on_normal_differences(mean):
    false_for, false_against = false_verdicts(np.random.default_rng(11).normal(mean, size=(RUNS, LOOKS)), "normal")
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
    ids=["exponential-median", "lognormal-median", "exponential-mean", "mirrored", "lognormal-mean", "lopsided"],
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


# ---- the processes


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
    """log of exp(-n delta²/2) Int w^(n-1) exp(-w²/2 + delta t w) dw / Int w^(n-1) exp(-w²/2) dw, around its peak."""
    a = delta * t
    peak = (a + math.sqrt(a * a + 4 * (n - 1))) / 2
    top = (n - 1) * math.log(peak) - peak * peak / 2 + a * peak
    area = integrate.quad(
        lambda w: (w / peak) ** (n - 1) * math.exp(-w * w / 2 + a * w + peak * peak / 2 - a * peak),
        max(0.0, peak - 12), peak + 12, points=[peak], epsrel=1e-10,
    )[0]  # fmt: skip
    return top + math.log(area) - special.gammaln(n / 2) - (n / 2 - 1) * math.log(2) - n * delta * delta / 2


@pytest.mark.parametrize("n, effects", [(3, (-3, -0.5, 0, 1, 6)), (10, (-1, 0, 2, 6)), (60, (-1, 6)), (200, (0, 9))])
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
            max(0.0, near[0] - 0.2), near[-1] + 0.2, args=(logs.max(), log_mixed), points=[deltas[logs.argmax()]],
            epsrel=1e-8, limit=200,
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


# ---- verdicts


def test_nothing_can_be_said_before_the_first_look():
    assert first_look() == 5
    assert first_look(assume="normal") == first_look(0.5, assume="normal") == 3
    assert decide([1.0, 1.0], assume="normal").path == ((1.0, 1.0), (1.0, 1.0))
    for assume in ASSUMPTIONS:
        for alpha in (0.5, 0.1, 0.05, 0.01, 1e-4):
            look = first_look(alpha, assume)
            growing = [10.0 ** (20 * place) for place in range(14)] if assume == "symmetric" else [1.0] * 20
            assert decide(growing, alpha, assume).decided_at == look


def test_the_verdict_is_that_of_the_first_crossing_and_a_later_one_the_other_way_is_told():
    differences = [1.0, 1.1, 0.9, 1.0, 1.05] + [-9.0, -8.0, -10.0, -9.5, -8.5] * 4
    for assume, look in (("symmetric", 5), ("normal", 3)):
        early, late = decide(differences[:8], assume=assume), decide(differences, assume=assume)
        assert (early.verdict, early.decided_at, early.reversed_at) == ("reproduced", look, None)
        assert (late.verdict, late.decided_at) == ("reproduced", look)
        assert late.reversed_at is not None and late.e_against >= 20
        before, at = late.path[late.reversed_at - 2], late.path[late.reversed_at - 1]
        assert before[1] < 20 <= at[1]


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_seeds_run_on_a_later_night_add_to_the_same_evidence(assume):
    for differences in random_differences(np.random.default_rng(30), 20):
        whole = decide(differences, assume=assume)
        for stop in range(len(differences)):
            part = decide(differences[:stop], assume=assume)
            assert np.ravel(part.path) == pytest.approx(np.ravel(whole.path[:stop]))
            if part.verdict != "undecided":
                assert (whole.verdict, whole.decided_at) == (part.verdict, part.decided_at)


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_a_further_difference_equal_to_the_mean_never_loses_a_verdict(assume):
    decided = 0
    for differences in random_differences(np.random.default_rng(31), 60):
        before = decide(differences, assume=assume)
        after = decide([*differences, before.estimate], assume=assume)
        if before.verdict != "undecided":
            assert (after.verdict, after.decided_at) == (before.verdict, before.decided_at)
        for e_before, e_after in zip(last(before), last(after), strict=True):
            if e_before >= 1 / ALPHA:  # still clear: not merely kept, but clearer than before
                decided += 1
                assert e_after > e_before
    assert decided > 10


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_negating_the_differences_swaps_everything(assume):
    opposite = {"reproduced": "refuted", "refuted": "reproduced", "undecided": "undecided"}
    seen = set()
    for differences in random_differences(np.random.default_rng(32), 40):
        here, there = decide(differences, assume=assume), decide(-differences, assume=assume)
        seen.add(here.verdict)
        assert there.verdict == opposite[here.verdict]
        assert last(there) == last(here)[::-1]
        assert (there.decided_at, there.reversed_at) == (here.decided_at, here.reversed_at)
        assert there.estimate == -here.estimate
        assert there.interval == pytest.approx((-here.interval[1], -here.interval[0]), rel=1e-12)
    assert len(seen) >= 2


@pytest.mark.parametrize("assume", ASSUMPTIONS)
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 3.7, 1e160, 1e300])
def test_the_unit_of_the_differences_does_not_matter(assume, scale):
    for differences in random_differences(np.random.default_rng(33), 10):
        plain, scaled = decide(differences, assume=assume), decide(differences * scale, assume=assume)
        assert (scaled.verdict, scaled.decided_at) == (plain.verdict, plain.decided_at)
        assert np.array(scaled.path) == pytest.approx(np.array(plain.path), rel=1e-6)
        expected = np.array([plain.estimate, *plain.interval])
        assert np.array([scaled.estimate, *scaled.interval]) / scale == pytest.approx(expected, rel=1e-6)


# ---- extremes


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_no_differences_or_one_say_nothing(assume):
    none, one = decide([], assume=assume), decide([7.0], assume=assume)
    assert (none.verdict, none.estimate, none.interval, none.path) == ("undecided", None, (-INF, INF), ())
    assert last(none) == (1.0, 1.0)
    assert (one.verdict, one.estimate, one.interval, one.decided_at) == ("undecided", 7.0, (-INF, INF), None)


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_all_zeros_are_no_evidence_either_way(assume):
    zeros = decide([0.0, -0.0] * 4, assume=assume)
    assert zeros.verdict == "undecided"
    assert set(zeros.path) == {(1.0, 1.0)}
    assert (zeros.estimate, zeros.interval) == (0.0, (0.0, 0.0))


@pytest.mark.parametrize("assume", ASSUMPTIONS)
@pytest.mark.parametrize("value", [0.1, -3.0, 1e-300, 5e-324, 1.7e308])
def test_equal_differences_leave_a_single_margin(assume, value):
    for n in (first_look(assume=assume), 7, 20):
        decision = decide([value] * n, assume=assume)
        assert decision.verdict == ("reproduced" if value > 0 else "refuted")
        assert decision.interval == (value, value)
        assert decision.estimate == value
    assert decide([value] * (first_look(assume=assume) - 1), assume=assume).interval == (-INF, INF)


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_a_tiny_prefix_keeps_its_say_when_huge_differences_follow(assume):
    tiny = [1e-300, 1.1e-300, 0.9e-300, 1e-300, 1.05e-300]
    alone, followed = decide(tiny, assume=assume), decide([*tiny, 1e300, -1e300, 1e300], assume=assume)
    assert followed.verdict == alone.verdict == "reproduced"
    assert np.ravel(followed.path[:5]) == pytest.approx(np.ravel(alone.path))
    assert 0 < alone.interval[0] <= followed.interval[0] <= followed.interval[1] <= alone.interval[1] < 2e-300


def test_a_huge_amount_of_evidence_stays_a_finite_number():
    decision = decide([1.0] * 1010)
    assert decision.e_for == pytest.approx(1e300)
    assert decide([1.0] * 190, assume="normal").e_for == pytest.approx(1e300)
    assert 0 <= decision.e_against < 1e-100


@pytest.mark.parametrize("assume", ASSUMPTIONS)
def test_a_run_that_diverged_counts_as_far_larger_than_all_finite_differences(assume):
    for differences in ([1.0, 2.0, INF, 1.5, INF, 3.0], [0.5, -INF, 2.0, 1.0, 3.0, 4.0], [INF, -INF, 1.0, 2.0, 1.0]):
        stand_in = [math.copysign(1e200, d) if math.isinf(d) else d for d in differences]
        infinite, huge = decide(differences, assume=assume), decide(stand_in, assume=assume)
        assert np.array(infinite.path) == pytest.approx(np.array(huge.path), rel=1e-9)
        assert infinite.verdict == huge.verdict
    diverged = decide([INF] * 6, assume=assume)
    assert (diverged.verdict, diverged.estimate, diverged.interval) == ("reproduced", INF, (INF, INF))
    assert decide([1.0, -INF], assume=assume).estimate == -INF
    assert decide([INF, -INF], assume=assume).estimate is None


def test_what_cannot_be_decided_is_named():
    with pytest.raises(ValueError, match=r"difference 2 of 3 is NaN; a run that diverged counts as inf or -inf"):
        decide([1.0, math.nan, 2.0])
    for alpha in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"alpha must lie between 0 and 1, not"):
            decide([1.0], alpha=alpha)
    with pytest.raises(ValueError, match="assume must be one of symmetric, normal, not 'gaussian'"):
        decide([1.0], assume="gaussian")
    with pytest.raises(ValueError, match="assume must be one of"):
        first_look(assume="gaussian")


# ---- the interval


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
    assert decision.interval[0] == -INF


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
    assert ((lows > truth) == (reproduced_at < refuted_at)).all()  # so the interval misses as often as counted above
    assert ((highs < truth) == (refuted_at < reproduced_at)).all()
    assert np.isfinite(lows).mean() > 0.9 and np.median(highs - lows) < 3
    for row in differences[:20]:
        looks = [decide(row[:n], assume=assume).interval for n in range(LOOKS + 1)]
        assert all(a[0] <= b[0] + 1e-12 and b[1] <= a[1] + 1e-12 for a, b in itertools.pairwise(looks))


# ---- many claims


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

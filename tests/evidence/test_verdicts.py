"""Verdicts on sequences of differences, extreme ones too."""

import math

import numpy as np
import pytest
from kit.differences import ALPHA, ASSUMPTIONS, random_differences

from repro.evidence import Decision, decide, first_look

INF = math.inf


def last(decision: Decision):
    return decision.e_for, decision.e_against


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
    for differences in (
        [1.0, 2.0, INF, 1.5, INF, 3.0],
        [0.5, -INF, 2.0, 1.0, 3.0, 4.0],
        [INF, -INF, 1.0, 2.0, 1.0],
    ):
        stand_in = [math.copysign(1e200, d) if math.isinf(d) else d for d in differences]
        infinite, huge = decide(differences, assume=assume), decide(stand_in, assume=assume)
        assert np.array(infinite.path) == pytest.approx(np.array(huge.path), rel=1e-9)
        assert infinite.verdict == huge.verdict
    diverged = decide([INF] * 6, assume=assume)
    assert (diverged.verdict, diverged.estimate, diverged.interval) == ("reproduced", INF, (INF, INF))
    assert decide([1.0, -INF], assume=assume).estimate == -INF
    assert decide([INF, -INF], assume=assume).estimate is None


def test_what_cannot_be_decided_is_named():
    with pytest.raises(
        ValueError, match=r"difference 2 of 3 is NaN; a run that diverged counts as inf or -inf"
    ):
        decide([1.0, math.nan, 2.0])
    for alpha in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"alpha must lie between 0 and 1, not"):
            decide([1.0], alpha=alpha)
    with pytest.raises(ValueError, match="assume must be one of symmetric, normal, not 'gaussian'"):
        decide([1.0], assume="gaussian")
    with pytest.raises(ValueError, match="assume must be one of"):
        first_look(assume="gaussian")

"""Verdicts on sequences of differences, extreme ones too, and their intervals."""

import math
import time

import numpy as np
import pytest
from kit.differences import is_decided, random_differences

from repro.evidence import LOOKS, can_be, decide

INF = math.inf


def test_five_of_one_sign_are_a_verdict_and_four_of_five_are_not():
    assert decide([0.1, 0.2, 0.3, 0.1, 0.4]).verdict == "reproduced"
    assert decide([-0.1, -0.2, -0.3, -0.1, -0.4]).verdict == "refuted"
    assert decide([0.1, 0.2, 0.3, -0.01, 0.4]).verdict == "undecided"
    assert decide([0.1, 0.2, 0.3, 0.4]).verdict == "undecided"


def test_what_the_look_at_five_leaves_open_is_settled_at_seven_or_ten():
    seven = decide([3.0, 2.0, -0.1, 3.0, 2.0, 1.0, 1.0])
    assert (seven.verdict, seven.decided_at) == ("reproduced", 7)
    ten = decide([1, 2, 3, 4, -2, 6, 5, 4, 3, 2])
    assert (ten.verdict, ten.decided_at) == ("reproduced", 10)


def test_a_difference_after_the_last_look_waits_for_the_next():
    first = [0.1, 0.2, 0.3, -0.01, 0.4]
    assert decide([*first, -90.0]).interval == pytest.approx(decide(first).interval, abs=1e-7)
    assert decide([*first, -90.0]).estimate < 0


def test_the_first_verdict_stays():
    clear = [1.0, 1.1, 0.9, 1.0, 1.05]
    for later in range(1, 15):
        found = decide(clear + [-9.0] * later)
        assert (found.verdict, found.decided_at) == ("reproduced", 5)


def test_negating_the_differences_swaps_everything():
    opposite = {"reproduced": "refuted", "refuted": "reproduced", "undecided": "undecided"}
    seen = set()
    for differences in random_differences(np.random.default_rng(32), 42):
        here, there = decide(differences), decide(-differences)
        seen.add(here.verdict)
        assert there.verdict == opposite[here.verdict]
        assert there.decided_at == here.decided_at
        assert there.estimate == -here.estimate
        assert there.interval == (-here.interval[1], -here.interval[0])
    assert seen == set(opposite)


@pytest.mark.parametrize("factor", [1e-300, 1e-9, 1e300])
def test_units_do_not_matter(factor):
    for differences in random_differences(np.random.default_rng(33), 21):
        small = differences / np.abs(differences).max()
        here, there = decide(small), decide(small * factor)
        assert (there.verdict, there.decided_at) == (here.verdict, here.decided_at)
        assert there.interval == pytest.approx([end * factor for end in here.interval], rel=1e-6)


@pytest.mark.parametrize("number", [5e-324, 1.7e308])
def test_the_smallest_and_the_largest_numbers_there_are_are_numbers_too(number):
    found = decide([number] * 5)
    assert (found.verdict, found.estimate) == ("reproduced", number)
    assert decide([-number] * 5).verdict == "refuted"


@pytest.mark.parametrize("large", [1e12, 1e300, INF])
def test_a_sign_counts_however_much_larger_another_difference_is(large):
    """As that of a loss that diverged, and is finite still."""
    assert decide([0.2, 0.3, large, 0.25, 0.4]).verdict == "reproduced"
    assert decide([-0.2, -0.3, -large, -0.25, -0.4]).verdict == "refuted"
    assert decide([-0.2, 0.3, large, 0.25, 0.4]).verdict == "undecided"


def test_a_run_that_diverged_dwarfs_all_that_did_not():
    assert decide([1, 1, 1, 1, INF]).verdict == "reproduced"
    assert decide([2, 3, 4, 5, -INF, 6, 7, 8, 9, 1]).verdict == "undecided"
    assert decide([2, 3, 4, 5, -1, 6, 7, 8, 9, 1]).verdict == "reproduced"
    assert decide([INF] * 5).interval == (INF, INF)
    assert decide([-INF] * 5).interval == (-INF, -INF)
    assert decide([1.0, INF]).estimate == INF
    assert decide([1.0, INF, -INF]).estimate is None


def test_of_equal_sums_those_with_the_minus_on_earlier_seeds_cross():
    """Of the ten patterns with one minus, six have room at the third look beside those that had crossed."""
    verdicts = [decide([-1.0 if n == place else 1.0 for n in range(10)]).decided_at for place in range(10)]
    assert verdicts == [7, 10, 10, 10, 10, 5, 5, 5, 5, 5]


def test_no_difference_is_none_for_the_claim_and_none_against_it():
    assert decide([0.0] * 20).verdict == "undecided"
    assert str(decide([0.0] * 20).interval) == "(0.0, 0.0)"
    assert decide([1.0, 1.0, 1.0, 1.0, 0.0]).verdict == "undecided"
    assert decide([-1.0, -1.0, -1.0, -1.0, 0.0]).verdict == "undecided"


@pytest.mark.parametrize("differences", [[math.nan], [1.0, math.nan]])
def test_what_is_not_a_number_is_refused(differences):
    with pytest.raises(ValueError, match=f"difference {len(differences)} of {len(differences)} is NaN"):
        decide(differences)


def test_other_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"one row of numbers, not an array of shape \(2, 2\)"):
        decide([[1.0, 2.0], [3.0, 4.0]])
    for alpha in (0, 0.5, -1, math.nan):
        with pytest.raises(ValueError, match=r"between 0 and 0\.5"):
            decide([1.0], alpha)


# ---- parts


def test_a_part_of_several_is_refuted_at_its_share_of_the_level():
    against = [-1.0, -1.1, -0.9, -1.2, -1.0, -1.3, -0.8]
    assert decide(against).decided_at == 5
    assert decide(against, parts=2).decided_at == 7
    assert decide([-d for d in against], parts=2).decided_at == 5  # reproduced at the level itself
    assert decide([0.3, 0.2, 0.25, 0.4, 0.1], parts=2).interval == (pytest.approx(0.1), INF)


# ---- futility


@pytest.mark.parametrize("verdict", ["reproduced", "refuted"])
def test_what_can_no_longer_come_does_not_come_whatever_follows(verdict):
    rng = np.random.default_rng(34)
    futile = 0
    for differences in random_differences(rng, 140, (5, 8)):
        if not can_be(verdict, differences, 10, 0.05):
            futile += 1
            for scale in (0.01, 1, 100):
                rest = scale * (rng.normal(size=10 - differences.size) + rng.choice([-3, 3]))
                assert not is_decided(verdict, [*differences, *rest])
    assert futile > 20


def test_what_still_can_come_does_with_the_best_of_luck():
    one_against = [1, 1, 1, -1, 1]
    assert can_be("reproduced", one_against, 10, 0.05)
    assert is_decided("reproduced", [*one_against, INF, INF, INF, INF, INF])
    assert not can_be("reproduced", one_against, 5, 0.05)
    assert not can_be("reproduced", [-5, -5, -5, -5, 1], 10, 0.05)
    assert [can_be("refuted", [-1.0] * 4, 5, 0.05, parts) for parts in (1, 2)] == [True, False]


# ---- the interval


def test_a_verdict_has_zero_outside_its_interval_and_no_verdict_has_it_inside():
    seen = set()
    for differences in random_differences(np.random.default_rng(41), 105):
        decision = decide(differences)
        low, high = decision.interval
        assert low <= high
        if min(abs(low), abs(high)) > 1e-8 * np.abs(differences).max():
            assert decision.verdict == ("reproduced" if low > 0 else "refuted" if high < 0 else "undecided")
        seen.add(decision.verdict)
    assert seen == {"reproduced", "refuted", "undecided"}


def test_it_is_where_the_verdicts_change():
    for differences in random_differences(np.random.default_rng(42), 42):
        low, high = decide(differences).interval
        near = 1e-8 * np.abs(differences).max()
        assert is_decided("reproduced", differences - (low - near))
        assert not is_decided("reproduced", differences - (low + near))
        assert is_decided("refuted", differences - (high + near))
        assert not is_decided("refuted", differences - (high - near))


def test_of_five_it_reaches_from_the_smallest_to_the_largest():
    assert decide([0.3, 0.2, 0.25, 0.4, 0.1]).interval == pytest.approx((0.1, 0.4), rel=1e-8)
    assert decide([0.3, 0.2]).interval == (-INF, INF)


def test_it_narrows_from_look_to_look():
    differences = np.random.default_rng(43).normal(1, 1, 20)
    ends = np.array([decide(differences[:look]).interval for look in LOOKS])
    assert (np.diff(ends[:, 0]) >= 0).all() and (np.diff(ends[:, 1]) <= 0).all()
    assert np.ptp(ends[-1]) < np.ptp(ends[0])


def test_a_hundred_claims_of_twenty_seeds_are_decided_in_seconds():
    rows = np.random.default_rng(44).normal(0.3, 1, (10, 20))
    started = time.process_time()
    for row in rows:
        assert math.isfinite(decide(row).interval[0])
    assert time.process_time() - started < 1.0  # 0.3 s on a quiet machine; 100 may take 5

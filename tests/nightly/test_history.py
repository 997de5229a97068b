"""What counts in the history of a measurement, and what a month of nights adds up to."""

import math

import numpy as np
import pytest
from kit.results import KEY, result, timing, trial

from repro.nightly.history import evidence, observations

ERROR, SPEED = (("made-up", "cpu", "a", quantity) for quantity in ("test_error", "images_per_second"))


def test_values_are_signed_so_that_more_is_worse_and_costs_are_the_mean_of_a_night():
    night = result([trial(seed=0, error=0.3, speed=100.0), trial(seed=1, error=0.4, speed=400.0)])
    found = observations([night])
    assert found[ERROR] == ([[0.3, 0.4]], [night.id])
    assert found[SPEED] == ([[pytest.approx(-math.log(200))]], [night.id])


def test_a_metric_counts_once_for_each_digest_and_a_cost_once_for_each_training():
    nights = [
        result([trial(digest="x", speed=100.0)], night=1),
        result([trial(digest="x", speed=100.0)], night=2),  # from the store: nothing was measured
        result([trial(digest="x", speed=110.0), trial(seed=5, digest="y", speed=110.0)], night=3),
    ]
    assert observations(nights[:2]) == {}
    found = observations(nights)
    assert [len(night) for night in found[ERROR][0]] == [1, 1] and found[ERROR][1] == [
        nights[0].id,
        nights[2].id,
    ]
    assert len(found[SPEED][0]) == 2


def test_a_metric_of_a_trial_repeated_is_not_counted_again_even_if_it_differs_as_on_a_gpu():
    nights = [
        result([trial(digest="x", error=error, speed=1000 + night)], night=night)
        for night, error in ((1, 0.3), (2, 0.31))
    ]
    found = observations(nights)
    assert ERROR not in found and len(found[SPEED][0]) == 2


def test_costs_of_other_environments_and_arms_defined_otherwise_are_left_out():
    nights = [
        result([trial(seed=1)], night=1, key={**KEY, "torch": "2.8.0"}, arms={"a": {"depth": 8}}),
        result([trial(seed=2)], night=2, key={**KEY, "torch": "2.8.0"}, arms={"a": {"depth": 20}}),
        result([trial(seed=3)], night=3, arms={"a": {"depth": 20}}),
    ]
    found = observations(nights)
    assert found[ERROR][1] == [nights[1].id, nights[2].id] and found[SPEED][1] == [nights[2].id]


def test_a_measurement_without_news_tonight_is_not_looked_at():
    assert (
        observations([result([trial("a")], night=1), result([trial("b")], night=2, arms={"a": {}})])
        .keys()
        .isdisjoint({ERROR})
    )


LATENCY, MEMORY = (("made-up", "cpu", "a", quantity) for quantity in ("latency", "peak_memory"))


def test_a_round_of_timing_that_was_measured_anew_counts_once():
    nights = [
        result(timings=[timing(digest="x", latency=20.0), timing(seed=1, digest="y", latency=80.0)], night=1),
        result(timings=[timing(digest="x", latency=20.0)], night=2),  # from the store: nothing was measured
        result(timings=[timing(digest="x", latency=30.0)], night=3),  # its record had gone
    ]
    assert observations(nights[:2]) == {}
    found = observations(nights)
    assert found[LATENCY] == (
        [[pytest.approx(math.log(40))], [pytest.approx(math.log(30))]],
        [nights[0].id, nights[2].id],
    )


def test_nets_of_one_round_are_told_apart_even_if_they_take_the_same():
    round_ = [
        timing("a", digest="x"),
        timing("b", digest="x"),
        timing("b", digest="x", batch_size=8, latency=20.0),
    ]
    found = observations([result(timings=round_)])
    assert {name[2] for name in found} == {"a", "b", "b(batch_size=8)"} and len(found) == 6


def test_timings_of_other_environments_and_ways_are_left_out():
    ways = [{"region": "elsewhere"}, {"size": 224}, {}]
    timed = [timing(seed=i, **way).model_copy(update={"name": "a"}) for i, way in enumerate(ways)]
    nights = [result(timings=[one], night=night) for night, one in enumerate(timed, start=1)]
    assert observations(nights)[LATENCY][1] == [nights[2].id]
    moved = result(timings=[timing(seed=9)], night=4, key={**KEY, "device": "cpu y"})
    assert observations([*nights, moved])[MEMORY][1] == [moved.id]
    shared = result(timings=[timing(seed=9)], night=4, key={**KEY, "per_gpu": 8})  # by trials, not by rounds
    assert observations([*nights, shared])[LATENCY][1] == [nights[2].id, shared.id]


def months(nights, *, step_at=None, size=3.0, seed=0):
    values = np.random.default_rng(seed).normal(size=nights)
    if step_at is not None:
        values[step_at:] += size
    return [[float(value)] for value in values]


def test_the_first_ten_nights_are_history_and_epochs_have_thirty():
    assert [len(evidence(months(n))) for n in (11, 12, 40, 41, 70, 71)] == [1, 2, 30, 1, 30, 1]


def test_a_new_epoch_remembers_a_step_late_in_the_one_before():
    """Begun on night 37, three nights before an epoch ends."""
    after = evidence(months(44, step_at=37))
    forgetful = evidence(months(44, step_at=40))
    assert len(after) == 4 and after[-1][0] > 10 * forgetful[-1][0] and after[-1][0] > 1000


def test_evidence_has_a_direction():
    up, down = evidence(months(36, step_at=30))[-1], evidence(months(36, step_at=30, size=-3.0))[-1]
    assert up[0] > 300 > 1 > up[1] and down[1] > 300 > 1 > down[0]


def test_a_history_that_never_varies_is_no_evidence():
    assert max(max(both) for both in evidence([[0.1]] * 40)) < 100

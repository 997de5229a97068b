"""Axes: values to pixels, and round numbers beside them."""

import math

import pytest

from repro.site.axis import Axis, covering, label


def test_values_become_pixels_and_what_lies_beyond_is_drawn_at_the_edge():
    axis = Axis(0, 10, 100, 200)
    assert [axis.at(value) for value in (0, 5, 10, 25, -math.inf)] == [100, 150, 200, 200, 100]
    log = Axis(1, 100, 0, 50, log=True)
    assert [log.at(value) for value in (1, 10, 100, 0)] == [0, 25, 50, 0]


def test_an_axis_covers_its_values_with_some_room_and_ignores_what_is_not_finite():
    axis = covering([0.2, None, math.inf, 0.8, math.nan], 0, 100)
    assert 0.1 < axis.low < 0.2 and 0.8 < axis.high < 0.9


@pytest.mark.parametrize("values", [[], [3.0], [0.0], [1e308, -1e308], [1e-320], [None]])
@pytest.mark.parametrize("log", [False, True])
def test_an_axis_can_be_drawn_whatever_the_values(values, log):
    axis = covering(values, 0, 100, log=log)
    assert axis.low < axis.high
    assert all(0 <= axis.at(tick) <= 100 for tick in axis.ticks())
    assert all(math.isfinite(axis.at(value)) for value in values if value is not None)


def test_ticks_are_round_few_and_within_the_axis():
    assert Axis(0, 1, 0, 1).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert Axis(-0.13, 0.31, 0, 1).ticks() == pytest.approx([-0.1, 0, 0.1, 0.2, 0.3])
    assert Axis(1e-3, 1e3, 0, 1, log=True).ticks() == pytest.approx([1e-3, 1e-1, 1e1, 1e3])
    assert Axis(15e3, 260e3, 0, 1, log=True).ticks() == pytest.approx([2e4, 5e4, 1e5, 2e5])
    assert len(Axis(2.1, 2.6, 0, 1, log=True).ticks()) >= 2


def test_labels_are_short():
    assert [label(v) for v in (0.1 + 0.2, 64000, 5e5, 2.5e6, 3e9, 0, -20000)] == [
        "0.3",
        "64 k",
        "500 k",
        "2.5 M",
        "3 G",
        "0",
        "-20 k",
    ]

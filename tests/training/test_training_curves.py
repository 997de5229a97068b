"""Curves: few points, each of all steps."""

from math import isnan

import torch

from repro.training.curves import POINTS, Curves

CPU = torch.device("cpu")


def test_a_curve_has_at_most_200_points_and_ends_at_the_last_step():
    for steps in (1, 7, 199, 200, 201, 399, 401, 1234):
        curves = Curves(steps)
        for step in range(1, steps + 1):
            curves.add(step, torch.tensor(float(step)), torch.tensor(0.5))
            curves.test(step, {"test_error": step / steps})
        for points in curves.lists().values():
            assert min(steps, POINTS // 2) <= len(points) <= POINTS
            assert points[-1][0] == steps
        assert curves.lists()["test_error"][-1] == (steps, 1.0)


def test_the_points_of_a_curve_are_means_of_all_steps_since_the_last_point():
    curves = Curves(500)  # a point every 3 steps
    for step in range(1, 501):
        curves.add(step, torch.tensor(float(step)), torch.tensor(0.0))
    points = curves.lists()["batch_loss"]
    assert points[:2] == [(3, 2.0), (6, 5.0)] and points[-1] == (500, 499.5)


def test_curves_that_are_saved_in_the_middle_of_a_window_go_on_exactly():
    whole, first, second = Curves(1000), Curves(1000), Curves(1000)
    values = torch.rand(1000, 2, generator=torch.Generator().manual_seed(1))
    for step in range(1, 1001):
        whole.add(step, *values[step - 1])
        if step == 503:
            second.restore(first.state(), CPU)
        (first if step < 503 else second).add(step, *values[step - 1])
    assert second.lists() == whole.lists()


def test_errors_are_means_over_the_batches_that_have_one():
    curves = Curves(600)  # a point every 3 steps
    nan = float("nan")
    for step, error in enumerate([0.5, nan, 0.25, nan, nan, nan, 0.1, 0.2, 0.3], start=1):
        curves.add(step, torch.tensor(nan if step == 8 else 1.0), torch.tensor(error))
    errors, losses = (dict(curves.lists()[name]) for name in ("batch_error", "batch_loss"))
    assert errors[3] == 0.375 and isnan(errors[6]) and errors[9] == torch.tensor([0.1, 0.2, 0.3]).mean()
    assert losses[3] == 1 and isnan(losses[9])  # that a loss has diverged is not hidden

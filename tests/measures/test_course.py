"""How fast a training was."""

import math

import pytest
import torch
from kit.tiny import probing, spec

from repro.measures.course import steps_to_error, steps_to_loss
from repro.state import devices
from repro.store import Store
from repro.training.curves import Curves
from repro.work.execute import execute


def of(*values: float | str | None, every: int = 1) -> dict[str, list[tuple[int, float | str | None]]]:
    return {"batch_loss": [(every * (place + 1), value) for place, value in enumerate(values)]}


def steps(curves, loss: float, over: int) -> float:
    return steps_to_loss(None, curves, loss, over)


def test_it_is_the_first_step_whose_last_batches_have_the_loss_in_the_mean():
    curves = of(4.0, 3.0, 1.0, 2.0, 0.0)
    assert [steps(curves, loss, over=1) for loss in (4.0, 2.5, 0.5)] == [1, 3, 5]
    assert [steps(curves, loss, over=2) for loss in (3.5, 2.0, 1.5, 1.0)] == [2, 3, 4, 5]
    assert steps(curves, 2.0, over=5) == 5  # not before there are so many


def test_a_training_that_never_gets_there_has_an_infinite_number_of_steps():
    assert steps(of(4.0, 3.0), 2.9, over=1) == math.inf
    assert steps(of(0.1, 0.1), 2.9, over=3) == math.inf


def test_losses_that_are_no_numbers_or_infinite_are_above_all_others():
    for diverged in ("inf", None):
        assert steps(of(diverged, 1.0, diverged, 1.0, 1.0), 2.0, over=2) == 5
        assert steps(of(diverged, diverged), 1e9, over=1) == math.inf


def test_points_of_several_steps_weigh_as_many_and_are_taken_whole():
    assert steps(of(4.0, 2.0, 0.0, every=5), 1.0, over=10) == 15
    assert steps(of(4.0, 2.0, 0.0, every=5), 1.0, over=6) == 15  # 10 steps, not the last alone
    assert steps(of(4.0, 2.0, 0.0, every=5), 2.0, over=5) == 10
    shorter_at_the_end = {"batch_loss": [(4, 3.0), (5, 0.0)]}
    assert steps(shorter_at_the_end, 2.4, over=5) == 5 and steps(shorter_at_the_end, 2.39, over=5) == math.inf


def test_errors_have_a_curve_of_their_own():
    curves = {"batch_loss": [(1, 0.0), (2, 0.0)], "batch_error": [(1, 0.5), (2, 0.25)]}
    assert steps_to_error(None, curves, error=0.25, over=1) == 2


def test_it_reads_the_curves_that_the_loop_draws_and_a_trial_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1.0)
    store, trial = Store(tmp_path), spec()
    execute(trial, store)
    losses = dict(store.read(trial)["curves"]["batch_loss"])
    assert [*losses] == [1, 2, 3, 4, 5, 6] and max(losses.values()) > min(losses.values())
    lowest = min(losses, key=losses.__getitem__)
    asked = probing("steps_to_loss", trial, loss=losses[lowest], over=1)
    execute(asked, store)
    assert store.read(asked)["value"] == lowest
    never = probing("steps_to_loss", trial, loss=losses[lowest] / 2, over=1)
    execute(never, store)
    assert store.read(never)["value"] == "inf"


def test_points_of_a_long_training_are_those_of_the_loop():
    drawn = Curves(steps=1000)
    for step in range(1, 1001):
        drawn.add(step, torch.tensor(1.0 if step <= 500 else 0.0), torch.tensor(0.0))
    assert steps(drawn.lists(), 0.5, over=20) == 510


@pytest.mark.parametrize("probe", [steps_to_loss, steps_to_error])
def test_they_look_at_no_net(probe):
    assert probe(None, {"batch_loss": [(1, 0.5)], "batch_error": [(1, 0.5)]}, 0.5, 1) == 1

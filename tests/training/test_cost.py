"""The operations of a step, counted."""

import copy

import pytest
import torch
from kit.tiny import habits, spec, state

from repro.training.cost import arithmetic
from repro.work.execute import execute

pytestmark = pytest.mark.usefixtures("nets")


def test_the_operations_of_a_step_are_counted_as_by_hand():
    body, head = 49 * 16, 16 * 10  # multiply-adds of an image
    assert arithmetic(state(model=habits(), batch_size=32)).step_flops == 2 * 32 * (2 * body + 3 * head)
    convolutions = 7 * 7 * 9 * 4 * 4 * 2 + 4 * 4 * 9 * (4 * 8 + 8 * 8) + 2 * 2 * 9 * (8 * 16 + 16 * 16)
    stem, classifier = 7 * 7 * 9 * 4, 16 * 10
    # Backward: as much again for the weights, and for the inputs, which the images need none of.
    counted = arithmetic(state(batch_size=8))
    assert counted.step_flops == 2 * 8 * (2 * stem + 3 * convolutions + 3 * classifier)
    assert counted.macs == stem + convolutions + classifier


def test_counting_operations_leaves_the_net_on_its_device():
    counted = state()
    before = copy.deepcopy(counted.model.state_dict())
    arithmetic(counted)
    assert all(torch.equal(before[name], value) for name, value in counted.model.state_dict().items())
    assert all(p.grad is None for p in counted.model.parameters())


def test_a_net_that_looks_at_values_has_no_count_but_is_trained(store):
    trial = spec(model=habits(peeks=True))
    execute(trial, store)
    cost = store.read(trial)["cost"]
    assert (
        cost["flops"] is None
        and cost["macs"] is None
        and cost["params"] > 0
        and cost["share_of_matmul_peak"] is None
        and cost["images_per_second"] > 0
    )

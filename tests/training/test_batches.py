"""Batches: what the steps of a trial see."""

from dataclasses import replace

import pytest
import torch
from kit.tiny import RESNET, habits, state

from repro.data.split import InMemory
from repro.errors import ReproError
from repro.training.batches import Batches

pytestmark = pytest.mark.usefixtures("nets")

PLAIN = {**RESNET, "residual": False}


def test_arms_with_one_seed_see_the_same_batches_with_the_same_augmentation():
    recipe = {"augment": ["flip", {"name": "pad_crop", "pad": 2}]}
    arms = [Batches(state(3, model=model, **recipe)) for model in (RESNET, PLAIN, habits(drop=0.5))]
    for step in (0, 1, 700, 1500):
        seen = [arm.at(step) for arm in arms]
        for inputs, targets in seen[1:]:
            assert torch.equal(inputs, seen[0][0]) and torch.equal(targets, seen[0][1])


def test_batches_depend_on_the_step_alone_not_on_what_was_drawn_before():
    recipe = {"augment": ["flip"]}
    one, other = Batches(state(**recipe)), Batches(state(**recipe))
    for step in range(5):
        one.at(step)
    for step in (4, 900, 2):
        assert torch.equal(one.at(step)[0], other.at(step)[0])


def test_other_seeds_see_other_batches_and_other_augmentation():
    (a, a_targets), (b, b_targets) = (Batches(state(seed)).at(0) for seed in (0, 1))
    assert not torch.equal(a, b) and not torch.equal(a_targets, b_targets)
    batches = Batches(state(augment=["flip"]))
    plain = Batches(state())
    flips = [(batches.at(step)[0] != plain.at(step)[0]).flatten(1).any(1).tolist() for step in (0, 1)]
    assert flips[0] != flips[1] and 0 < sum(flips[0]) < 16


def test_an_epoch_shows_every_image_once_and_the_next_one_in_another_order():
    batches = Batches(state(batch_size=3000))  # 10,000 images: three batches, and 1000 left out
    numbers = torch.arange(batches.count)
    data = batches.state.data
    batches.state.data = replace(data, train=InMemory(data.train.images, numbers))
    epochs = [torch.cat([batches.at(3 * epoch + index)[1] for index in range(3)]) for epoch in range(2)]
    assert batches.count == 10_000
    for epoch in epochs:
        assert len(epoch.unique()) == 9000
    assert not torch.equal(*epochs)


def test_a_batch_larger_than_the_set_is_an_error_that_says_so():
    with pytest.raises(ReproError, match="batch_size 10001 is more than the 10000 training images there are"):
        Batches(state(batch_size=10_001))
    assert len(Batches(state(batch_size=10_000)).at(7)[1]) == 10_000

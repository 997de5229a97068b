"""What a net has to be better than: the most frequent class of a split as the answer to all of it."""

from dataclasses import replace

import pytest
import torch

from repro.conformance import fakes
from repro.data.split import InMemory


@pytest.mark.parametrize(
    ("split", "measured"), [("test", {"test_error": 0.25}), ("train", {"train_error": 0.5})]
)
def test_it_is_of_all_images_of_a_split_and_leaves_the_net_as_it_was(split, measured):
    state = next(fakes.states())
    labels = {"train": torch.tensor([1, 1, 0, 2]), "test": torch.tensor([0, 3, 3, 3])}
    splits = {name: InMemory(fakes.images(), of) for name, of in labels.items()}
    state = replace(state, data=replace(state.data, **splits))
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    assert state.trivial(split) == measured
    assert all(torch.equal(value, before[name]) for name, value in state.model.state_dict().items())

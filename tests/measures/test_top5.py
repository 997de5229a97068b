from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from repro.conformance import fakes
from repro.errors import ReproError
from repro.measures.top5 import Top5, top5_error


def test_a_miss_is_an_image_whose_class_is_none_of_the_five_that_numpy_sorts_first():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(400, 12, generator=generator), torch.arange(400) % 12
    first = np.argsort(-logits.numpy(), axis=1)[:, :5]
    expected = (first != labels.numpy()[:, None]).all(1).mean()
    batches = [(logits[:150], labels[:150]), (logits[150:], labels[150:])]
    assert 0.4 < expected < 0.7
    assert float(Top5().evaluate(batches, "test")["test_error"]) == pytest.approx(expected, abs=1e-6)


def test_of_equal_logits_the_lower_classes_come_first_and_what_is_no_number_counts_as_nought():
    for same in (0.0, float("nan")):
        logits = torch.full((10, 10), same)
        assert [float(Top5().error(logits[:1], torch.tensor([k]))) for k in range(10)] == [0.0] * 5 + [
            1.0
        ] * 5


class Constant(nn.Module):
    """Six classes in this order, whatever it sees."""

    def forward(self, x):
        return torch.tensor([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]).expand(len(x), -1)


def test_it_is_of_the_test_set_and_wants_more_than_five_classes():
    five = fakes.state(Constant())  # whose four images have the labels 0 to 3
    with pytest.raises(ReproError, match="more than 5 classes; here there are 5"):
        top5_error(five)
    six = replace(five, data=replace(five.data, class_names=tuple("abcdef")))
    assert top5_error(six) == 0.0
    split = replace(six.data.test, targets=torch.tensor([5, 4, 5, 0]))
    assert top5_error(replace(six, data=replace(six.data, test=split))) == 0.5


def test_nets_that_label_pixels_are_refused():
    with pytest.raises(ReproError, match="the task here is 'segmentation'"):
        top5_error(fakes.state(Constant(), "segmentation", "masks"))

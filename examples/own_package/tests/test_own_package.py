"""What this package adds does what it says. That it keeps to its contracts, `repro check --plugins` says."""

import pytest
import torch
from own_package.model import AllConvolutional
from own_package.probe import mirror_gap
from own_package.task import Top2
from own_package.treatment import mirrored

from repro.conformance.fakes import state
from repro.errors import ReproError

LOGITS = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
LABELS = torch.tensor([0, 1, 2, 0])  # the likeliest, the next, and two that are missed


def net(**options: bool) -> AllConvolutional:
    torch.manual_seed(0)
    return AllConvolutional(width=4, classes=5, **options)


@pytest.mark.parametrize(("pooling", "halving"), [(False, 4 * 4 * 9 + 4 + 8 * 8 * 9 + 8), (True, 0)])
def test_what_pools_has_no_weights_to_do_so(pooling, halving):
    convolutions = (3 * 4 * 9 + 4) + (4 * 8 * 9 + 8) + (8 * 5 + 5)
    assert sum(weight.numel() for weight in net(pooling=pooling).parameters()) == convolutions + halving


@pytest.mark.parametrize("pooling", [False, True])
@pytest.mark.parametrize("side", [7, 28])
def test_there_is_a_logit_a_class(pooling, side):
    assert net(pooling=pooling)(torch.zeros(2, 3, side, side)).shape == (2, 5)


def test_a_miss_is_an_image_whose_class_is_not_among_the_two_likeliest():
    assert Top2().error(LOGITS, LABELS) == 0.5


def test_the_miss_rate_is_of_the_whole_set():
    batches = [(LOGITS[:3], LABELS[:3]), (LOGITS[3:], LABELS[3:])]
    assert Top2().evaluate(batches, "test") == {"miss_rate": 0.5}
    assert Top2().evaluate(batches, "train") == {"train_miss_rate": 0.5}


def test_what_is_mirrored_has_no_gap_and_gives_probabilities():
    alone = state(net(), "top2")
    assert 0 < mirror_gap(alone) < 1
    both = mirrored(alone)
    assert mirror_gap(both) == pytest.approx(0, abs=1e-6)
    answers = both.model(torch.rand(2, 3, 8, 8)).exp()
    torch.testing.assert_close(answers.sum(1), torch.ones(2))


def test_only_nets_that_label_images_can_be_mirrored():
    with pytest.raises(ReproError, match="the task here is 'segmentation'"):
        mirrored(state(net(), "segmentation", "masks"))

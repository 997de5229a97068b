from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from repro.conformance import fakes
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.models.fast_rcnn import FastRCNN
from repro.state.net import State
from repro.treatments.linear_svm import fitted, linear_svm


def test_weights_are_those_of_weighted_ridge_regression():
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(30, 4, generator=random)
    positive, negative = torch.arange(30) < 8, torch.arange(30) >= 12  # four are neither
    weights, bias = fitted(rows, positive, negative, 0.05)
    # scikit-learn's way: rows times the roots of their weights, and rows of the penalty's root
    root = np.sqrt(np.where(positive, 1 / 16, np.where(negative, 1 / 36, 0)))
    left = np.concatenate([np.c_[rows, np.ones(30)] * root[:, None], np.sqrt(0.05) * np.eye(4, 5)])
    right = np.concatenate([root * np.where(positive, 1, -1), np.zeros(4)])
    expected = np.linalg.lstsq(left, right, rcond=None)[0]
    np.testing.assert_allclose([*weights, bias], expected, rtol=1e-4, atol=1e-6)


def state() -> State:
    """Squares of two colours, and a net that has learnt nothing."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 40, (24, 3, 32, 32), dtype=torch.uint8, generator=random)
    starts, labels = torch.randint(0, 16, (24, 2), generator=random), torch.arange(24) % 2
    corners = torch.cat([starts, starts + 14], dim=1)
    for image, (left, top, right, bottom), label in zip(images, corners.tolist(), labels, strict=True):
        image[label, top:bottom, left:right] = 250
    split = InMemory(images, Boxes(corners[:, None].float(), labels[:, None]))
    torch.manual_seed(0)
    net = FastRCNN(regions=300, widths=(8, 8), depths=(1, 1), levels=(3,), fc=32, dropout=0.0, classes=2)
    made = fakes.state(net, "detection", "boxes")
    return replace(made, data=ImageSet(split, split, ("red", "green"), (0.1,) * 3, (0.2,) * 3))


def test_machines_tell_classes_apart_that_a_softmax_has_not_learnt():
    before = state()
    after = linear_svm(before, images=24)
    assert before.evaluate("test")["map"] < 0.2 < after.evaluate("test")["map"]
    assert after.model.head.apart and not before.model.head.apart
    assert after.model.head.scores.weight.shape == before.model.head.scores.weight.shape
    assert not after.model.head.hidden._forward_hooks


def test_other_nets_data_and_classes_that_no_region_shows_are_refused():
    made = state()
    with pytest.raises(ReproError, match="wants a net that scores regions"):
        linear_svm(replace(made, model=nn.Flatten()))
    one = Boxes(made.data.train.targets.corners, made.data.train.targets.labels.clamp(max=0))
    only = InMemory(made.data.train.images, one)
    with pytest.raises(ReproError, match="no region shows, or none is without, a 'green'"):
        linear_svm(replace(made, data=replace(made.data, train=only)))
    labelled = InMemory(made.data.train.images, torch.full((24,), NONE))
    with pytest.raises(ReproError, match="wants data with boxes"):
        linear_svm(replace(made, data=replace(made.data, train=labelled)))

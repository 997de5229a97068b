import numpy as np
import torch

from repro.data.images import ImageSet
from repro.data.split import InMemory


def test_a_set_moves_to_a_device_as_it_is():
    split = InMemory(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.arange(2))
    here = ImageSet(split, split, ("a", "b"), (0.5,), (0.25,))
    there = here.to("meta")
    for moved in (there.train, there.test):
        images, labels = moved.rows(torch.tensor([0]))
        assert images.device.type == labels.device.type == moved.index_device.type == "meta"
        assert images.dtype == torch.uint8
    assert there.mean == here.mean and there.class_names == here.class_names
    assert here.train is split


def test_labels_become_int64_and_masks_stay_as_small_as_they_are():
    images = np.zeros((2, 1, 4, 4), np.uint8)
    labels, masks = np.array([1, 0], np.uint8), np.ones((2, 4, 4), np.uint8)
    made = ImageSet.of((images, labels), (images, masks), ("a", "b"))
    assert made.train.targets.dtype == torch.int64 and made.test.targets.dtype == torch.uint8
    assert made.train.targets.tolist() == [1, 0] and made.test.targets.sum() == 32

"""Splits: rows of images and targets, in any order and in batches."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from repro.data.split import InMemory, head, image_shape, in_batches
from repro.data.targets import Boxes

IMAGES = torch.arange(7, dtype=torch.uint8)[:, None, None, None].expand(7, 3, 4, 5).contiguous()
BOXES = Boxes(torch.arange(56.0).view(7, 2, 4), torch.arange(14).view(7, 2))


def test_rows_come_in_the_order_of_their_indices_with_their_targets():
    images, labels = InMemory(IMAGES, torch.arange(7) * 10).rows(torch.tensor([5, 0, 5]))
    assert images[:, 0, 0, 0].tolist() == [5, 0, 5] and labels.tolist() == [50, 0, 50]
    images += 1
    assert IMAGES[5].unique().tolist() == [5]  # rows are the caller's


def test_targets_may_be_a_tree_of_tensors():
    targets = {"boxes": BOXES, "labels": (torch.arange(7),)}
    _, found = InMemory(IMAGES, targets).rows(torch.tensor([6, 1]))
    assert isinstance(found["boxes"], Boxes) and found["labels"][0].tolist() == [6, 1]
    assert torch.equal(found["boxes"].corners, BOXES.corners[[6, 1]])
    assert found["boxes"].labels.tolist() == [[12, 13], [2, 3]]


def test_the_first_rows_are_those_there_are():
    split = InMemory(IMAGES, torch.arange(7))
    assert head(split, 2)[1].tolist() == [0, 1] and head(split, 100)[1].tolist() == list(range(7))
    assert image_shape(split) == (3, 4, 5)


def test_batches_are_in_order_and_the_last_one_is_smaller():
    split = InMemory(IMAGES, torch.arange(7))
    assert [labels.tolist() for _, labels in in_batches(split, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [labels.tolist() for _, labels in in_batches(split, 3, 4)] == [[0, 1, 2], [3]]
    assert [len(images) for images, _ in in_batches(split, 3, 100)] == [3, 3, 1]


def test_a_split_moves_with_all_its_targets_and_nothing_is_read_back():
    with FakeTensorMode():
        here = InMemory(torch.empty(7, 3, 4, 5, dtype=torch.uint8), {"masks": torch.empty(7, 4, 5)})
        there = here.to("cuda")
        images, targets = there.rows(torch.empty(2, dtype=torch.int64))
    assert there.index_device.type == images.device.type == targets["masks"].device.type == "cuda"

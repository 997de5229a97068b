"""Codes, matches and what is left of boxes, by hand and against torchvision's detectors."""

import math

import pytest
import torch
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder
from torchvision.ops import batched_nms, box_iou

from repro.data.targets import NONE, Boxes
from repro.models.layers.boxes import (
    LONGEST,
    clipped,
    decode,
    drawn_share,
    encode,
    ious,
    matched,
    surest,
)


def boxes(*shape: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    starts = 40 * torch.rand(*shape, 2, generator=random)
    return torch.cat([starts, starts + 2 + 30 * torch.rand(*shape, 2, generator=random)], dim=-1)


def test_offsets_by_hand():
    box, item = torch.tensor([0.0, 0.0, 10.0, 20.0]), torch.tensor([5.0, 0.0, 25.0, 10.0])
    offsets = torch.tensor([(15 - 5) / 10, (5 - 10) / 20, math.log(2), math.log(0.5)])
    torch.testing.assert_close(encode(item, box), offsets)
    torch.testing.assert_close(decode(offsets, box), item)


def test_boxes_are_coded_as_in_torchvisions_detectors():
    coder, items, some = BoxCoder((1.0, 1.0, 1.0, 1.0)), boxes(50), boxes(50, seed=1)
    torch.testing.assert_close(encode(items, some), coder.encode_single(items, some))
    offsets = 3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(2))
    offsets[:, 3] = 10  # above the limit
    torch.testing.assert_close(decode(offsets, some), coder.decode_single(offsets, some))
    assert coder.bbox_xform_clip == LONGEST


def test_ious_are_torchvisions_and_0_of_empty_boxes():
    one, other = boxes(3, 7), boxes(3, 5, seed=1)
    one[0, 0], other[0, 0] = 4.0, 4.0
    found = ious(one, other)
    assert found[0, 0, 0] == 0
    for image in range(1, 3):
        torch.testing.assert_close(found[image], box_iou(one[image], other[image]))


def test_a_box_is_of_the_item_it_overlaps_most_and_never_of_none():
    truth = Boxes(
        torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 6, 6]]]), torch.tensor([[2, 0, NONE]])
    )
    found = matched(torch.tensor([[[0.0, 0, 10, 6], [0, 0, 10, 9], [0, 0, 6, 6], [30, 30, 40, 40]]]), truth)
    assert found.items[0, :2].tolist() == [1, 0]
    torch.testing.assert_close(
        found.ious[0], torch.tensor([50 / 60, 0.9, 0.5, 0.0]).where(torch.arange(4) != 2, found.ious[0, 2])
    )
    assert found.ious[0, 2] == pytest.approx(30 / 56)  # of the second item, not of the third, which is none


def test_boxes_end_at_the_image():
    found = clipped(torch.tensor([[-3.0, 2.0, 50.0, 40.0], [1.0, 1.0, 2.0, 2.0]]), 30, 20)
    assert found.tolist() == [[0, 2, 30, 20], [1, 1, 2, 2]]


@pytest.mark.parametrize("positives", [0, 3, 40])
def test_a_share_is_what_torchvisions_sampler_draws_on_average(positives):
    torch.manual_seed(0)
    labels = torch.full((200,), -1)
    labels[:positives], labels[50:150] = 1, 0
    sampler, times = BalancedPositiveNegativeSampler(32, 0.25), 400
    drawn = torch.zeros(200)
    for _ in range(times):
        (chosen,), (others,) = sampler([labels])
        drawn += (chosen + others) / times / 32
    share = drawn_share(labels[None] == 1, labels[None] == 0, 32, 0.25)[0]
    assert share.sum() == pytest.approx(1)
    for some in (slice(0, 50), slice(50, 150), slice(150, 200)):
        assert share[some].sum() == pytest.approx(float(drawn[some].sum()), abs=1e-6)
    assert (share - drawn).abs().max() < 0.004


def test_where_few_are_negative_all_of_them_are_drawn():
    share = drawn_share(torch.tensor([[1, 0, 0, 0]]) > 0, torch.tensor([[0, 1, 0, 0]]) > 0, 8, 0.25)
    assert share.tolist() == [[0.5, 0.5, 0, 0]]
    none = torch.zeros(1, 4, dtype=torch.bool)
    assert drawn_share(none, none, 8, 0.25).tolist() == [[0, 0, 0, 0]]


def test_the_surest_of_boxes_that_overlap_stays_in_each_class():
    corners = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]]])
    scores = torch.tensor([[[0.5, 0.3], [0.9, 0.0], [0.005, 0.2]]])
    found = surest(corners, scores, overlap=0.5, most=4)
    assert found.labels.tolist() == [[0, 1, 1, -1]]
    torch.testing.assert_close(found.scores[0, :3], torch.tensor([0.9, 0.3, 0.2]))
    assert found.scores[0, 3] == -math.inf
    assert found.corners[0].tolist() == [[0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 0, 0]]
    assert surest(corners, scores, overlap=0.95, most=2).labels.tolist() == [[0, 0]]


def test_boxes_of_each_class_are_left_as_torchvision_leaves_them():
    corners, scores = boxes(2, 20, 3), torch.rand(2, 20, 3, generator=torch.Generator().manual_seed(3))
    found = surest(corners, scores, overlap=0.3, least=0.4, most=60)
    for image in range(2):
        region, label = (scores[image] > 0.4).nonzero().T
        kept, sure = corners[image, region, label], scores[image, region, label]
        left = batched_nms(kept, sure, label, 0.3)
        there = found.labels[image] >= 0
        assert torch.equal(found.corners[image, there], kept[left])
        assert torch.equal(found.labels[image, there], label[left])


def test_what_is_no_number_is_not_found():
    nothing = torch.full((1, 2, 1), torch.nan)
    assert (surest(boxes(1, 2) * torch.nan, nothing, overlap=0.5).labels == -1).all()

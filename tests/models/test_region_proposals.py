import pytest
import torch
from models.pixels import images, made, on_meta
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_iou, clip_boxes_to_image

from repro.measures.static import weights
from repro.models.region_proposals import GivenRegions, RegionProposals, spread

HEIGHT, WIDTH = 320, 480  # of the image, whose map is 20×30


def lively(count: int = 50, channels: int = 8) -> RegionProposals:
    """With scores and offsets that differ from place to place."""
    net = made(RegionProposals, channels, count)
    for layer in (net.hidden[0], net.scores, net.offsets):
        torch.nn.init.normal_(layer.weight, std=0.1, generator=torch.Generator().manual_seed(3))
    return net.eval()


def corners(net: RegionProposals) -> Tensor:
    """The 9 anchors at each place. [9, 20, 30, 4]"""
    x, y = torch.meshgrid(torch.arange(30) * 16.0 + 8, torch.arange(20) * 16.0 + 8, indexing="xy")
    centre, half = torch.stack([x, y], dim=-1), net.anchors[:, None, None] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def test_the_head_on_vgg_16_has_as_many_weights_as_the_paper_says():
    net = on_meta(RegionProposals, channels=512, count=300)
    assert weights(net) == 512 * 512 * 9 + 512 * (18 + 36)
    assert weights(net, "scores") + weights(net, "offsets") == pytest.approx(2.8e4, rel=0.02)  # section 3.1.1


def test_anchors_are_those_of_torchvision_but_for_rounding():
    # Its ratios are height over width too, and the outer loop.
    expected = AnchorGenerator((128, 256, 512), (0.5, 1.0, 2.0)).generate_anchors(
        (128, 256, 512), (0.5, 1.0, 2.0)
    )
    sides = (expected[:, 2:] - expected[:, :2]).unflatten(0, (3, 3)).transpose(0, 1).flatten(0, 1)
    torch.testing.assert_close(RegionProposals(8, 1).anchors, sides, rtol=0, atol=1)
    assert RegionProposals(8, 1).anchors.prod(dim=1).sqrt().tolist() == pytest.approx(
        [128] * 3 + [256] * 3 + [512] * 3
    )


def test_without_offsets_boxes_are_the_anchors_cut_off_at_the_borders():
    net = RegionProposals(8, 1)
    found = net.decode(torch.zeros(2, 9, 4, 20, 30), HEIGHT, WIDTH)
    expected = clip_boxes_to_image(corners(net), (HEIGHT, WIDTH))
    torch.testing.assert_close(found, expected.expand(2, -1, -1, -1, -1))


def test_offsets_move_and_stretch_boxes_as_torchvisions_do():
    net, offsets = RegionProposals(8, 1), images(1, 9, 4, 20, 30)
    offsets[0, 0, 2, 0, 0] = 100.0  # beyond what an exponential can take
    found = net.decode(offsets, HEIGHT, WIDTH)
    decoded = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(
        offsets.movedim(2, -1).reshape(-1, 4), corners(net).reshape(-1, 4)
    )
    torch.testing.assert_close(
        found.reshape(-1, 4), clip_boxes_to_image(decoded, (HEIGHT, WIDTH)), rtol=1e-4, atol=1e-2
    )


def test_proposals_are_the_best_that_overlap_no_better_one_much():
    net, maps = lively(), images(2, 8, 20, 30)
    found = net(maps, HEIGHT, WIDTH)
    hidden = net.hidden(maps)
    boxes = net.decode(net.offsets(hidden).unflatten(1, (9, 4)), HEIGHT, WIDTH).reshape(2, -1, 4)
    chance = net.scores(hidden).unflatten(1, (9, 2)).softmax(dim=2)[:, :, 1].reshape(2, -1)
    for i in range(2):
        kept = []
        for j in chance[i].argsort(descending=True).tolist():
            if len(kept) < 50 and all(box_iou(boxes[i, j][None], boxes[i, k][None]) <= 0.7 for k in kept):
                kept.append(j)
        torch.testing.assert_close(found[i], boxes[i, kept])


def test_only_the_6000_best_are_candidates(monkeypatch):
    net, seen = lively(), []
    monkeypatch.setattr(
        "repro.models.region_proposals.nms", lambda _, scores, __: seen.append(scores) or torch.tensor([0])
    )
    net(images(1, 8, 20, 30), HEIGHT, WIDTH)
    net(images(1, 8, 40, 60), HEIGHT, WIDTH)
    assert [len(scores) for scores in seen] == [20 * 30 * 9, 6000]
    assert torch.equal(seen[1], seen[1].sort(descending=True).values)


def test_too_few_are_repeated_from_the_first_on():
    net = made(RegionProposals, 8, 200).eval()
    found = net(images(1, 8, 10, 10), 160, 160)[0]  # where anchors end at the borders, most overlap
    count = len(found.unique(dim=0))
    assert 1 < count < 100 and torch.equal(found, found[torch.arange(200) % count])


def test_no_gradient_flows_back_from_the_boxes():
    assert not lively()(images(1, 8, 20, 30).requires_grad_(), HEIGHT, WIDTH).requires_grad


def test_given_regions_are_the_same_for_every_image_and_grow_with_it():
    x, regions = torch.empty(2, 3, 7, 9), GivenRegions(100)
    small, large = regions(x, 40, 60), regions(x, 80, 180)
    assert small.shape == (2, 100, 4) and torch.equal(small[0], small[1])
    torch.testing.assert_close(large, small * torch.tensor([3.0, 2, 3, 2]))
    assert torch.equal(small[0, 0], torch.tensor([0.0, 0, 60, 40]))
    assert not regions.state_dict()


def test_the_spread_lies_in_the_image_with_all_sizes_shapes_and_places():
    boxes = spread(2000).double()
    (x1, y1, x2, y2), (width, height) = boxes.T, (boxes[:, 2:] - boxes[:, :2]).T
    assert boxes.min() >= 0 and boxes.max() <= 1 and len(boxes.unique(dim=0)) == 2000
    assert torch.equal(spread(100), boxes[:100].float())
    size, ratio = (width * height).sqrt(), width / height
    for values in (size.log() / torch.tensor(0.1).log(), (ratio.log() / torch.tensor(3.0).log() + 1) / 2):
        assert values.min() > -1e-6 and values.max() < 1 + 1e-6
        share = torch.histc(values, bins=4, min=0, max=1) / 2000
        assert share.min() > 0.15, share  # of each quarter; boxes that would be wider than the image are not
    small = size < 0.3  # their places are all but free
    for centre in ((x1 + x2) / 2, (y1 + y2) / 2):
        share = torch.histc(centre[small], bins=4, min=0, max=1) / small.sum()
        assert share.min() > 0.15, share

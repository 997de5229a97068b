import pytest
import torch
from models.detectors import learns, scenes
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import box_iou, nms

from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.measures.static import params
from repro.models.faster_rcnn import FasterRCNN, anchors, assigned, by_anchor, proposed
from repro.models.layers.boxes import encode
from repro.models.layers.freezing import freeze
from repro.models.region_detector import Rules
from repro.state.weights import trial

SMALL = {
    "widths": (4, 8),
    "depths": (1, 1),
    "levels": (4,),
    "fc": 32,
    "dropout": 0.0,
    "classes": 3,
    "scales": (8, 12, 16),
    "regions": 30,
    "train_regions": 500,
}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_anchors_are_torchvisions_half_a_cell_on():
    """Which rounds their sides, and has them around the first corner of each cell."""
    shapes = FasterRCNN(**{**SMALL, "scales": (64.0, 128.0)}).shapes
    theirs = AnchorGenerator(((64, 128),), ((0.5, 1.0, 2.0),))
    images = ImageList(torch.zeros(1, 3, 96, 128), [(96, 128)])
    (expected,) = theirs(images, [torch.zeros(1, 8, 6, 8)])
    ours = anchors(6, 8, 128, 96, shapes)
    order = torch.tensor([0, 3, 1, 4, 2, 5])  # ours are by scale, theirs by ratio
    found = ours.view(48, 6, 4)[:, order] - 8
    assert (found - expected.view(48, 6, 4)).abs().max() <= 0.5


def test_the_papers_nine_anchors_and_300_regions():
    shapes = FasterRCNN.__init__.__kwdefaults__
    assert (shapes["scales"], shapes["ratios"]) == ((128.0, 256.0, 512.0), (0.5, 1.0, 2.0))
    with torch.device("meta"):
        net = FasterRCNN()
        assert net.proposals.scores.out_channels + net.proposals.offsets.out_channels == 54
        out = net.eval()(torch.empty(2, 3, 64, 96))
    assert params(net.proposals) == 512 * (512 * 9 + 1) + 54 * (512 + 1)
    assert out.objectness.shape == (2, 4 * 6 * 9, 2)
    assert out.regions.shape == (2, 300, 4) and out.head.scores.shape == (2, 300, 21)


def test_images_that_no_anchor_fits_into_are_refused_in_training():
    images, _ = scenes()
    assert FasterRCNN(**{**SMALL, "scales": (16, 64)})(images).regions.shape == (2, 500, 4)
    net = FasterRCNN(**{**SMALL, "scales": (30.0, 64.0), "ratios": (0.5, 2.0)})
    with pytest.raises(ReproError, match=r"fits into images of 32×32 .* a side of 42; give smaller `scales`"):
        net(images)
    assert net.eval()(images).regions.shape == (2, 30, 4)


def test_numbers_of_a_map_are_in_the_order_of_its_anchors():
    maps, offsets = random(2, 3 * 1, 4, 5), random(2, 3 * 4, 4, 5, seed=1)
    scores, boxes = concat_box_prediction_layers([maps], [offsets])
    torch.testing.assert_close(by_anchor(maps, 1).flatten(0, 1), scores)
    torch.testing.assert_close(by_anchor(offsets, 4).flatten(0, 1), boxes)


def test_anchors_are_of_items_as_in_torchvision():
    places = anchors(8, 8, 64, 64, FasterRCNN(**{**SMALL, "scales": (8, 16, 24)}).shapes)
    inside = (places >= 0).all(1) & (places <= 64).all(1)
    starts = 40 * torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    items = torch.cat([starts, starts + torch.tensor([[10.0, 14], [22, 18], [5, 5]])], dim=1)
    positive, negative, item = assigned(places[None], items[None], torch.tensor([[0, 1, 0]]), 64, 64)
    theirs = Matcher(0.7, 0.3, allow_low_quality_matches=True)(box_iou(items, places[inside]))
    assert torch.equal(positive[0, inside], theirs >= 0)
    assert torch.equal(negative[0, inside], theirs == Matcher.BELOW_LOW_THRESHOLD)
    assert not positive[0, ~inside].any() and not negative[0, ~inside].any()
    found = item[0][positive[0]]
    assert set(found.tolist()) == {0, 1, 2}  # each item has an anchor
    assert (
        box_iou(items, places[positive[0]]).max(1).values == box_iou(items, places[inside]).max(1).values
    ).all()


def test_of_nothing_all_anchors_inside_are_background():
    places = anchors(4, 4, 32, 32, torch.tensor([[8.0, 8.0], [20.0, 20.0]]))
    positive, negative, _ = assigned(places[None], torch.zeros(1, 2, 4), torch.full((1, 2), NONE), 32, 32)
    assert not positive.any()
    assert torch.equal(negative[0], (places >= 0).all(1) & (places <= 32).all(1))


def test_an_anchor_that_is_the_best_of_an_item_learns_its_box():
    places = torch.tensor([[[0.0, 0, 10, 10], [20, 20, 30, 30]]])
    items = torch.tensor([[[0.0, 0, 10, 9], [0, 0, 4, 4]]])  # IoUs with the first anchor .9 and .16
    positive, negative, item = assigned(places, items, torch.tensor([[0, 0]]), 40, 40)
    assert positive.tolist() == [[True, False]] and negative.tolist() == [[False, True]]
    assert item[0, 0] in (0, 1)


def test_proposals_are_the_best_that_overlap_no_better_one():
    places = anchors(6, 6, 48, 48, torch.tensor([[12.0, 12.0], [20.0, 10.0]]))
    scores, offsets = random(2, 72, 2), 0.3 * random(2, 72, 4, seed=1)
    found = proposed(places, scores, offsets, (48, 48), candidates=50, count=20)
    for image in range(2):
        likely = scores[image].softmax(1)[:, 1]
        best = likely.argsort(descending=True)[:50]
        boxes = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(offsets[image], places)[best].clamp(0, 48)
        left = nms(boxes, likely[best], 0.7)
        torch.testing.assert_close(found[image, : len(left)], boxes[left][:20])
    few = proposed(places, scores, offsets, (48, 48), candidates=3, count=7)
    assert torch.equal(few[:, 3:6], few[:, :3]) or torch.equal(few[:, 2:4], few[:, :2])


def test_the_loss_of_proposals_by_hand():
    torch.manual_seed(0)
    net, (images, truth) = FasterRCNN(**SMALL).eval(), scenes()
    with torch.no_grad():
        made = net(images)
    positive, negative, item = assigned(made.anchors, truth.corners, truth.labels, 32, 32)
    expected = []
    for image in range(2):
        log_p = made.objectness[image].log_softmax(1)
        yes, no = positive[image], negative[image]
        drawn = min(256 - int(yes.sum()), int(no.sum()))
        sums = -log_p[yes, 1].sum() - log_p[no, 0].mean() * drawn
        items = truth.corners[image][item[image, yes]]
        wanted = BoxCoder((1.0, 1.0, 1.0, 1.0)).encode_single(items, made.anchors[image][yes])
        sums = sums + torch.nn.functional.smooth_l1_loss(made.offsets[image][yes], wanted, reduction="sum")
        expected.append(sums / (yes.sum() + drawn))
    torch.testing.assert_close(made.proposal_loss(truth), torch.stack(expected))
    torch.testing.assert_close(made.loss(truth), made.proposal_loss(truth) + made.head.loss(truth))


def test_a_net_that_draws_fewer_weighs_a_few_anchors_more():
    torch.manual_seed(0)
    net, (images, truth) = FasterRCNN(drawn=12, drawn_anchors=4, **SMALL).eval(), scenes()
    with torch.no_grad():
        made = net(images)
    assert made.head.rules == Rules(32, 32, 0.0, 1.0, drawn=12, drawn_anchors=4)
    nowhere = made._replace(offsets=torch.zeros_like(made.offsets))
    positive, negative, item = assigned(made.anchors, truth.corners, truth.labels, 32, 32)
    for image, loss in enumerate(nowhere.proposal_loss(truth)):
        log_p, yes, no = made.objectness[image].log_softmax(1), positive[image], negative[image]
        wanted = encode(truth.corners[image][item[image, yes]], made.anchors[image][yes])
        of_box = torch.nn.functional.smooth_l1_loss(wanted, torch.zeros_like(wanted), reduction="none").sum(1)
        share = min(int(yes.sum()), 2) / 4
        expected = share * (of_box - log_p[yes, 1]).mean() - (1 - share) * log_p[no, 0].mean()
        torch.testing.assert_close(loss, expected)


def test_it_learns():
    torch.manual_seed(0)
    learns(FasterRCNN(**SMALL), *scenes(), lr=0.01)


def test_the_head_does_not_move_the_proposals():
    torch.manual_seed(0)
    net, (images, truth) = FasterRCNN(**SMALL), scenes()
    net(images).head.loss(truth).sum().backward()
    assert all(p.grad is None for p in net.proposals.parameters())


def test_a_net_whose_proposals_are_apart_trains_each_part_by_its_own_loss():
    """As in the first two of the paper's four steps, of which each trains one."""
    torch.manual_seed(0)
    apart, (images, truth) = FasterRCNN(shared=False, **SMALL), scenes()
    torch.manual_seed(0)
    shared = FasterRCNN(**SMALL).state_dict()
    assert all(torch.equal(apart.state_dict()[name], weight) for name, weight in shared.items())
    made = apart(images)
    parts = [module.parameters() for module in (apart.proposals, apart.proposal_trunk)]
    proposing, other = [*parts[0], *parts[1]], [*apart.trunk.parameters(), *apart.head.parameters()]
    for loss, moved, still in (
        (made.proposal_loss(truth), proposing, other),
        (made.head.loss(truth), other, proposing),
    ):
        apart.zero_grad()
        loss.sum().backward(retain_graph=True)
        assert all(p.grad.abs().sum() > 0 for p in moved) and all(p.grad is None for p in still)


def test_the_papers_four_steps_follow_one_another():
    """Each starts with the weights of the one before, and trains its part of the net."""
    steps = [(False, ("trunk", "head")), (False, ("proposal_trunk", "proposals"))]
    steps += [(True, ("trunk", "head")), (True, ("trunk", "proposals"))]
    before, (images, truth) = None, scenes()
    for shared, frozen in steps:
        net = FasterRCNN(shared=shared, **SMALL)
        if before is not None:
            trial(net, before, arm="before")
            assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
        freeze(net, frozen)
        net.train()(images).loss(truth).sum().backward()
        trained = {name.partition(".")[0] for name, p in net.named_parameters() if p.grad is not None}
        assert trained == {name for name, _ in net.named_children()} - {*frozen, "pool"}
        before = net.state_dict()


def test_an_image_without_items_has_a_finite_loss():
    net, (images, truth) = FasterRCNN(**SMALL), scenes()
    nothing = Boxes(torch.zeros_like(truth.corners), torch.full_like(truth.labels, NONE))
    loss = net(images).loss(nothing).sum()
    loss.backward()
    assert loss > 0 and all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_counts_below_1_are_refused():
    with pytest.raises(ValueError, match="anchors must be at least 1, not 0"):
        FasterRCNN(ratios=())

import pytest
import torch
from models.detectors import learns, scenes
from pytest import approx
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.roi_heads import fastrcnn_loss

from repro.data.targets import NONE, Boxes
from repro.measures.static import params
from repro.models import region_detector
from repro.models.fast_rcnn import FastRCNN
from repro.models.faster_rcnn import FasterRCNN
from repro.models.rcnn import RCNN
from repro.models.region_detector import RegionAnswers, Rules

SMALL = {"widths": (4, 8), "depths": (1, 1), "levels": (4,), "fc": 32, "dropout": 0.0, "classes": 3}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def answers(regions: list[list[float]], background_from: float = 0.0, box_loss: float = 1.0) -> RegionAnswers:
    boxes, many = torch.tensor([regions]), len(regions)
    rules = Rules(40, 40, background_from, box_loss)
    return RegionAnswers(boxes, random(1, many, 3), random(1, many, 2, 4, seed=1), rules)


TRUTH = Boxes(torch.tensor([[[0.0, 0, 10, 10], [0, 0, 0, 0]]]), torch.tensor([[1, NONE]]))
ITEM, PART, NEAR, FAR = (
    [0.0, 0, 10, 10],
    [0.0, 0, 10, 5],
    [0.0, 0, 10, 2],
    [30.0, 30, 40, 40],
)  # IoU 1, .5, .2, 0


def test_the_loss_is_torchvisions_where_all_regions_are_drawn():
    made = answers([ITEM, PART, NEAR, FAR])
    labels = torch.tensor([2, 2, 0, 0])  # a quarter of 64 may be of items, and the rest of background
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    wanted = coder.encode_single(TRUTH.corners[0, :1].expand(4, -1), made.regions[0])
    offsets = torch.cat([torch.zeros(4, 1, 4), made.offsets[0]], dim=1)  # torchvision has some of background
    of_class, of_box = fastrcnn_loss(made.scores[0], offsets.flatten(1), [labels], [wanted])
    theirs = of_class + 4 * F.smooth_l1_loss(made.offsets[0, :2, 1], wanted[:2]) * 2 / 4
    assert made.loss(TRUTH)[0] == approx(float(theirs), rel=1e-5)
    assert float(of_box) > 0  # its own, with a bend at 1/9 instead of Fast R-CNN's 1


def test_background_begins_at_an_iou_and_boxes_weigh_what_they_are_told():
    both, none = answers([ITEM, NEAR, FAR], background_from=0.1), answers([ITEM, NEAR, FAR], box_loss=0.0)
    log_p = both.scores[0].log_softmax(1)
    classes = -(log_p[0, 2] + log_p[1, 0]) / 2  # FAR is not drawn
    offsets = both.offsets[0, 0, 1]
    boxes = F.smooth_l1_loss(offsets, torch.zeros(4), reduction="sum") / 2
    assert both.loss(TRUTH)[0] == approx(float(classes + boxes), rel=1e-5)
    assert none.loss(TRUTH)[0] == approx(float(-(log_p[0, 2] + log_p[1, 0] + log_p[2, 0]) / 3), rel=1e-5)


def test_a_quarter_of_what_is_drawn_is_of_items():
    made = answers([ITEM] * 40 + [FAR] * 60)
    log_p = made.scores[0].log_softmax(1)
    of_class = -0.25 * log_p[:40, 2].mean() - 0.75 * log_p[40:, 0].mean()
    without_boxes = made._replace(rules=Rules(40, 40, 0.0, 0.0))
    assert without_boxes.loss(TRUTH)[0] == approx(float(of_class), rel=1e-5)


def test_a_net_that_draws_fewer_weighs_a_few_items_more():
    made = answers([ITEM] * 4 + [FAR] * 6)
    log_p = made.scores[0].log_softmax(1)
    of_class = -0.25 * log_p[:4, 2].mean() - 0.75 * log_p[4:, 0].mean()  # 2 and 6 of 8
    fewer = made._replace(rules=Rules(40, 40, 0.0, 0.0, drawn=8))
    assert fewer.loss(TRUTH)[0] == approx(float(of_class), rel=1e-5)
    images = scenes()[0]
    for net in (FastRCNN, RCNN):
        assert net("vgg16", proposals="spread", regions=5, drawn=8, **SMALL).eval()(images).rules.drawn == 8


def test_an_image_without_items_is_background_and_its_loss_finite():
    nothing = Boxes(torch.zeros(1, 2, 4), torch.full((1, 2), NONE))
    made = answers([ITEM, [3.0, 3, 3, 3]])
    log_p = made.scores[0].log_softmax(1)
    made.scores.requires_grad_()
    made.offsets.requires_grad_()
    loss = made.loss(nothing)
    loss.sum().backward()
    assert loss[0].detach() == approx(float(-log_p[:, 0].mean()), rel=1e-5)
    assert made.scores.grad.isfinite().all() and not made.offsets.grad.any()


def test_regions_move_by_the_offsets_of_their_class():
    made = answers([[10.0, 10, 20, 30]])
    made.offsets[0, 0, 0] = torch.tensor([5.0, 0.0, 0.0, 0.0])  # in tenths of the width
    made.offsets[0, 0, 1] = torch.tensor([0.0, -10.0, 0.0, 0.0])
    made.scores[0, 0] = torch.tensor([0.0, 1.0, 2.0])
    found = made.detections()
    assert found.labels[0, :3].tolist() == [1, 0, -1]
    assert found.corners[0, :2].tolist() == [[10, 0, 20, 10], [15, 10, 25, 30]]
    assert found.scores[0, 0] == approx(float(torch.tensor([0.0, 1.0, 2.0]).softmax(0)[2]))


def test_errors_are_of_the_regions_of_items():
    made = answers([ITEM, PART, FAR])
    made.scores[0] = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    wrong, count = made.errors(TRUTH)
    assert (int(wrong), int(count)) == (1, 2)


def test_the_papers_head_on_vgg_16():
    with torch.device("meta"):
        net = FastRCNN()
        out = net(torch.empty(1, 3, 224, 224))
    assert out.scores.shape == (1, 2000, 21) and out.offsets.shape == (1, 2000, 20, 4)
    head = (7 * 7 * 512 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * (21 + 80)
    assert params(net) == 14_714_688 + head


@pytest.mark.parametrize("options", [{}, {"levels": (3, 2, 1), "batch_norm": True}])
def test_it_learns(options):
    torch.manual_seed(0)
    learns(FastRCNN(regions=150, **{**SMALL, **options}), *scenes(), lr=0.01)


def test_a_region_has_the_answers_that_it_has_alone():
    torch.manual_seed(0)
    net, (images, _) = FastRCNN(regions=30, **SMALL).eval(), scenes()
    with torch.no_grad():
        both, second = net(images), net(images[1:])
    torch.testing.assert_close(both.scores[1], second.scores[0])
    assert not both.scores[0].allclose(both.scores[1], atol=1e-4)


def test_regions_are_seen_in_parts_that_change_nothing(monkeypatch):
    torch.manual_seed(0)
    net, (images, _) = FastRCNN(regions=30, **SMALL).eval(), scenes()
    with torch.no_grad():
        whole = net(images)
        monkeypatch.setattr(region_detector, "AT_ONCE", 7)
        parts = net(images)
    torch.testing.assert_close(parts[:3], whole[:3])


TRUNK = [f"trunk.stages.{stage}.0.0.{kind}" for stage in (0, 1) for kind in ("weight", "bias")]
HEAD, PROPOSALS = (
    [f"{part}.{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    for part, layers in (
        ("head", ("hidden.0", "hidden.3", "scores", "offsets")),
        ("proposals", ("hidden.0", "scores", "offsets")),
    )
)
OWN_TRUNK = [f"proposal_{name}" for name in TRUNK]


@pytest.mark.parametrize(
    ("make", "options", "more", "next_one"),
    [
        (RCNN, {}, [], 0.7768697738647461),
        (FastRCNN, {}, [], 0.7768697738647461),
        (FasterRCNN, {}, PROPOSALS, 0.6484948396682739),
        (
            FasterRCNN,
            {"shared": False},
            PROPOSALS + OWN_TRUNK,
            0.4210212826728821,
        ),
    ],
)
def test_a_seed_gives_the_weights_that_trials_were_trained_from(make, options, more, next_one):
    """What is trained has these names in this order, and has drawn so many numbers before the first step."""
    torch.manual_seed(5)
    net = make("vgg16", **options, **SMALL)
    assert [*net.state_dict()] == TRUNK + HEAD + more
    assert torch.rand(1).item() == next_one
    assert float(net.state_dict()[TRUNK[0]].sum()) == approx(0.51412, abs=1e-4)
    assert float(net.state_dict()["head.offsets.weight"].sum()) == approx(0.02271, abs=1e-4)


def test_counts_below_1_are_refused():
    with pytest.raises(ValueError, match="regions must be at least 1, not 0"):
        FastRCNN(regions=0)

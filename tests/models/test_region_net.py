import pytest
import torch
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

from repro.measures.static import params, weights
from repro.models import region_proposals
from repro.models.alexnet import AlexNet
from repro.models.layers.initialisation import initialise
from repro.models.region_net import RegionNet, RegionPooling
from repro.models.spatial_pyramid import SpatialPyramidNet, SpatialPyramidPooling
from repro.models.vgg import VGG

pytestmark = pytest.mark.slow  # makes large nets

CNNS = {
    "alexnet": (AlexNet, 227, {"init": "he"}, {"fc": 16}),
    "zf5": (SpatialPyramidNet, 224, {"levels": (), "init": "he"}, {"fc": 16}),
    "vgg16": (VGG, 224, {"init": "he"}, {"classifier": 16}),
}
SMALL = {"width": 1 / 16, "fc": 16, "in_channels": 1, "classes": 3, "dropout": 0.0}
WAYS = [(trunk, sharing) for trunk in CNNS for sharing in ("none", "map")]


def cnn(trunk: str, outputs: int, width: float, in_channels: int = 1) -> nn.Module:
    make, _, options, hidden = CNNS[trunk]
    fc = {"fc": 256} if trunk == "alexnet" else hidden  # AlexNet's `width` is that of its hidden layers too
    return made(make, classes=outputs, width=width, in_channels=in_channels, **options, **fc).eval()


def lively(*args, **options) -> RegionNet:
    """A small net whose outputs are far from zero, as those of narrow nets with the papers' start are not."""

    def make() -> RegionNet:
        net = RegionNet(*args, **SMALL, **options)
        initialise(net, "he")
        return net

    return made(make).eval()


def carried(net: RegionNet, from_cnn: nn.Module) -> RegionNet:
    """With the weights of a CNN whose last layer has the class scores first, then the box offsets."""
    *first, weight, bias = from_cnn.state_dict().values()
    count = net.scores.out_features
    ours = [*first, weight[:count], bias[:count], weight[count:], bias[count:]]
    net.load_state_dict(dict(zip(net.state_dict(), ours, strict=True)))
    return net


@pytest.mark.parametrize(("trunk", "sharing"), WAYS)
def test_a_region_that_is_the_whole_image_gets_what_the_cnn_says_of_it(trunk, sharing):
    reference, side = cnn(trunk, 15, 1 / 16), CNNS[trunk][1]
    net = carried(RegionNet(trunk, sharing=sharing, regions=1, **SMALL), reference).eval()
    x = images(2, 1, side, side)
    found, expected = net(x), reference(x)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("trunk", CNNS)
def test_convolutions_are_those_of_the_trunk(trunk):
    make, _, options, hidden = CNNS[trunk]
    reference = on_meta(make, **options, **hidden)
    for sharing in ("none", "map"):
        net = on_meta(RegionNet, trunk=trunk, sharing=sharing)
        assert params(net, "trunk") == params(reference, "features")


@pytest.mark.parametrize("sharing", ["none", "map"])
def test_the_first_linear_layer_of_vgg_16_sees_7_by_7_bins(sharing):
    net = on_meta(RegionNet, sharing=sharing)
    assert weights(net, "hidden.0") == 7 * 7 * 512 * 4096
    assert params(net) == 14_714_688 + (7 * 7 * 512 + 1) * 4096 + 4097 * 4096 + 4097 * (21 + 84)


@pytest.mark.parametrize(
    ("trunk", "levels", "inputs"),
    [("zf5", (6, 3, 2, 1), 256 * 50), ("alexnet", (), 256 * 36), ("zf5", (), 256 * 36)],
)
def test_levels_are_those_of_the_pyramid_or_one_like_the_trunks_own_pooling(trunk, levels, inputs):
    for sharing in ("none", "map"):
        net = on_meta(RegionNet, trunk=trunk, sharing=sharing, levels=levels, regions=3)
        assert net.hidden[0].in_features == inputs
        assert size(net, 2, 3, 227, 227) == (6, 105)


def test_a_region_net_gives_the_linear_layers_of_torchvisions_detector():
    net = lively("alexnet")
    body, outputs = TwoMLPHead(16 * 36, 16), FastRCNNPredictor(16, 3)
    for source, target in ((net.hidden[0], body.fc6), (net.hidden[3], body.fc7)):
        target.load_state_dict(source.state_dict())
    outputs.cls_score.load_state_dict(net.scores.state_dict())
    outputs.bbox_pred.load_state_dict(net.offsets.state_dict())
    pooled = images(5, 16, 6, 6)
    net.pool = Pooled(pooled)
    torch.testing.assert_close(net(images(1, 1, 64, 64)), torch.cat(outputs(body(pooled)), dim=1))


class Pooled(nn.Module):
    """Stands in for a pooling and puts out what is given."""

    def __init__(self, x: Tensor):
        super().__init__()
        self.x = x

    def forward(self, *_: Tensor) -> Tensor:
        return self.x.flatten(1)


@pytest.mark.parametrize("levels", [(7,), (6, 3, 2, 1)])
@pytest.mark.parametrize("shape", [(14, 14), (13, 20), (5, 9)])
def test_a_region_that_is_the_whole_map_is_pooled_as_a_pyramid_does(levels, shape):
    x = images(2, 4, *shape)
    regions = torch.tensor([[0.0, 0, 0, shape[1], shape[0]], [1.0, 0, 0, shape[1], shape[0]]])
    assert torch.equal(RegionPooling(levels)(x, regions), SpatialPyramidPooling(levels)(x))


@pytest.mark.parametrize(
    ("region", "columns", "rows"),
    [((2.0, 3, 9, 11), (2, 9), (3, 11)), ((1.6, 2.4, 7.4, 5.5), (2, 7), (2, 6))],
)
def test_a_region_is_rounded_to_pixels_of_the_map_and_pooled_by_itself(region, columns, rows):
    x = images(2, 4, 13, 15)
    part = x[1:, :, slice(*rows), slice(*columns)]
    assert torch.equal(
        RegionPooling((3, 1))(x, torch.tensor([[1.0, *region]])), SpatialPyramidPooling((3, 1))(part)
    )


def test_a_region_is_cut_out_where_it_lies_and_warped_bilinearly():
    net, x = on_meta(RegionNet, trunk="alexnet", sharing="none"), images(2, 3, 300, 400)
    found = net.warped(x, torch.tensor([[1.0, 30, 20, 30 + 227, 20 + 227], [0, 0, 0, 400, 300]]))
    torch.testing.assert_close(found[0], x[1, :, 20:247, 30:257], rtol=1e-4, atol=1e-4)
    expected = F.interpolate(x[:1], (227, 227), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(found[1], expected, rtol=1e-3, atol=1e-3)


def test_without_sharing_a_part_of_an_image_is_an_image_of_its_own():
    net = carried(
        RegionNet("alexnet", sharing="none", regions=2, **SMALL), reference := cnn("alexnet", 15, 1 / 16)
    ).eval()
    x = images(1, 1, 454, 454)
    net.proposals.boxes = torch.tensor([[0.5, 0.0, 1.0, 0.5], [0.0, 0.5, 0.5, 1.0]])
    parts = torch.cat([x[..., :227, 227:], x[..., 227:, :227]])
    torch.testing.assert_close(net(x), reference(parts), rtol=1e-4, atol=1e-4)


def test_with_sharing_a_region_is_the_part_of_the_map_that_lies_there():
    net, x = lively("vgg16", regions=2), images(1, 1, 128, 256)
    net.proposals.boxes = torch.tensor([[0.25, 0.0, 1.0, 0.5], [0.0, 0.5, 0.5, 1.0]])
    map_ = net.trunk(x)[-1]
    assert map_.shape[2:] == (8, 16)
    parts = torch.cat(
        [F.adaptive_max_pool2d(part, 7).flatten(1) for part in (map_[..., :4, 4:], map_[..., 4:, :8])]
    )
    hidden = net.hidden(parts)
    torch.testing.assert_close(net(x), torch.cat([net.scores(hidden), net.offsets(hidden)], dim=1))


@pytest.mark.parametrize("sharing", ["none", "map"])
def test_images_of_a_batch_come_one_after_another(sharing):
    net, x = lively("zf5", sharing=sharing, regions=5), images(2, 1, 96, 120)
    both = net(x)
    assert (both[:5] - both[5:]).abs().mean() > 0.01
    torch.testing.assert_close(both, torch.cat([net(x[:1]), net(x[1:])]))


def test_regions_go_through_the_convolutions_a_few_at_once():
    whole, few = (lively("alexnet", sharing="none", regions=7, at_once=count) for count in (32, 3))
    x, seen = images(1, 1, 90, 70), []
    few.trunk.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    torch.testing.assert_close(few(x), whole(x))
    assert seen == [3, 3, 1]


@pytest.mark.parametrize(
    ("trunk", "shape"), [("alexnet", (320, 500)), ("zf5", (180, 180)), ("vgg16", (600, 1000))]
)
def test_both_ways_give_as_much_for_images_of_any_size(trunk, shape):
    for sharing in ("none", "map"):
        net = on_meta(RegionNet, trunk=trunk, sharing=sharing, regions=40, classes=7)
        assert size(net, 2, 3, *shape) == (80, 35)


@pytest.mark.parametrize("trunk", CNNS)
def test_without_sharing_a_net_costs_as_many_passes_of_the_cnn_as_there_are_regions(trunk):
    make, side, options, _ = CNNS[trunk]
    one_pass = multiply_adds(on_meta(make, classes=105, **options), 1, 3, side, side)
    net = on_meta(RegionNet, trunk=trunk, sharing="none", regions=50)
    assert multiply_adds(net, 1, 3, 500, 375) == 50 * one_pass


def test_with_sharing_only_the_linear_layers_are_there_for_each_region():
    linear = 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 105
    costs = [multiply_adds(on_meta(RegionNet, regions=regions), 1, 3, 224, 224) for regions in (1, 2000)]
    assert costs[0] == multiply_adds(on_meta(VGG, classes=105), 1, 3, 224, 224)
    assert costs[1] - costs[0] == 1999 * linear


def test_the_rpn_adds_its_layers_to_fast_r_cnn():
    without, faster = on_meta(RegionNet), on_meta(RegionNet, proposals="rpn", regions=300)
    assert (
        params(faster) - params(without) == params(faster, "proposals") == 512 * 512 * 9 + 512 * 54 + 512 + 54
    )
    zf5 = on_meta(RegionNet, trunk="zf5", proposals="rpn")
    assert weights(zf5, "proposals") == 256 * 256 * 9 + 256 * 54


def test_with_an_rpn_the_regions_are_those_that_it_proposes():
    net, x = lively("vgg16", proposals="rpn", regions=4), images(2, 1, 160, 224)
    found, boxes = net(x), net.proposals(net.trunk(x)[-1], 160, 224)
    assert found.shape == (8, 15) and boxes.shape == (2, 4, 4)
    for i in range(2):
        given = RegionNet("vgg16", regions=4, **SMALL).eval()
        given.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("proposals.")})
        given.proposals.boxes = boxes[i] / torch.tensor([224, 160, 224, 160])
        torch.testing.assert_close(found[4 * i : 4 * i + 4], given(x[i : i + 1]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": 0}, "regions must be at least 1, not 0"),
        ({"at_once": 0}, "at_once must be at least 1, not 0"),
        ({"levels": (6, 0)}, r"levels must each be at least 1, not \(6, 0\)"),
        (
            {"sharing": "none", "proposals": "rpn"},
            "proposals must be 'given' with sharing 'none', not 'rpn', which looks at",
        ),
    ],
)
def test_options_that_make_no_net_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        RegionNet("alexnet", **{**SMALL, **options})


@pytest.mark.parametrize(("trunk", "sharing"), WAYS)
def test_small_nets_learn_and_stay_on_a_gpu(trunk, sharing):
    options = {**SMALL, "trunk": trunk, "sharing": sharing, "regions": 1}
    learns(made(RegionNet, **options), images(4, 1, 96, 96), 15, lr=0.005)
    stays_on_a_gpu(RegionNet, 2, 1, 96, 96, **options, levels=(3, 1))


def test_an_rpn_stays_on_a_gpu(monkeypatch):
    def first_half(boxes: Tensor, scores: Tensor, _: float) -> Tensor:  # how many are left depends on numbers
        assert boxes.device.type == scores.device.type == "cuda"
        return torch.arange(len(scores) // 2, device="cuda")

    monkeypatch.setattr(region_proposals, "nms", first_half)
    stays_on_a_gpu(RegionNet, 2, 1, 96, 96, **SMALL, proposals="rpn", regions=5)

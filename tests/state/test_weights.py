import pytest
import torch
from kit.tiny import spec
from models.pixels import images, made, on_meta
from torch import nn
from torchvision.models import VGG16_Weights
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.models.vgg import cfgs, make_layers

from repro.data.images import ImageSet, MissingData
from repro.data.split import InMemory
from repro.errors import ReproError
from repro.models.deeplab import DeepLab
from repro.models.deeplab_v3 import DeepLabV3, cascade
from repro.models.fcn import FCN
from repro.models.resnet import cifar_resnet
from repro.models.resnet_trunk import ResNetTrunk
from repro.models.vgg_trunk import FullyConnected, VggTrunk
from repro.recipe import Named
from repro.state import weights as pretrained
from repro.state.net import build
from repro.state.weights import imagenet


def test_vggs_convolutions_carry_over():
    torch.manual_seed(0)
    reference, trunk = make_layers(cfgs["D"]).eval(), VggTrunk().eval()
    trunk.carry_over({f"features.{name}": weight for name, weight in reference.state_dict().items()})
    x = images(1, 3, 64, 64)
    torch.testing.assert_close(trunk(x)[-1], reference(x))
    assert trunk.source == "vgg16"


def test_fc6_and_fc7_carry_over_whole_or_thinned_out():
    weights = {f"classifier.{i}.{kind}": torch.randn(shape) for i, kind, shape in (
        (0, "weight", (16, 8 * 49)), (0, "bias", (16,)), (3, "weight", (16, 16)), (3, "bias", (16,))
    )}  # fmt: skip
    whole, thinned = FullyConnected(8, 16), FullyConnected(8, 4, (3, 1), (12, 1))
    whole.carry_over(weights)
    thinned.carry_over(weights)
    kernel = weights["classifier.0.weight"].view(16, 8, 7, 7)
    assert torch.equal(whole[0][0].weight, kernel)
    assert torch.equal(thinned[0][0].weight, kernel[::4][..., ::3, ::3])
    assert torch.equal(thinned[1][0].weight[..., 0, 0], weights["classifier.3.weight"][::4, ::4])
    assert torch.equal(thinned[1][0].bias, weights["classifier.3.bias"][::4])


def test_a_resnets_stages_carry_over():
    torch.manual_seed(0)
    reference = ResNet(Bottleneck, [1, 1, 2, 1], num_classes=2).eval()
    for module in reference.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
    trunk = ResNetTrunk(depths=(1, 1, 2, 1)).eval()
    trunk.carry_over(reference.state_dict())
    x = images(1, 3, 64, 64)
    y = reference.maxpool(reference.relu(reference.bn1(reference.conv1(x))))
    for stage in (reference.layer1, reference.layer2, reference.layer3, reference.layer4):
        y = stage(y)
    torch.testing.assert_close(trunk(x)[-1], y)


def test_the_later_blocks_of_a_cascade_start_as_copies_of_the_fourth():
    weights = ResNet(Bottleneck, [3, 4, 6, 3], num_classes=2).state_dict()
    with torch.device("meta"):
        trunk = DeepLabV3(**cascade(6, 16)).trunk
    trunk = trunk.to_empty(device="cpu")
    trunk.carry_over(weights)
    for stage in trunk.stages[3:]:
        assert torch.equal(stage[1].conv2.weight, weights["layer4.1.conv2.weight"])
        assert torch.equal(stage[0].conv2.weight, weights["layer4.0.conv2.weight"])
    assert trunk.source == "resnet50"


@pytest.mark.parametrize(
    ("model", "options", "source"),
    [
        (FCN, {}, "vgg16"),
        (DeepLab, {}, "vgg16"),
        (DeepLab, {"trunk": "resnet101", "fc": 0}, "resnet101"),
        (DeepLabV3, {}, "resnet50"),
        (FCN, {"batch_norm": True}, None),
        (FCN, {"in_channels": 1}, None),
        (DeepLabV3, {"widths": (8, 16, 32, 64)}, None),
        (DeepLabV3, {"trunk": "xception65"}, None),
    ],
)
def test_a_net_of_the_papers_size_says_whose_weights_it_can_take(model, options, source):
    assert getattr(on_meta(model, **options).trunk, "source", None) == source


def test_a_net_takes_weights_from_the_data_folder_or_says_where_they_should_be(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    monkeypatch.setattr(VggTrunk, "carry_over", lambda _, weights: taken.append(weights))
    monkeypatch.setattr(FullyConnected, "carry_over", lambda _, weights: taken.append(weights))
    taken, net = [], on_meta(FCN)
    with pytest.raises(
        MissingData,
        match=rf"vgg16 are not at {tmp_path}/weights/vgg16-397923af.pth. Set REPRO_DATA .* download",
    ):
        imagenet(net)
    (tmp_path / "weights").mkdir()
    torch.save({"features.0.bias": torch.ones(64)}, tmp_path / "weights" / "vgg16-397923af.pth")
    imagenet(net)
    assert len(taken) == 2 and torch.equal(taken[0]["features.0.bias"], torch.ones(64))


def test_weights_are_downloaded_into_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    asked = []

    def download(url, folder, **options):
        asked.append((url, folder, options["check_hash"]))
        return {}

    monkeypatch.setattr(pretrained.hub, "load_state_dict_from_url", download)
    monkeypatch.setattr(VggTrunk, "carry_over", lambda *_: None)
    monkeypatch.setattr(FullyConnected, "carry_over", lambda *_: None)
    imagenet(on_meta(FCN), download=True)
    ((url, folder, checked),) = asked
    assert url.endswith("/vgg16-397923af.pth") and folder == f"{tmp_path}/weights" and checked


def test_a_net_that_there_are_no_weights_for_is_an_error_that_names_it():
    with pytest.raises(ReproError, match="there are no ImageNet weights for a ResNet with these options"):
        imagenet(made(cifar_resnet, 8))


class OneFilter(nn.Conv2d):
    """A net that can take weights."""

    source = "vgg16"

    def __init__(self, *, in_channels: int = 3, classes: int = 2):
        super().__init__(in_channels, classes, 1)

    def carry_over(self, weights):
        self.load_state_dict(weights)


def test_images_are_normalised_as_the_weights_want_them(monkeypatch):
    given = {name: torch.zeros(w.shape) for name, w in OneFilter().state_dict().items()}
    monkeypatch.setattr(pretrained, "_weights", lambda *_: given)
    monkeypatch.setattr("repro.state.net.make_model", lambda *_: OneFilter())
    levels = torch.randint(256, (2, 3, 4, 4), dtype=torch.uint8)
    data = ImageSet(*[InMemory(levels, torch.zeros(2))] * 2, ("a", "b"), (0.1,) * 3, (0.9,) * 3)
    plain = spec()
    trained_on = plain.model_copy(update={"weights": Named(name="imagenet")})
    chained = plain.model_copy(update={"weights": Named(name="trial", arm="one"), "start": trained_on})
    wanted = VGG16_Weights.IMAGENET1K_V1.transforms(crop_size=4, resize_size=4)(levels)
    for started, start in ((trained_on, None), (chained, given)):
        state = build(started, data, torch.device("cpu"), start)
        torch.testing.assert_close(state.inputs(levels), wanted)
    own = build(plain, data, torch.device("cpu"))
    torch.testing.assert_close(own.inputs(levels), (levels / 255 - 0.1) / 0.9)

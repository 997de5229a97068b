import pytest
import torch
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from models.references import weights
from torch import Tensor, nn
from torchvision.models.googlenet import GoogLeNet as TorchvisionNet
from torchvision.models.googlenet import Inception as TorchvisionModule

from repro.measures.static import params
from repro.models.googlenet import MODULES, GoogLeNet, Inception, bvlc_norm, pooling
from repro.models.layers.response_norm import LocalResponseNorm

pytestmark = pytest.mark.slow  # makes large nets

DRY = {"dropout": 0.0, "auxiliary_dropout": 0.0}
SMALL = {
    "stem": "small",
    "width": 0.125,
    "image_size": 28,
    "in_channels": 1,
    "classes": 10,
    "init": "he",
    **DRY,
}
WIDE = {
    "3a": 256,
    "3b": 480,
    "4a": 512,
    "4b": 512,
    "4c": 512,
    "4d": 528,
    "4e": 832,
    "5a": 832,
    "5b": 1024,
}  # Table 1


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 6_998_552),
        ({"auxiliary": True}, 13_378_280),
        ({"norm": "none"}, 6_998_552),
        ({"global_pooling": False}, 6_998_552 + 48 * 1024 * 1000),
    ],
)
def test_parameters_are_those_of_table_1(options, count):
    assert params(on_meta(GoogLeNet, **options)) == count


def test_the_net_has_22_layers_with_weights_on_its_longest_path():
    net = on_meta(GoogLeNet)
    in_modules = sum(max(len(weights(branch)) for branch in net.body[name].branches) for name in MODULES)
    assert len(weights(net.stem)) + in_modules + len(weights(net.classifier)) == 22


def test_maps_and_widths_are_those_of_table_1():
    net, shapes = on_meta(GoogLeNet), {}
    x = net.stem(torch.empty(1, 3, 224, 224, device="meta"))
    assert x.shape == (1, 192, 28, 28)
    for name, layer in net.body.items():
        x = layer(x)
        shapes[name] = tuple(x.shape[1:])
    assert {name: shape[0] for name, shape in shapes.items() if name in MODULES} == WIDE
    assert [shapes[name][1] for name in ("3b", "pool3b", "4e", "pool4e", "5b")] == [28, 14, 14, 7, 7]


def test_reductions_take_module_3a_from_387_072_to_163_328_multiply_adds_a_pixel():
    with torch.device("meta"):
        naive, reduced = (
            Inception(192, MODULES["3a"], reduce=reduce, batch_norm=False) for reduce in (False, True)
        )
    assert multiply_adds(naive, 1, 192, 28, 28) == 387_072 * 28 * 28
    assert multiply_adds(reduced, 1, 192, 28, 28) == 163_328 * 28 * 28
    assert size(naive, 1, 192, 28, 28) == (1, 64 + 128 + 32 + 192, 28, 28)


def test_naive_modules_have_no_1_by_1_convolution_before_another_and_widen_by_what_they_pool():
    net = on_meta(GoogLeNet, reduce=False)
    assert all(len(weights(net.body[name])) == 3 for name in MODULES)
    added = [sum(row[i] for i in (0, 2, 4)) for row in MODULES.values()]
    assert net.classifier[-1].in_features == 192 + sum(added)


class Convolution(nn.Module):
    """The convolution of section 5, where torchvision's has batch normalisation and no bias."""

    def __init__(self, channels: int, filters: int, **options):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu()


class Auxiliary(nn.Module):
    """torchvision's auxiliary classifier with the paper's pooling."""

    def __init__(self, channels: int, classes: int, **_: float):
        super().__init__()
        self.conv = Convolution(channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(nn.functional.avg_pool2d(x, 5, stride=3)).flatten(1)
        return self.fc2(self.fc1(x).relu())


def module_of_the_paper(*row: int) -> nn.Module:
    module = TorchvisionModule(*row, conv_block=Convolution)
    module.branch3[1] = Convolution(row[4], row[5], kernel_size=5, padding=2)
    return module


def reference() -> nn.Module:
    """torchvision's net with the paper's convolutions, 5×5 branch, poolings and normalisation."""
    with torch.device("meta"):
        net = TorchvisionNet(
            blocks=[Convolution, module_of_the_paper, Auxiliary], dropout=0.0, init_weights=False
        )
    # Caffe's parameters: torch divides α by the size too
    response = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
    net.maxpool1 = nn.Sequential(net.maxpool1, response)
    net.maxpool2 = nn.Sequential(response, net.maxpool2)
    net.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return net


def test_logits_are_torchvisions_where_its_net_is_mended_to_be_the_papers():
    net, other = made(GoogLeNet, auxiliary=True, init="he", **DRY), reference()
    for module in weights(net):
        nn.init.normal_(module.bias, std=0.1, generator=torch.Generator().manual_seed(3))
    heads = {k: v for k, v in other.state_dict().items() if k.startswith("aux")}
    # There they come before the last layer
    order = [k for k in other.state_dict() if k not in heads] + list(heads)
    other.load_state_dict(dict(zip(order, net.state_dict().values(), strict=True)), assign=True)
    x = images(2, 3, 224, 224)
    expected = other.train()(x)
    found = net.train()(x)
    assert found.shape == (2, 3, 1000)
    for i, logits in enumerate((expected.logits, expected.aux_logits1, expected.aux_logits2)):
        assert logits.std() > 0.1
        torch.testing.assert_close(found[:, i], logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(net.eval()(x), other.eval()(x), rtol=1e-5, atol=1e-5)


def test_auxiliary_classifiers_speak_in_training_only_and_change_no_other_weight():
    plain, helped = made(GoogLeNet, **SMALL), made(GoogLeNet, auxiliary=True, **SMALL)
    x = images(2, 1, 28, 28)
    assert plain.train()(x).shape == (2, 10) and helped.train()(x).shape == (2, 3, 10)
    assert torch.equal(helped(x)[:, 0], plain(x))
    assert torch.equal(helped.eval()(x), plain.eval()(x))
    own = plain.state_dict()
    assert all(torch.equal(weight, own[name]) for name, weight in helped.state_dict().items() if name in own)


def test_an_auxiliary_classifier_gives_gradient_to_what_comes_before_it_alone():
    net = made(GoogLeNet, auxiliary=True, **SMALL).train()
    for head, last in ((1, "4a"), (2, "4d")):
        net.zero_grad()
        net(images(2, 1, 28, 28))[:, head].sum().backward()
        reached = [
            name for name in MODULES if any(p.grad.abs().sum() > 0 for p in net.body[name].parameters())
        ]
        assert reached == list(MODULES)[: list(MODULES).index(last) + 1]
        assert not any(p.grad.abs().sum() > 0 for p in net.classifier.parameters())


@pytest.mark.parametrize(("stem", "least"), [("imagenet", 79), ("small", 20)])
def test_images_too_small_for_the_auxiliary_classifiers_are_an_error(stem, least):
    net = on_meta(GoogLeNet, stem=stem, image_size=least, auxiliary=True, width=0.1).train()
    assert net(torch.empty(2, 3, least, least, device="meta")).shape == (2, 3, 1000)
    with pytest.raises(ValueError, match="auxiliary classifiers need maps of at least 5×5, not the 4×4"):
        GoogLeNet(stem=stem, image_size=least - 1, auxiliary=True)


@pytest.mark.parametrize(("stem", "sizes"), [("imagenet", (32, 225, 239)), ("small", (8, 28, 47))])
@pytest.mark.parametrize("options", [{}, {"global_pooling": False}, {"reduce": False}])
def test_logits_at_every_size(stem, sizes, options):
    for side in sizes:
        net = on_meta(GoogLeNet, stem=stem, image_size=side, width=0.1, classes=7, **options)
        assert size(net, 2, 3, side, side) == (2, 7)


def test_with_global_pooling_the_size_of_images_is_free_and_without_it_is_not():
    assert size(on_meta(GoogLeNet), 1, 3, 300, 260) == (1, 1000)
    with pytest.raises(RuntimeError):
        size(on_meta(GoogLeNet, global_pooling=False), 1, 3, 300, 260)


@pytest.mark.parametrize("side", [7, 14, 28, 55, 112])
def test_poolings_halve_and_drop_an_odd_pixel(side):
    assert pooling()(torch.zeros(1, 1, side, side)).shape[-1] == side // 2


@pytest.mark.parametrize(
    ("norm", "responses", "batches"), [("response", 2, 0), ("batch", 0, 57), ("none", 0, 0)]
)
def test_norms(norm, responses, batches):
    kinds = [type(m) for m in on_meta(GoogLeNet, norm=norm).modules()]
    assert [kinds.count(LocalResponseNorm), kinds.count(nn.BatchNorm2d)] == [responses, batches]


def test_response_normalisation_is_caffes():
    x = 30 * images(2, 8, 3, 4)
    torch.testing.assert_close(bvlc_norm()(x), nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)(x))


def test_dropout_is_40_percent_before_the_classifier_and_70_in_the_auxiliary_ones():
    assert [m.p for m in on_meta(GoogLeNet, auxiliary=True).modules() if isinstance(m, nn.Dropout)] == [
        0.4,
        0.7,
        0.7,
    ]


def test_weights_start_as_glorots_and_biases_at_0():
    for layer in weights(made(GoogLeNet, auxiliary=True)):
        fan_in, fan_out = layer.weight[0].numel(), len(layer.weight) * layer.weight[0, 0].numel()
        assert layer.weight.std().item() == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.06)
        assert layer.bias.unique().tolist() == [0]


@pytest.mark.parametrize(
    "options", [{}, {"reduce": False}, {"norm": "batch"}, {"norm": "none", "global_pooling": False}]
)
def test_small_nets_learn_and_stay_on_a_gpu(options):
    # Maps that nothing projects grow from module to module
    lr = 0.005 if options.get("reduce", True) else 0.0005
    learns(made(GoogLeNet, **{**SMALL, **options}), images(8, 1, 28, 28), 10, lr=lr)
    stays_on_a_gpu(GoogLeNet, 2, 1, 28, 28, **{**SMALL, **options})


def test_a_small_net_with_auxiliary_classifiers_learns_and_stays_on_a_gpu():
    net = made(GoogLeNet, auxiliary=True, **SMALL)
    learns(net, images(8, 1, 28, 28), 3, 10, lr=0.005)
    stays_on_a_gpu(GoogLeNet, 2, 1, 28, 28, auxiliary=True, **SMALL)

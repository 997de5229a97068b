import pytest
import torch
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size
from models.references import carry, weights
from torch import nn

from repro.measures.static import params
from repro.models.mobilenet import MobileNet

pytestmark = pytest.mark.slow  # makes large nets

SMALL = {"width": 0.125, "stem": "small", "in_channels": 1, "classes": 10}


@pytest.mark.parametrize(
    ("options", "count", "millions", "mult_adds"),
    [
        ({}, 4_231_976, 4.2, 569),  # Table 4
        ({"separable": False}, 29_294_088, 29.3, 4866),
        ({"width": 0.75}, 2_585_560, 2.6, 325),  # Table 5
        ({"middle": 0}, 2_887_976, 2.9, 307),
        ({"width": 0.5}, 1_331_592, 1.3, 149),  # Table 6
        ({"width": 0.25}, 470_072, 0.5, 41),
    ],
)
def test_parameters_and_multiply_adds_are_those_of_tables_4_to_6(options, count, millions, mult_adds):
    net = on_meta(MobileNet, **options)
    assert params(net) == count and round(count / 1e6, 1) == millions
    # With full convolutions the paper's 4866 M are without the linear layer's 1 M.
    assert multiply_adds(net, 1, 3, 224, 224) / 1e6 == pytest.approx(mult_adds, abs=1.5)


def test_shares_of_the_kinds_of_layers_are_those_of_table_2():
    net = on_meta(MobileNet)
    kinds = {"1×1": [0, 0], "depthwise": [0, 0], "3×3": [0, 0], "linear": [0, 0]}

    def count(layer: nn.Module, _: tuple[torch.Tensor], out: torch.Tensor) -> None:
        kernel = getattr(layer, "kernel_size", None)
        of = (
            "linear"
            if kernel is None
            else "1×1"
            if kernel == (1, 1)
            else "depthwise"
            if layer.groups > 1
            else "3×3"
        )
        kinds[of][0] += layer.weight.numel() * out.shape[2:].numel()
        kinds[of][1] += layer.weight.numel()

    for layer in weights(net):
        layer.register_forward_hook(count)
    size(net, 1, 3, 224, 224)
    shares = [[100 * value / sum(column) for value in column] for column in zip(*kinds.values(), strict=True)]
    assert shares[0] == pytest.approx([94.86, 3.06, 1.19, 0.18], abs=0.8)
    assert shares[1] == pytest.approx([74.59, 1.06, 0.02, 24.33], abs=0.15)


def test_there_are_28_layers_and_one_third_of_that_less_one_without_separation():
    assert [len(weights(on_meta(MobileNet, separable=s))) for s in (True, False)] == [28, 15]


@pytest.mark.parametrize("separable", [True, False])
def test_maps_and_filters_are_those_of_table_1(separable):
    net, shapes = on_meta(MobileNet, separable=separable), []
    x = torch.empty(1, 3, 224, 224, device="meta")
    for layer in net.features:
        x = layer(x)
        if layer[0].groups == 1:
            shapes.append((x.shape[1], x.shape[2]))
    assert shapes == [
        *((32, 112), (64, 112), (128, 56), (128, 56), (256, 28), (256, 28), (512, 14)),
        *[(512, 14)] * 5,
        *((1024, 7), (1024, 7)),
    ]


def test_logits_are_timms():
    timm = pytest.importorskip("timm", reason="a reference for MobileNet")
    net = made(MobileNet)
    with torch.device("meta"):
        reference = timm.create_model("mobilenetv1_100")
    for module in reference.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU6):  # as in the authors' code; the paper says ReLU
                setattr(module, name, nn.ReLU())
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    carry(net, reference)
    x = images(4, 3, 64, 96)
    expected = reference.train()(x)
    assert expected.std() > 0.1
    torch.testing.assert_close(net.train()(x), expected, rtol=1e-5, atol=1e-5)
    expected = reference.eval()(x)  # with the statistics that both have now kept
    torch.testing.assert_close(net.eval()(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"separable": False}, {"stem": "small"}, {"width": 0.01}])
@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (37, 50), (128, 160)])
def test_images_of_any_size_go_in(options, shape):
    assert size(on_meta(MobileNet, **options), 2, 3, *shape) == (2, 1000)


def test_the_small_stem_does_not_halve_the_image():
    for stem, side in (("imagenet", 16), ("small", 32)):
        net = on_meta(MobileNet, stem=stem)
        assert net.features[0](torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 32, side, side)


def test_weights_start_as_in_the_authors_code():
    net = made(MobileNet)
    for layer in weights(net):
        assert layer.weight.abs().max() <= 0.18
        # cutting a normal distribution at two deviations leaves 0.880 of its own
        assert layer.weight.std().item() == pytest.approx(0.88 * 0.09, rel=0.15)
    assert net.classifier.bias.unique().tolist() == [0]


@pytest.mark.parametrize("options", [{}, {"separable": False}, {"middle": 0}])
def test_small_nets_learn(options):
    learns(made(MobileNet, **{**SMALL, **options}), images(8, 1, 28, 28), 10, lr=0.1)

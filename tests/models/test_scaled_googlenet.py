import pytest
import torch
from models.learning import learns
from models.pixels import calibrated, images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from models.references import carry, weights
from torch import nn

from repro.measures.static import params
from repro.models.googlenet import GoogLeNet
from repro.models.scaled_googlenet import ScaledGoogLeNet

FOUR = {"modules": ("3a", "4a", "4d", "5a")}
SMALL = {**FOUR, "image_size": 14, "init": "he", "dropout": 0.0, "auxiliary_dropout": 0.0, "width": 0.125}


def test_its_body_is_googlenets():
    whole = GoogLeNet(stem="small", width=0.125, norm="none", in_channels=1, classes=10)
    net = ScaledGoogLeNet(width=0.125)
    own = [(name, type(layer)) for name, layer in net.body.items()]
    assert own == [(name, type(layer)) for name, layer in whole.body.items()]
    for of in (net, whole):
        del of.body["3a"]  # whose input is that of another stem
    x = images(1, 32, 14, 14)
    carry(whole.body, net.body)
    for name, layer in net.body.items():
        found, x = layer(x), whole.body[name](x)
        torch.testing.assert_close(found, x)


def test_a_pooling_stands_where_a_stage_ends():
    net = on_meta(ScaledGoogLeNet, **FOUR)
    assert [*net.body] == ["3a", "pool3a", "4a", "4d", "pool4d", "5a"]
    x, shapes = net.stem(torch.empty(1, 1, 14, 14, device="meta")), []
    for name in FOUR["modules"]:
        x = net.body[name](net.body[f"pool{name}"](x) if f"pool{name}" in net.body else x)
        shapes.append(x.shape[1])
    assert shapes == [64, 128, 132, 208]  # a quarter of 256, 512, 528, 832


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_modules_of_one_kernel_have_the_cost_and_the_channels_of_those_with_all(norm, width):
    nets = [
        on_meta(ScaledGoogLeNet, **FOUR, norm=norm, width=width, kernels=kernels)
        for kernels in ("all", "3x3")
    ]
    several, one = nets
    assert params(one) / params(several) == pytest.approx(1, abs=0.03)
    assert multiply_adds(one, 1, 1, 14, 14) / multiply_adds(several, 1, 1, 14, 14) == pytest.approx(
        1, abs=0.03
    )
    assert several.classifier[-1].in_features == one.classifier[-1].in_features
    kernels = [{layer.kernel_size for layer in weights(net.body)} for net in nets]
    assert kernels == [{(1, 1), (3, 3), (5, 5)}, {(1, 1), (3, 3)}]
    assert len(weights(one)) == 1 + 2 * 4 + 1


def test_batch_normalisation_follows_each_convolution():
    net = on_meta(ScaledGoogLeNet, **FOUR, norm="batch", auxiliary=True, image_size=14)
    norms = [m for part in (net.stem, net.body) for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == len(weights(net.stem)) + len(weights(net.body)) == 25
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.auxiliary.modules())


def test_auxiliary_classifiers_leave_all_other_weights_and_the_scores_as_they_are():
    nets = []
    for auxiliary in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            nets.append(ScaledGoogLeNet(**SMALL, auxiliary=auxiliary))
    x = images(2, 1, 14, 14)
    assert torch.equal(nets[0].eval()(x), nets[1].eval()(x))
    outputs = nets[1].train()(x)
    assert outputs.shape == (2, 3, 10) and torch.equal(outputs[:, 0], nets[0].train()(x))


def test_auxiliary_classifiers_look_at_4a_and_4d():
    net, maps = made(ScaledGoogLeNet, **SMALL, auxiliary=True).train(), {}
    for name in ("4a", "4d"):
        net.body[name].register_forward_hook(lambda _m, _i, output, name=name: maps.update({name: output}))
    outputs = net(images(2, 1, 14, 14))
    for index, name in enumerate(("4a", "4d")):
        torch.testing.assert_close(outputs[:, 1 + index], net.auxiliary[name](maps[name]))
    only = {**SMALL, "modules": ("3a", "4a", "5a")}
    assert [*on_meta(ScaledGoogLeNet, **only, auxiliary=True).auxiliary] == ["4a"]


@pytest.mark.parametrize("options", [{}, {"auxiliary": True}, {"kernels": "3x3"}, {"norm": "batch"}])
def test_it_learns(options):
    outputs = (3, 10) if "auxiliary" in options else (10,)
    learns(made(ScaledGoogLeNet, **SMALL, **options), images(6, 1, 14, 14), *outputs)


def test_it_stays_on_a_gpu():
    stays_on_a_gpu(ScaledGoogLeNet, 2, 1, 14, 14, **SMALL)


def test_images_of_other_sizes_have_one_logit_a_class():
    for side in (14, 28, 32):
        assert size(on_meta(ScaledGoogLeNet, **FOUR), 5, 1, side, side) == (5, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modules": ("4a", "3a")}, "in this order, not .'4a', '3a'."),
        ({"modules": ("3c",)}, "modules must be some of 3a, 3b, 4a, 4b, 4c, 4d, 4e, 5a, 5b in this order"),
        ({"modules": ()}, "modules must be some of"),
        ({"auxiliary": True, "image_size": 8}, "need maps of at least 5×5, not the 4×4"),
    ],
)
def test_an_option_that_is_not_possible_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        on_meta(ScaledGoogLeNet, **options)


def test_it_computes_in_evaluation_what_it_does_for_each_image_alone():
    net, x = made(ScaledGoogLeNet, **SMALL, norm="batch"), images(3, 1, 14, 14)
    calibrated(net, x)
    torch.testing.assert_close(net(x)[1:2], net(x[1:2]))

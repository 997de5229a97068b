import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torchvision.models import resnet as torchvision_resnet

from repro.measures.static import params
from repro.models.resnet import ResNet, cifar_resnet
from repro.tasks.classification import Classification


def on_meta(**options) -> ResNet:
    with torch.device("meta"):
        return cifar_resnet(**options)


def used(**options) -> ResNet:
    """A net whose batch normalisation is not the identity it starts as."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = cifar_resnet(**options)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("depth", "count"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)]
)
def test_parameters_are_those_of_the_paper_with_and_without_shortcuts(depth, count):
    assert params(on_meta(depth=depth)) == params(on_meta(depth=depth, residual=False)) == count


def test_projections_have_their_convolution_and_normalisation_at_the_two_places_where_the_width_grows():
    more = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    for depth in (20, 56):
        assert params(on_meta(depth=depth, shortcut="B")) == params(on_meta(depth=depth)) + more
    assert params(on_meta(depth=20, shortcut="B", residual=False)) == 269_722


@pytest.mark.parametrize("depth", [20, 56])
def test_a_net_has_as_many_weighted_layers_as_its_depth_says(depth):
    layers = [m for m in on_meta(depth=depth).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


@pytest.mark.parametrize("depth", [-4, 0, 2, 18, 57])
def test_a_depth_that_the_paper_has_not_is_an_error_that_says_which_there_are(depth):
    said = rf"depth must be 6n\+2 \(8, 14, 20, …\) with basic blocks, not {depth}"
    with pytest.raises(ValueError, match=said):
        cifar_resnet(depth)


@pytest.mark.parametrize(
    ("depth", "channels", "side", "classes"),
    [(110, 3, 32, 10), (20, 3, 32, 100), (20, 1, 28, 10), (20, 1, 7, 10)],
)
def test_shapes_at_the_papers_scale(depth, channels, side, classes):
    net, maps = on_meta(depth=depth, in_channels=channels, classes=classes), []
    net.stages.register_forward_hook(lambda _, __, made: maps.append(made.shape[:2]))
    assert net(torch.empty(128, channels, side, side, device="meta")).shape == (128, classes)
    assert maps == [(128, 64)]


def test_stages_halve_the_map_and_double_the_width():
    net = on_meta(depth=20)
    x, shapes = net.stem(torch.empty(1, 3, 32, 32, device="meta")), []
    for stage in net.stages:
        for block in stage:
            x = block(x)
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3


def by_hand(net: cifar_resnet, x: torch.Tensor, residual: bool) -> torch.Tensor:
    """The paper's net with option A as a loop over its state dict."""
    w = net.state_dict()

    def norm(x: torch.Tensor, at: str) -> torch.Tensor:
        mean, var, scale, shift = (
            w[f"{at}.{k}"].view(-1, 1, 1) for k in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    x = norm(F.conv2d(x, w["stem.0.weight"], padding=1), "stem.1").relu()
    for stage, blocks in enumerate(net.stages):
        for i in range(len(blocks)):
            branch = f"stages.{stage}.{i}.branch"
            stride = 2 if stage and not i else 1
            y = F.conv2d(x, w[f"{branch}.0.weight"], stride=stride, padding=1)
            y = F.conv2d(norm(y, f"{branch}.1").relu(), w[f"{branch}.3.weight"], padding=1)
            y = norm(y, f"{branch}.4")
            if residual:
                if stride == 2:
                    x = torch.cat([x[..., ::2, ::2], torch.zeros_like(x[..., ::2, ::2])], dim=1)
                y = y + x
            x = y.relu()
    return x.flatten(2).mean(2) @ w["classifier.weight"].T + w["classifier.bias"]


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("side", [32, 7])
def test_logits_are_those_of_the_net_computed_by_hand(residual, side):
    net, x = used(depth=20, residual=residual).eval(), images(4, 3, side, side)
    expected = by_hand(net, x, residual)
    assert expected.std() > 0.1
    torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)


def test_option_b_is_torchvisions_net_of_basic_blocks_at_the_papers_widths():
    block = torchvision_resnet.BasicBlock
    reference = torchvision_resnet.ResNet(block, [1, 1, 1, 1])
    reference.inplanes = 16
    reference.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    reference.bn1 = nn.BatchNorm2d(16)
    reference.maxpool = nn.Identity()
    reference.layer1 = reference._make_layer(block, 16, 3)
    reference.layer2 = reference._make_layer(block, 32, 3, stride=2)
    reference.layer3 = reference._make_layer(block, 64, 3, stride=2)
    reference.layer4 = nn.Identity()
    reference.fc = nn.Linear(64, 10)

    net = used(depth=20, shortcut="B")
    weights = net.state_dict().values()  # in torchvision's order: conv1, bn1, conv2, bn2, downsample
    reference.load_state_dict(dict(zip(reference.state_dict(), weights, strict=True)))
    x = images(4, 3, 32, 32)
    for mode in (True, False):
        torch.testing.assert_close(net.train(mode)(x), reference.train(mode)(x), rtol=1e-5, atol=1e-5)


def test_without_shortcuts_it_is_the_same_net_without_the_addition():
    residual, plain = used(depth=14), used(depth=14, residual=False)
    plain.load_state_dict(residual.state_dict())
    x = images(2, 3, 14, 14)
    assert not torch.allclose(residual.eval()(x), plain.eval()(x))
    for stage in residual.stages:
        for block in stage:
            block.short_cut.register_forward_hook(lambda *_: 0.0)
    assert torch.equal(residual(x), plain(x))


def test_convolutions_start_as_he_et_al_say():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = cifar_resnet(20, shortcut="B")
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            count = module.weight.numel()
            assert module.weight.std().item() == pytest.approx(
                (2 / fan_out) ** 0.5, rel=4 / (2 * count) ** 0.5
            )
            assert abs(module.weight.mean().item()) < 4 * (2 / fan_out / count) ** 0.5
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.unique().tolist() == [1.0] and module.bias.unique().tolist() == [0.0]


@pytest.mark.parametrize("options", [{}, {"shortcut": "B"}, {"residual": False}])
def test_on_a_gpu_prediction_loss_and_metrics_stay_there(options):
    with FakeTensorMode():  # no GPU is needed; only the backward pass would need one
        with torch.device("cuda"):
            net = cifar_resnet(8, **options)
        x = torch.empty(6, 3, 32, 32, device="cuda")
        targets = torch.zeros(6, dtype=torch.int64, device="cuda")
        task = Classification()
        outputs = net(x)
        measured = task.evaluate([(outputs, targets)], "test")
        seen = [outputs, task.loss(outputs, targets), task.error(outputs, targets), *measured.values()]
        assert {tensor.device.type for tensor in seen} == {"cuda"}

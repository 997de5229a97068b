from functools import partial
from itertools import product
from math import comb, isnan

import pytest
import torch
from kit.tiny import spec
from models.pixels import made
from torch import Tensor, nn
from torch.nn import functional as F

from repro.data.augment import normalise
from repro.errors import ReproError
from repro.measures.lesions import lesions_error, mean_lesion_error
from repro.measures.residual import (
    block_change,
    mean_response_std,
    path_gradient_share,
    response_std,
)
from repro.models.preact_resnet import ORDERS, PreActResNet
from repro.models.resnet import ResNet, cifar_resnet
from repro.state.net import State, build
from repro.treatments.lesion import blocks, lesion
from repro.work.execute import images

CPU = torch.device("cpu")


def preactivated(**options) -> nn.Module:
    return made(PreActResNet, 8, width=4, in_channels=1, **options)


NETS = {
    "of CIFAR": lambda **options: made(cifar_resnet, 8, width=4, in_channels=1, **options),
    "of bottlenecks": lambda **options: made(
        ResNet, 29, width=4, stem="cifar", in_channels=1, classes=10, **options
    ),
    "with pre-activation": preactivated,
}


def state(net: nn.Module | None = None) -> State:
    """A net, of CIFAR by default, with data and task; `made` gives it normalisation that is no identity."""
    trial = spec(trained=False)
    looked_at = build(trial, images(trial.data, CPU), CPU)
    looked_at.model = (NETS["of CIFAR"]() if net is None else net).train()
    return looked_at


def batch(looked_at: State, count: int) -> tuple[Tensor, Tensor]:
    data = looked_at.data
    inputs = normalise(
        data.train.images[:count], data.mean, data.std, dtype=torch.float32, channels_last=True
    )
    return inputs, data.train.targets[:count]


def test_responses_are_those_behind_the_normalisation_and_before_what_follows():
    looked_at = state()
    net, (x, _) = looked_at.model.eval(), batch(looked_at, 32)
    conv1, norm1, _, conv2, norm2 = net.stages[0][0].branch
    first = norm1(conv1(net.stem(x)))
    second = norm2(conv2(F.relu(first)))
    for layer, expected in (("stages.0.0.branch.1", first), ("stages.0.0.branch.4", second)):
        assert response_std(looked_at, layer=layer, images=32) == pytest.approx(
            expected.std().item(), rel=1e-5
        )
    assert response_std(looked_at, images=32) == pytest.approx(net(x).std().item(), rel=1e-5)
    assert first.std().item() != pytest.approx(second.std().item(), rel=0.1)


def test_the_mean_response_is_over_all_3_by_3_layers_and_not_over_projections():
    looked_at = state(NETS["of CIFAR"](shortcut="B"))
    layers = ["stem.1", *(f"stages.{i}.0.branch.{j}" for i in range(3) for j in (1, 4))]
    each = [response_std(looked_at, layer=layer, images=16) for layer in layers]
    assert mean_response_std(looked_at, images=16) == pytest.approx(sum(each) / 7, rel=1e-5)


def test_in_a_pre_activation_net_a_response_is_not_that_of_a_sum():
    looked_at = state(made(PreActResNet, 8, width=4, in_channels=1))
    layers = [
        "stem.1",
        *(f"stages.{i}.branch.1" for i in range(3)),
    ]  # the second convolutions are followed by an addition
    each = [response_std(looked_at, layer=layer, images=16) for layer in layers]
    assert mean_response_std(looked_at, images=16) == pytest.approx(sum(each) / 4, rel=1e-5)


def test_a_net_without_such_layers_has_no_mean_response():
    with pytest.raises(ReproError, match="no batch normalisation stands right behind a 3×3 convolution"):
        mean_response_std(state(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3))))


class Scaling(nn.Module):
    """A block whose branch multiplies."""

    def __init__(self, factor: float, residual: bool = True):
        super().__init__()
        self.factor, self.residual, self.joined = factor, residual, nn.ReLU()

    def short_cut(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.joined(self.factor * x + self.short_cut(x) if self.residual else self.factor * x)


@pytest.mark.parametrize(("residual", "changes"), [(True, [0.5, 3, 2]), (False, [0.5, 2, 3])])
def test_a_blocks_change_is_from_what_it_gets_to_what_its_relu_gets(residual, changes):
    net = nn.Sequential(nn.ReLU(), *(Scaling(factor, residual) for factor in (0.5, 3, -2)), nn.Flatten())
    looked_at = state(net.append(nn.Linear(49, 10)))
    assert [block_change(looked_at, over=over) for over in ("least", "mean", "most")] == pytest.approx(
        [min(changes), sum(changes) / 3, max(changes)]
    )


def test_it_is_the_branchs_norm_by_the_shortcuts_where_the_shape_is_kept():
    looked_at = state(made(cifar_resnet, 14, width=4, in_channels=1))
    net, x, changes = looked_at.model.eval(), batch(looked_at, 16)[0], []
    x = net.stem(x)
    for index, block in enumerate(block for stage in net.stages for block in stage):
        if index not in (2, 4):  # where the width grows
            changes.append((block.branch(x).norm() / x.norm()).item())
        x = block(x)
    assert block_change(looked_at, images=16) == pytest.approx(sum(changes) / 4, rel=1e-5)
    assert block_change(looked_at, over="most", images=16) == pytest.approx(max(changes), rel=1e-5)


def test_a_deleted_block_is_left_out():
    looked_at = state(nn.Sequential(nn.ReLU(), *map(Scaling, (0.5, 3, 2)), nn.Flatten(), nn.Linear(49, 10)))
    assert block_change(lesion(looked_at, block=0), over="least") == pytest.approx(2)


def test_a_net_without_blocks_has_no_change():
    with pytest.raises(ReproError, match="block_change: the net has no block that keeps the shape"):
        block_change(state(nn.Sequential(nn.Flatten(), nn.Linear(49, 10))))


def of_block(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What a block's branch and its shortcut give."""
    return block.branch(x), block.short_cut(x)


def of_unit(unit: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    active = unit.before(x)
    branch, kept = unit.branch(active), unit.shortcut(active if unit.projected else x)
    if unit.gate is None:
        return branch, kept
    opened = torch.sigmoid(unit.gate(x))
    return opened * branch if unit.exclusive else branch, (1 - opened) * kept


def along(net: nn.Module, inputs: Tensor, path: tuple[bool, ...]) -> Tensor:
    """Logits whose gradient comes through the branches that `path` chooses and other blocks' shortcuts."""
    x = net.stem(inputs)
    for name, by_branch in zip(blocks(net), path, strict=True):
        block = net.get_submodule(name)
        branch, kept = (of_unit if isinstance(net, PreActResNet) else of_block)(block, x)
        branch, kept = (branch, kept.detach()) if by_branch else (branch.detach(), kept)
        x = block.joined(branch + kept) if isinstance(net, PreActResNet) else F.relu(branch + kept)
    x = net.last(x) if isinstance(net, PreActResNet) else x
    return net.classifier(x.mean(dim=(2, 3)))


PARTED = {
    "of CIFAR": NETS["of CIFAR"],
    **{order: partial(preactivated, order=order) for order in ORDERS},
    "with a projection": partial(preactivated, shortcut="B"),
    "with projections alone": partial(preactivated, shortcut="C", order="relu_only_preactivation"),
    "with normalised projections": partial(preactivated, shortcut="C", order="original"),
    "constant scaling": partial(preactivated, shortcut_scale=0.5, branch_scale=2.0),
    "exclusive gating": partial(preactivated, gate="exclusive"),
    "shortcut-only gating": partial(preactivated, gate="shortcut", order="original"),
    "gated projections": partial(preactivated, gate="exclusive", shortcut="C"),
    "dropout": partial(preactivated, shortcut_dropout=0.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTED)
def test_shares_are_those_of_all_paths_one_by_one(name):
    looked_at = state(PARTED[name]())
    inputs, targets = batch(looked_at, 1000)
    net, inputs = looked_at.model.eval(), inputs.requires_grad_()

    def gradient(logits: Tensor) -> Tensor:
        return torch.autograd.grad(F.cross_entropy(logits, targets), inputs)[0]

    gradients = {path: gradient(along(net, inputs, path)) for path in product([False, True], repeat=3)}
    whole = gradient(net(inputs))
    torch.testing.assert_close(
        sum(gradients.values()), whole, rtol=1e-3, atol=1e-5 * whole.abs().max().item()
    )
    norms = {path: each.flatten(1).norm(dim=1).mean().item() for path, each in gradients.items()}
    by_length = [sum(norm for path, norm in norms.items() if sum(path) == length) for length in range(4)]
    net.train()
    shares = [path_gradient_share(looked_at, least=length, most=length, images=1000) for length in range(4)]
    assert shares == pytest.approx([part / sum(by_length) for part in by_length], rel=0.06)
    # Of these there is one path each
    assert shares[0] / shares[3] == pytest.approx(by_length[0] / by_length[3], rel=1e-4)
    assert max(shares) - min(shares) > 0.1


def test_shares_of_all_lengths_sum_to_one_and_are_the_same_each_time():
    looked_at = state()
    assert path_gradient_share(looked_at, least=0, most=3, images=8) == 1
    parts = [
        path_gradient_share(looked_at, least=0, most=1, images=8),
        path_gradient_share(looked_at, least=2, most=3, images=8),
    ]
    assert sum(parts) == pytest.approx(1)
    assert path_gradient_share(looked_at, least=0, most=1, images=8) == parts[0]
    assert path_gradient_share(looked_at, least=4, most=9, images=8) == 0


class Halving(nn.Module):
    def short_cut(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x + self.short_cut(x)


def test_paths_through_k_of_three_branches_that_halve_have_a_part_of_comb_3_k_times_2_to_the_minus_k():
    net = nn.Sequential(Halving(), Halving(), Halving(), nn.Flatten(), nn.Linear(49, 10))
    shares = [path_gradient_share(state(net), least=length, most=length, images=8) for length in range(4)]
    assert shares == pytest.approx([comb(3, length) * 0.5**length / 1.5**3 for length in range(4)])


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_probes_work_on_nets(name):
    looked_at = state(NETS[name]())
    assert 0 < path_gradient_share(looked_at, least=0, most=1, images=4) < 1
    assert 0 <= mean_lesion_error(looked_at) <= 1 and mean_response_std(looked_at, images=4) > 0


@pytest.mark.parametrize("name", ["of CIFAR", "of bottlenecks"])
def test_a_plain_net_has_no_paths(name):
    with pytest.raises(
        ReproError, match=r"path_gradient_share: 0 of the net's \d blocks use their short_cut"
    ):
        path_gradient_share(state(NETS[name](residual=False)), least=0, most=1, images=4)


def test_if_shortcuts_give_nothing_the_one_path_is_through_all_branches_or_there_is_none():
    looked_at = state(preactivated(shortcut_scale=0.0))
    assert [path_gradient_share(looked_at, least=length, most=length, images=4) for length in range(4)] == [
        0,
        0,
        0,
        1,
    ]
    nothing = state(preactivated(shortcut_scale=0.0, branch_scale=0.0))
    assert isnan(path_gradient_share(nothing, least=0, most=1, images=4))


@pytest.mark.parametrize(("least", "most"), [(-1, 2), (2, 1)])
def test_lengths_that_there_are_not_are_an_error(least, most):
    with pytest.raises(ReproError, match=f"wants 0 ≤ least ≤ most, not {least} and {most}"):
        path_gradient_share(state(), least=least, most=most)


@pytest.mark.parametrize("training", [True, False])
def test_probes_leave_the_net_as_it_was(training):
    looked_at = state()
    net = looked_at.model.train(training)
    net.stem.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    response_std(looked_at, layer="stages.0.0.branch.1", images=4)
    mean_response_std(looked_at, images=4)
    mean_lesion_error(looked_at)
    lesions_error(looked_at, count=1, draws=1)
    block_change(looked_at, images=4)
    path_gradient_share(looked_at, least=0, most=1, images=4)
    assert looked_at.model is net and [module.training for module in net.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert not any("short_cut" in vars(module) for module in net.modules())

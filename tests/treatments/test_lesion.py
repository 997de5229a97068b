from dataclasses import replace

import pytest
import torch
from kit.tiny import state
from models.pixels import images, made
from torch import nn

from repro.data.augment import normalise
from repro.errors import ReproError
from repro.models.preact_resnet import ORDERS, PreActResNet
from repro.models.resnet import ResNet, cifar_resnet
from repro.treatments.lesion import blocks, lesion, without_block

NETS = {
    "original": lambda: made(cifar_resnet, 20, width=4),
    "plain": lambda: made(cifar_resnet, 20, width=4, residual=False),
    "pre-activation": lambda: made(PreActResNet, 20, width=4),
    "gated": lambda: made(PreActResNet, 20, width=4, order="original", gate="exclusive"),
    "projected": lambda: made(PreActResNet, 20, width=4, shortcut="B"),
    "of bottlenecks": lambda: made(ResNet, 29, width=4, stem="cifar", classes=10),
}


@pytest.mark.parametrize("name", NETS)
def test_a_net_of_three_times_three_blocks_has_nine(name):
    assert len(blocks(NETS[name]())) == 9


def test_the_net_of_the_study_has_54():
    with torch.device("meta"):
        assert len(blocks(cifar_resnet(110))) == 54


@pytest.mark.parametrize("index", range(9))
@pytest.mark.parametrize("name", ["original", "plain"])
def test_a_net_without_a_block_passes_on_the_blocks_input(name, index):
    net, x = NETS[name]().eval(), images(2, 3, 16, 16)
    expected = net.stem(x)
    for i, block in enumerate(net.get_submodule(name) for name in blocks(net)):
        if i != index:
            expected = block(expected)
        elif i in (3, 6):  # where the width grows: zero-padded
            expected = torch.cat([expected[..., ::2, ::2], torch.zeros_like(expected[..., ::2, ::2])], dim=1)
    torch.testing.assert_close(without_block(net, index)(x), net.classifier(expected.mean(dim=(2, 3))))


def is_the_net_whose_branch_gives_zero(net: nn.Module, index: int) -> None:
    x = images(2, 3, 16, 16)
    lesioned = without_block(net.eval(), index)(x)
    assert not torch.allclose(lesioned, net(x), rtol=1e-3)
    branch = net.get_submodule(blocks(net)[index]).branch
    branch.register_forward_hook(lambda _layer, _inputs, output: torch.zeros_like(output))
    torch.testing.assert_close(lesioned, net(x))


@pytest.mark.parametrize("index", [0, 3, 4])  # the first, one that halves the map, and one that keeps it
@pytest.mark.parametrize("name", ["original", "pre-activation", "gated", "projected", "of bottlenecks"])
def test_it_is_the_net_whose_branch_gives_zero(name, index):
    is_the_net_whose_branch_gives_zero(NETS[name](), index)


@pytest.mark.slow
@pytest.mark.parametrize("gate", ["none", "exclusive", "shortcut"])
@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
@pytest.mark.parametrize("order", ORDERS)
def test_so_it_is_in_every_order_and_with_every_shortcut(order, shortcut, gate):
    options = {"order": order, "shortcut": shortcut, "gate": gate, "shortcut_scale": 0.7}
    is_the_net_whose_branch_gives_zero(made(PreActResNet, 8, width=4, **options), 1)


def test_a_unit_without_its_branch_is_its_shortcut():
    x = images(2, 4, 8, 8)

    def lesioned(**options):
        net = made(PreActResNet, 14, width=4, **options).eval()
        return net.stages[1], without_block(net, 1).stages[1](x)

    assert torch.equal(lesioned()[1], x)
    torch.testing.assert_close(lesioned(shortcut_scale=0.5)[1], 0.5 * x)
    assert not lesioned(shortcut_scale=0.0)[1].any()
    unit, kept = lesioned(gate="exclusive")
    torch.testing.assert_close(kept, x - torch.sigmoid(unit.gate(x)) * x)
    unit, kept = lesioned(shortcut="C")
    torch.testing.assert_close(kept, unit.shortcut[0](torch.relu(unit.before[0](x))))
    unit, kept = lesioned(order="norm_after_addition")
    torch.testing.assert_close(kept, torch.relu(unit.joined[0](x)))


def test_the_net_itself_stays_as_it_was():
    net, x = NETS["pre-activation"]().eval(), images(2, 3, 16, 16)
    before = net(x)
    without_block(without_block(net, 4), 5)
    assert torch.equal(net(x), before)


def test_more_blocks_can_go():
    net, x = NETS["pre-activation"]().eval(), images(2, 3, 16, 16)
    one_by_one = without_block(without_block(net, 4), 5)
    assert len(blocks(one_by_one)) == 9
    del net.stages[4:6]
    torch.testing.assert_close(one_by_one(x), net(x))


# ---- as a treatment


def test_the_errors_of_a_treated_net_are_those_of_the_net_whose_block_passes_its_input_on():
    looked_at = replace(state(), model=made(cifar_resnet, 8, width=4, in_channels=1))
    data, net = looked_at.data, looked_at.model.eval()
    x = normalise(data.test.images, data.mean, data.std, dtype=torch.float32, channels_last=True)
    with torch.no_grad():  # the first block's width and stride are those of its input
        logits = net.classifier(net.stages[2](net.stages[1](net.stem(x))).mean(dim=(2, 3)))
    expected = (logits.argmax(1) != data.test.targets).float().mean().item()
    found = lesion(looked_at, block=0).evaluate("test")["test_error"]
    assert found == pytest.approx(expected, abs=1e-3)
    assert found != pytest.approx(looked_at.evaluate("test")["test_error"], abs=0.01)


def test_a_treated_net_is_another_one_with_the_same_data_and_task():
    looked_at = state()
    treated = lesion(looked_at, block=1)
    assert treated.model is not looked_at.model and len(blocks(looked_at.model)) == 3
    assert (treated.data, treated.task, treated.spec) == (looked_at.data, looked_at.task, looked_at.spec)


@pytest.mark.parametrize("block", [3, -1])
def test_a_block_that_there_is_not_is_an_error_that_says_how_many_there_are(block):
    with pytest.raises(ReproError, match=f"lesion: no block {block}; the net has 3"):
        lesion(state(), block=block)

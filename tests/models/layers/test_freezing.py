"""Modules that are not trained."""

from copy import deepcopy

import pytest
import torch
from models.pixels import images, made
from torch import nn

from repro.errors import ReproError
from repro.models.layers.freezing import freeze
from repro.models.resnet import ResNet, cifar_resnet
from repro.treatments.lesion import without_block


def net() -> ResNet:
    return made(cifar_resnet, 8, width=4)


def normalisation(module: nn.Module) -> nn.BatchNorm2d:
    """The first one in a module."""
    return next(layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))


def step(model: nn.Module) -> None:
    """One step of training, decay and all."""
    optimizer = torch.optim.SGD(model.parameters(), 0.5, momentum=0.9, weight_decay=0.1)
    model.train()
    for _ in range(2):
        model(images(4, 3, 8, 8)).square().sum().backward()
        optimizer.step()


def changed(model: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    """The modules of the first level whose weights or running statistics are others now."""
    now = model.state_dict()
    return {name.partition(".")[0] for name in now if not torch.equal(now[name], before[name])}


def test_training_leaves_frozen_modules_as_they_are_and_changes_all_others():
    for paths, trained in [
        ((), {"stem", "stages", "classifier"}),
        (("stem",), {"stages", "classifier"}),
        (("stem", "stages"), {"classifier"}),
        (("classifier",), {"stem", "stages"}),
    ]:
        model = net()
        freeze(model, paths)
        before = deepcopy(model.state_dict())
        step(model)
        assert changed(model, before) == trained


def test_a_frozen_normalisation_goes_by_what_it_has_seen_before_in_training_too():
    model = net()
    freeze(model, ["stem"])
    x = images(4, 3, 8, 8)
    expected = deepcopy(model.stem).eval()(x)
    assert torch.equal(model.train().stem(x), expected)
    assert not any(module.training for module in model.stem.modules())
    assert model.training and normalisation(model.stages).training
    assert not any(module.training for module in model.eval().modules())


def test_a_part_of_a_module_can_be_frozen():
    model = net()
    freeze(model, ["stages.1"])
    model.train()
    assert [stage.training for stage in model.stages] == [True, False, True]
    assert [next(stage.parameters()).requires_grad for stage in model.stages] == [True, False, True]


def test_gradients_go_through_what_is_frozen():
    model = net()
    freeze(model, ["stages"])
    step(model)
    assert normalisation(model.stem).weight.grad is not None
    assert normalisation(model.stages).weight.grad is None


def test_a_copy_is_frozen_alike_and_on_its_own():
    model = net()
    freeze(model, ["stages"])
    copy = without_block(model, 1).train()
    assert not normalisation(copy.stages).training and normalisation(copy.stem).training
    assert copy.stages[0] is not model.stages[0] and copy.stages.train() is copy.stages


@pytest.mark.parametrize("path", ["stage", "stages.7", ""])
def test_a_module_that_there_is_not_is_an_error_with_the_nearest(path):
    with pytest.raises(ReproError, match=f"freeze: a ResNet has no module '{path}'"):
        freeze(net(), [path])
    with pytest.raises(ReproError, match=r"has no module 'stagse'; did you mean 'stages'\?"):
        freeze(net(), ["stagse"])


def test_a_net_of_which_nothing_is_trained_is_an_error():
    with pytest.raises(ReproError, match="freeze: nothing of a ResNet is left to train"):
        freeze(net(), ["stem", "stages", "classifier"])
    freeze(nn.Flatten(), [])  # one that has nothing to train from the start is none

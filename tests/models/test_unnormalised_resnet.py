import pytest
import torch
from models.pixels import images, made
from torch import nn

from repro.models.resnet import cifar_resnet
from repro.models.unnormalised_resnet import unnormalised_resnet


@pytest.mark.parametrize("residual", [True, False])
def test_it_is_the_normalised_net_with_the_same_weights_and_nothing_normalised(residual):
    net, whole = (
        make(8, residual=residual, width=4) for make in (same(unnormalised_resnet), same(cifar_resnet))
    )
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    weights, its = net.state_dict(), whole.state_dict()
    assert {name for name, module in whole.named_modules() if isinstance(module, nn.Conv2d)} == {
        name.removesuffix(".weight") for name in weights if name.startswith("st")
    }
    assert all(torch.equal(weights[name], its[name]) for name in weights)
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):  # an identity
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
            module.eps = 0.0
    x = images(2, 3, 8, 8)
    torch.testing.assert_close(net(x), whole.eval()(x))


def same(make):
    return lambda *args, **options: made(make, *args, **options)

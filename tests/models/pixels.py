"""What the tests of nets that label pixels share."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from repro.training.undrawn import Undrawn


def made(make: Callable[..., nn.Module], *args, **options) -> nn.Module:
    """A net with random weights, the same each time, and batch norm that is not the identity it starts as."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = make(*args, **options)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
    return net


def on_meta(make: Callable[..., nn.Module], **options) -> nn.Module:
    with torch.device("meta"), Undrawn():
        return make(**options).eval()


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def size(net: nn.Module, *shape: int) -> tuple[int, ...]:
    return tuple(net(torch.empty(*shape, device="meta")).shape)


def multiply_adds(net: nn.Module, *shape: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.empty(*shape, device="meta"))
    return counter.get_total_flops() // 2


def calibrated(net: nn.Module, x: Tensor) -> nn.Module:
    """In evaluation mode, with one batch's statistics: activations keep their scale at any depth."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        net.train()(x)
    return net.eval()


def stays_on_a_gpu(make: Callable[..., nn.Module], *shape: int, **options) -> None:
    """What a forward pass makes, maps inside included, is where the images are."""
    with FakeTensorMode():
        with torch.device("cuda"):
            net = make(**options)
        devices = set()

        def look(_: nn.Module, __: tuple[Tensor], outputs: Tensor | list[Tensor]) -> None:
            devices.update(t.device.type for t in (outputs if isinstance(outputs, list) else [outputs]))

        for module in net.modules():
            module.register_forward_hook(look)
        net(torch.empty(*shape, device="cuda"))
    assert devices == {"cuda"}

"""What the tests of nets that label pixels share."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode


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
    with torch.device("meta"):
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


def learns(net: nn.Module, x: Tensor, outputs: int) -> None:
    """Two steps in bf16, channels last: the loss falls and every weight has a part in it."""
    net = net.to(memory_format=torch.channels_last).train()
    x = x.contiguous(memory_format=torch.channels_last)
    targets = torch.zeros(len(x), *x.shape[-2:], dtype=torch.int64)
    targets[..., x.shape[-1] // 2 :] = outputs - 1
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    losses = []
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x)
        assert logits.shape == (len(x), outputs, *x.shape[-2:])
        losses.append(F.cross_entropy(logits.float(), targets))
        optimizer.zero_grad()
        losses[-1].backward()
        assert [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0] == []
        optimizer.step()
    assert losses[0] > losses[1] > losses[2], losses


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

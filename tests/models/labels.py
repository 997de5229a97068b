"""What the tests of nets that label images share."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def learns(net: nn.Module, x: Tensor, *outputs: int, lr: float = 0.005) -> None:
    """A few steps in bf16, channels last: the loss falls and every weight has a part in it.

    `outputs` are those of one image: (classes,), or (classifiers, classes) of a net with auxiliary
    classifiers.
    """
    net = net.to(memory_format=torch.channels_last).train()
    x = x.contiguous(memory_format=torch.channels_last)
    targets = torch.arange(len(x)).repeat_interleave(outputs[0] if len(outputs) == 2 else 1) % outputs[-1]
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    losses = []
    for _ in range(5):
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x)
        assert logits.shape == (len(x), *outputs)
        losses.append(F.cross_entropy(logits.float().flatten(0, -2), targets))
        optimizer.zero_grad()
        losses[-1].backward()
        assert [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0] == []
        optimizer.step()
    assert losses[-1] < losses[0], losses


def weights(net: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers, in their order."""
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def carry(source: nn.Module, target: nn.Module) -> nn.Module:
    """The target, maybe on the meta device, with the tensors of the source: same order, same shapes."""
    own, other = source.state_dict(), target.state_dict()
    assert [w.shape for w in own.values()] == [w.shape for w in other.values()]
    target.load_state_dict(dict(zip(other, own.values(), strict=True)), assign=True)
    return target

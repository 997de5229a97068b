"""Whether a net trains, whatever it labels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def learns(net: nn.Module, x: Tensor, *outputs: int, lr: float = 0.02) -> None:
    """A few steps in bf16, channels last: the loss falls, if not at each, and every weight has a part in it.

    `outputs` are those of one image: (classes,); (classifiers, classes) of a net with auxiliary classifiers;
    (classes, H, W) of a net that labels pixels.
    """
    net = net.to(memory_format=torch.channels_last).train()
    x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    losses = []
    for _ in range(4):
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x)
        assert logits.shape == (len(x), *outputs)
        losses.append(loss(logits.float()))
        optimizer.zero_grad()
        losses[-1].backward()
        assert [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0] == []
        optimizer.step()
    assert min(losses[1:]) < losses[0], losses


def loss(logits: Tensor) -> Tensor:
    """Of images of one class after another, or whose left half is of the first and right of the last."""
    if logits.ndim == 4:
        images, classes, height, width = logits.shape
        targets = torch.zeros(images, height, width, dtype=torch.int64)
        targets[..., width // 2 :] = classes - 1
        return F.cross_entropy(logits, targets)
    images, *classifiers, classes = logits.shape
    targets = torch.arange(images).repeat_interleave(classifiers[0] if classifiers else 1) % classes
    return F.cross_entropy(logits.flatten(0, -2), targets)

"""What the tests of nets that classify share: the same net in two packages, with the same weights."""

from collections.abc import Callable

import torch
from models.pixels import calibrated, images, made
from torch import Tensor, nn
from torch.nn import functional as F


def logits_agree(
    make: Callable[..., nn.Module], build: Callable[[], nn.Module], *, side: int = 64, **options
) -> None:
    """Ours, `make(**options)`, has the reference's logits with its weights. Layers are in the same order."""
    x = images(2, 3, side, side)
    reference = calibrated(made(build), x)
    net = same_weights(make, list(reference.state_dict().values()), **options).eval()
    with torch.no_grad():
        expected, found = reference(x), net(x)
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def same_weights(make: Callable[..., nn.Module], weights: list[Tensor], **options) -> nn.Module:
    with torch.device("meta"):
        net = make(**options)
    net.load_state_dict(dict(zip(net.state_dict(), weights, strict=True)), assign=True)
    return net


def learns(net: nn.Module, x: Tensor) -> None:
    """Two steps in bf16, channels last: the loss has fallen and every weight has a part in it."""
    net = net.to(memory_format=torch.channels_last).train()
    x = x.contiguous(memory_format=torch.channels_last)
    targets = torch.arange(len(x)) % 3
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    losses = []
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x)
        losses.append(F.cross_entropy(logits.float(), targets))
        optimizer.zero_grad()
        losses[-1].backward()
        assert [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0] == []
        optimizer.step()
    assert losses[2] < losses[0], losses

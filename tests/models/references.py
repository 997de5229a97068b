"""What the tests of nets that label images share: one net in two packages, with the same weights."""

from collections.abc import Callable, Iterable

import torch
from models.pixels import calibrated, images, made, on_meta
from torch import Tensor, nn


def weights(net: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers, in their order."""
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def with_weights(net: nn.Module, given: Iterable[Tensor]) -> nn.Module:
    """The net, maybe on the meta device, with copies of tensors: in the order of its own, same shapes."""
    own = net.state_dict()
    copies = [tensor.detach().clone() for tensor in given]
    assert [tensor.shape for tensor in own.values()] == [tensor.shape for tensor in copies]
    net.load_state_dict(dict(zip(own, copies, strict=True)), assign=True)
    return net


def carry(source: nn.Module, target: nn.Module) -> nn.Module:
    """The target with the tensors of the source. Both list their layers in the order of the data."""
    return with_weights(target, source.state_dict().values())


def logits_agree(
    make: Callable[..., nn.Module], build: Callable[[], nn.Module], *, side: int = 64, **options
) -> None:
    """Ours, `make(**options)`, has the logits of the reference with its weights."""
    x = images(2, 3, side, side)
    reference = calibrated(made(build), x)
    net = carry(reference, on_meta(make, **options))
    with torch.no_grad():
        expected, found = reference(x), net(x)
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)

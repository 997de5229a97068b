"""Counts of an architecture: functions of a net on the meta device, which has shapes but no memory.

`layer` is the path of one layer, such as `trunk.stages.0`; without it the whole net is counted. `size` is the
side of the square image that goes in; nets are in evaluation mode. A multiply-add counts as one, and only
those of convolutions and matrix products count: a bias, normalisation, pooling or activation has none.
"""

from math import nan

import torch
from torch import Tensor, nn

from repro.bounds import NonNegativeInt, PositiveInt, Size
from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.layer import outputs_of, submodule
from repro.measures.operations import OperationCounter

WEIGHTED = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def params(model: nn.Module, layer: str = "") -> int:
    """Trainable parameters, biases and batch normalisation included."""
    return sum(p.numel() for p in submodule(model, layer).parameters() if p.requires_grad)


def weights(model: nn.Module, layer: str = "") -> int:
    """The weights of convolutions and linear layers, without their biases and without normalisation."""
    return sum(
        module.weight.numel() for module in submodule(model, layer).modules() if isinstance(module, WEIGHTED)
    )


@declare(unit="share")
def fc_share(model: nn.Module) -> float:
    """The share of the trainable parameters that is in linear layers, 0 to 1; NaN if there are none."""
    linear = sum(
        p.numel() for module in model.modules() if isinstance(module, nn.Linear) for p in module.parameters()
    )
    whole = params(model)
    return linear / whole if whole else nan


def layers(model: nn.Module, kind: str = "", kernel: NonNegativeInt = 0, layer: str = "") -> int:
    """Convolutions and linear layers, wherever they stand; `kind` is one class of torch.nn, say Conv2d.

    With a `kernel` those whose kernel has that side alone.
    """
    wanted = getattr(nn, kind, None) if kind else WEIGHTED
    if wanted is None:
        raise ReproError(f"layers: torch.nn has no '{kind}'")
    found = [module for module in submodule(model, layer).modules() if isinstance(module, wanted)]
    return sum(not kernel or getattr(module, "kernel_size", None) == (kernel, kernel) for module in found)


@declare(unit="share")
def dropout(model: nn.Module, layer: str) -> float:
    """With what probability a layer drops a unit in training. Raises `ReproError` if it is no dropout."""
    found = submodule(model, layer)
    if not isinstance(found, nn.Dropout):
        raise ReproError(f"dropout: layer '{layer}' is not Dropout but {type(found).__name__}")
    return found.p


@declare(unit="multiply-adds")
def macs(model: nn.Module, size: Size, layer: str = "") -> int:
    """Multiply-adds of the forward pass of one image, or of one layer in it.

    Raises `ReproError`, which names it, at an operator that is not known.
    """
    return flops(model, size, layer) // 2


@declare(unit="FLOP")
def flops(model: nn.Module, size: Size, layer: str = "") -> int:
    """Floating point operations of the same: two for each multiply-add."""
    submodule(model, layer)
    with OperationCounter() as counter:
        forward(model, image(model, size))
    counts = counter.get_flop_counts()
    return sum(counts.get(f"{type(model).__name__}.{layer}" if layer else "Global", {}).values())


def takes(model: nn.Module, size: Size) -> bool:
    """1 if an image of that size goes through the net, else 0."""
    try:
        forward(model, image(model, size))
    except ReproError:
        return False
    return True


@declare(unit="pixels")
def out_size(model: nn.Module, size: Size, layer: str = "") -> int:
    """The side of the square map that comes out. Raises `ReproError` if it is not one."""
    shape = _output(model, size, layer).shape
    if len(shape) != 4 or shape[2] != shape[3]:
        raise ReproError(f"out_size: the output is no square map, but of shape {list(shape[1:])}")
    return shape[2]


def out_channels(model: nn.Module, size: Size, layer: str = "") -> int:
    """The second dimension of what comes out."""
    return _output(model, size, layer).shape[1]


def out_elements(model: nn.Module, size: Size, layer: str = "") -> int:
    """Numbers that come out for one image."""
    return _output(model, size, layer).numel()


def activation_elements(model: nn.Module, size: Size) -> int:
    """Numbers that an image becomes: itself, and what each convolution, pooling and linear layer puts out."""
    x = image(model, size)
    counted = x.numel()

    def count(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal counted
        counted += output.numel()

    handles = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, WEIGHTED + POOLS)]
    try:
        forward(model, x)
    finally:
        for handle in handles:
            handle.remove()
    return counted


@declare(unit="bytes")
def activation_bytes(model: nn.Module, size: Size, bytes_per_number: PositiveInt = 4) -> int:
    """Memory of `activation_elements`, in fp32 unless said."""
    return activation_elements(model, size) * bytes_per_number


def _output(model: nn.Module, size: int, layer: str) -> Tensor:
    with outputs_of(model, layer) as found:
        forward(model, image(model, size))
    return found[-1]


@torch.no_grad()
def forward(model: nn.Module, x: Tensor) -> Tensor:
    """In evaluation mode. Raises `ReproError` if the net takes no image of that size."""
    try:
        output: Tensor = model.eval()(x)
    except (RuntimeError, ValueError) as error:
        raise ReproError(f"the net takes no image of {x.shape[2]}×{x.shape[3]} pixels: {error}") from error
    return output


def image(model: nn.Module, size: int) -> Tensor:
    """One image without numbers, with the channels that the net, or its first layer, wants.

    [1, C, size, size].
    """
    first = next((module for module in model.modules() if isinstance(module, WEIGHTED)), None)
    channels: int | None = getattr(model, "in_channels", None)
    if channels is None:
        if first is None:
            raise ReproError("the net has no convolution and no linear layer, so nothing says what goes in")
        channels = first.in_features // size**2 if isinstance(first, nn.Linear) else first.in_channels
    return torch.empty(1, channels, size, size, device="meta" if first is None else first.weight.device)

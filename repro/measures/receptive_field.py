"""What a unit sees of the image: the receptive field of an architecture, the effective one of its weights.

The first follows what each unit can see through a forward pass without numbers, operation by operation: any
net of the usual layers will do, with branches, atrous or transposed convolutions. The second looks at
gradients, as in Luo et al. 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks".
"""

import copy
from collections.abc import Callable
from functools import reduce
from math import nan, sqrt
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from repro.bounds import NonNegativeInt, PositiveInt, Share
from repro.data.split import head
from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.follow import Call, Followed
from repro.measures.layer import outputs_of
from repro.state.net import State
from repro.state.randomness import generator

SIZES = [4**n for n in range(3, 8)]  # sides of the images to try, 64 to 16384 pixels: they have shapes alone
# int64 [2, n], of n rows or columns: the first pixel that each sees, and minus the last
Axis: TypeAlias = np.ndarray
NOTHING = np.full((2, 1), 2**40)  # of a unit without inputs: the minimum with any other is that other

# Operations, as torch names them below its modules, that look at the same place of their inputs or, where
# they remove a dimension, at all of it. So do those that torch calls pointwise; what else looks elsewhere is
# in LOOKS.
SAME_PLACE = {
    *("native_batch_norm", "native_layer_norm", "native_group_norm", "softmax"),
    *("cat", "clone", "copy", "to_copy", "detach", "alias", "view", "unsafe_view", "reshape", "expand"),
    *("squeeze", "unsqueeze", "split", "split_with_sizes", "unbind", "select", "stack"),
    *("mean", "sum", "amax", "amin", "max", "min", "argmax", "argmin", "var"),
    *("mm", "addmm", "bmm", "baddbmm"),
}


@declare(unit="pixels")
def receptive_field(model: nn.Module, layer: str = "", size: NonNegativeInt = 0) -> int:
    """The side, in pixels, of the smallest square that holds all that a unit sees.

    A unit of `layer`, or of the net's outputs.

    It is that of the unit that sees most, on an image large enough for it. With `size` the image has that
    side, and there is nothing to see beyond its border. Normalisation counts as seeing nothing. Raises
    `ReproError` where units see all of an image, however large it is, and no `size` is given; and for an
    operation that is not known.
    """
    failure: Exception | None = None
    for side in [size] if size else SIZES:
        try:
            seen = _largest(model, layer, side)
        except (RuntimeError, ValueError) as error:  # this net wants larger images, or those of one size
            failure = error
        else:
            failure = None
            if size or 2 * seen <= side:  # so units of every kind are away from the border
                return seen
    if failure is not None:
        raise ReproError(
            f"receptive_field: the net takes no image of a side that was tried; give a `size` ({failure})"
        ) from failure
    raise ReproError(
        "receptive_field: units see all of the image, whatever its size; "
        "give a `size`, or a `layer` before them"
    )


@declare(unit="pixels")
def effective_receptive_field(
    state: State, layer: str = "", images: PositiveInt = 32, share: Share = 0.95
) -> float:
    """√ of the number of pixels that hold a `share` of the energy of the middle unit's gradient by the image.

    They are those of the largest energy, which is summed over the image's channels and the first `images`
    test images. The unit's channels are added up with random signs. fp32, batch normalisation with running
    statistics. NaN where the gradient is 0, of a dead unit say. Raises `ReproError` for a unit that no way
    leads to from the image.
    """
    inputs = state.inputs(head(state.data.test, images)[0]).requires_grad_()
    state.model.eval()
    with torch.enable_grad(), outputs_of(state.model, layer) as found:
        state.model(inputs)
    state.model.train()
    middle = found[-1]
    for side in middle.shape[2:]:
        middle = middle.select(2, side // 2)  # [N, C] in the end
    signs = (
        torch.randint(2, middle.shape[1:], generator=generator(state.spec.seed, "signs of channels")) * 2 - 1
    )
    (gradient,) = torch.autograd.grad((middle * signs.to(middle)).sum(), inputs, allow_unused=True)
    if gradient is None:
        raise ReproError("effective_receptive_field: the unit does not depend on the image")
    energy = gradient.cpu().double().square().sum((0, 1)).flatten()
    held = energy.sort(descending=True).values.cumsum(0)
    if held[-1] == 0 or not held[-1].isfinite():
        return nan
    return sqrt((held < share * held[-1]).sum() + 1)


def _largest(model: nn.Module, layer: str, side: int) -> int:
    channels = next((module.in_channels for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if channels is None:
        raise ReproError("receptive_field: the net has no convolution")
    net = copy.deepcopy(model).to("meta", torch.float32).eval()
    image = torch.empty(1, channels, side, side, device="meta")
    places = np.arange(side)
    itself = np.stack([places, -places])
    seen = _Seen(image, [itself, itself])
    with torch.no_grad(), outputs_of(net, layer) as found, seen:
        net(image)
    axes = seen.of(found[-1])
    if axes is None:
        raise ReproError("receptive_field: the units do not depend on the image")
    return max(0, *(1 - int(axis.sum(0).min()) for axis in axes))


class _Seen(Followed[list[Axis]]):
    """What units see of the image, through every operation.

    Tensors of four dimensions or more have rows and columns last; each number of a smaller one sees all that
    its inputs see.
    """

    def follow(self, call: Call, inputs: list[list[Axis]]) -> list[list[Axis]]:
        name = call.operation.overloadpacket.__name__.strip("_")
        if name.endswith("_like") or name.startswith("new_"):
            return []
        try:
            axes = [reduce(np.minimum, both) for both in zip(*inputs, strict=True)]
            return [_follow(name, call, axes, output) for output in call.outputs]
        except (LookupError, ValueError):
            raise ReproError(f"receptive_field: cannot follow the operation '{name}'") from None


def _follow(name: str, call: Call, axes: list[Axis], output: Tensor) -> list[Axis]:
    """What units of an operation's output see, from what those of its inputs do.

    Raises `LookupError` or `ValueError` if that is unknown.
    """
    if output.dim() < 4:
        return [axis.min(1, keepdims=True) for axis in axes]
    sides = output.shape[-2:]
    if name in LOOKS:
        taps = LOOKS[name](call.args, list(zip(call.args[0].shape[-2:], sides, strict=True)))
        return [
            np.concatenate([axis, NOTHING], 1)[:, look].min(2) for axis, look in zip(axes, taps, strict=True)
        ]
    if name not in SAME_PLACE and torch.Tag.pointwise not in call.operation.tags:
        raise LookupError
    axes = [axis.min(1, keepdims=True) if side == 1 else axis for axis, side in zip(axes, sides, strict=True)]
    return [np.broadcast_to(axis, (2, side)) for axis, side in zip(axes, sides, strict=True)]


# Which n places of the input, or -1 for none, each of m places of the output looks at: [m, k]. Rows, then
# columns.


def _window(n: int, m: int, kernel: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    place = np.arange(m)[:, None] * stride - padding + np.arange(kernel) * dilation
    return np.where((place >= 0) & (place < n), place, -1)


def _stamp(n: int, m: int, kernel: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    place, rest = np.divmod(np.arange(m)[:, None] + padding - np.arange(kernel) * dilation, stride)
    return np.where((rest == 0) & (place >= 0) & (place < n), place, -1)


def _convolution(args: Any, sides: list[tuple[int, int]]) -> list[np.ndarray]:
    _, weight, _, stride, padding, dilation, transposed = args[:7]
    look = _stamp if transposed else _window
    each = zip(sides, weight.shape[2:], stride, padding, dilation, strict=True)
    return [look(n, m, *of_axis) for (n, m), *of_axis in each]


def _pooling(
    sides: list[tuple[int, int]], kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,)
) -> list[np.ndarray]:
    options = [
        list(option) * 2 for option in (kernel, stride or kernel, padding, dilation)
    ]  # of one number, or two
    return [_window(n, m, *(option[i] for option in options)) for i, (n, m) in enumerate(sides)]


def _adaptive(n: int, m: int) -> np.ndarray:
    start, end = np.arange(m) * n // m, -(-np.arange(1, m + 1) * n // m)
    place = start[:, None] + np.arange((end - start).max())
    return np.where(place < end[:, None], place, -1)


def _nearest(n: int, m: int, scale: float | None) -> np.ndarray:
    places: np.ndarray = np.floor(np.arange(m) * (1 / scale if scale else n / m)).astype(int)
    return places.clip(max=n - 1)[:, None]


def _bilinear(n: int, m: int, scale: float | None, align_corners: bool) -> np.ndarray:
    ratio = (n - 1) / max(m - 1, 1) if align_corners else 1 / scale if scale else n / m
    source = np.arange(m) * ratio if align_corners else ((np.arange(m) + 0.5) * ratio - 0.5).clip(min=0)
    return np.stack([np.floor(source), np.ceil(source)], 1).astype(int).clip(max=n - 1)


def _slice(args: Any, sides: list[tuple[int, int]]) -> list[np.ndarray]:
    tensor, dim, start, end, step = list(args) + [0, None, None, 1][len(args) - 1 :]
    cut = dim % tensor.dim() - tensor.dim() + 2  # 0 for rows, 1 for columns
    return [
        (np.arange(n)[start:end:step] if axis == cut else np.arange(n))[:, None]
        for axis, (n, _) in enumerate(sides)
    ]


def _pad(args: Any, sides: list[tuple[int, int]]) -> list[np.ndarray]:
    before: list[int] = args[1]
    columns, _, rows, *_ = (*before, 0, 0)  # how many are put before
    return [_window(n, m, 1, 1, many, 1) for (n, m), many in zip(sides, (rows, columns), strict=True)]


def _reordered(order: list[int], sides: list[tuple[int, int]]) -> list[np.ndarray]:
    if order[-2:] != list(range(len(order)))[-2:]:
        raise ValueError("rows and columns must stay last")
    return [np.arange(n)[:, None] for n, _ in sides]


def _transpose(args: Any, sides: list[tuple[int, int]]) -> list[np.ndarray]:
    order = list(range(args[0].dim()))
    order[args[1]], order[args[2]] = order[args[2]], order[args[1]]
    return _reordered(order, sides)


Look: TypeAlias = Callable[[Any, list[tuple[int, int]]], list[np.ndarray]]
LOOKS: dict[str, Look] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": lambda args, sides: _pooling(sides, *args[1:5]),
    "avg_pool2d": lambda args, sides: _pooling(sides, *args[1:4]),
    "adaptive_avg_pool2d": lambda _, sides: [_adaptive(*side) for side in sides],
    "adaptive_max_pool2d": lambda _, sides: [_adaptive(*side) for side in sides],
    "upsample_nearest2d": lambda args, sides: [
        _nearest(*side, s) for side, s in zip(sides, (*args, None, None)[2:4], strict=True)
    ],
    "upsample_bilinear2d": lambda args, sides: [
        _bilinear(*side, s, args[2]) for side, s in zip(sides, (*args, None, None)[3:5], strict=True)
    ],
    "pixel_shuffle": lambda args, sides: [np.arange(m)[:, None] // args[1] for _, m in sides],
    "pixel_unshuffle": lambda args, sides: [_window(n, m, args[1], args[1], 0, 1) for n, m in sides],
    "slice": _slice,
    "constant_pad_nd": _pad,
    "permute": lambda args, sides: _reordered([d % args[0].dim() for d in args[1]], sides),
    "transpose": _transpose,
}

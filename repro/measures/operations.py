"""Counting multiply-adds: torch's `FlopCounterMode`, with what it leaves out.

Products of matrices and convolutions count; biases, normalisation, pooling, resizing and activations do not.
Torch's counter takes an operator that it does not know for one that does nothing. Here that is an error,
unless the operator is known to have no products: it works pixel by pixel, or is of a family in FREE.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from repro.errors import ReproError

# Families without products, by how a word of an operator's name begins; by all of it where that is short.
FREE = {
    "aten": re.compile(
        "(^|_)(pool|pad|avg|upsample|grid_sampler|pixel|channel_shuffle|im2col|col2im|norm|softmax|embedding|"
        "unique|nonzero|searchsorted|bucketize|histc|bincount|logsumexp|cumsum|cumprod|"
        "index|gather|scatter|select|slice|masked|stack|split|chunk|flip|roll|repeat|unfold|"
        "relu|leaky|prelu|gelu|silu|mish|hard|sigmoid|tanh|softplus|softshrink|threshold|clamp|"
        "view|copy|clone|detach|resize|empty|zero|ones|full|fill|arange|linspace|"
        "rand|bernoulli|normal|uniform|dropout|multinomial|"
        "(loss|loss2d|sum|mean|var|std|max|min|amax|amin|argmax|argmin|any|all|prod|sort|topk|median|take|cat|"
        "elu|glu|tril|triu|diag|lift|set|eye|scalar|equal|item|is)(_|$))"
    ),
    "prim": re.compile(""),
    "torchvision": re.compile("nms|roi_align|roi_pool"),
}
UNPRODUCTIVE = {torch.Tag.pointwise, torch.Tag.inplace_view}  # by torch's own tags


class UnknownOperator(ReproError):
    """A net with an operator whose multiply-adds nobody here knows."""


class OperationCounter(FlopCounterMode):
    """Two FLOP a multiply-add, of all operators in its context. Raises `UnknownOperator` at the first."""

    def __init__(self) -> None:
        super().__init__(display=False)

    def _count_flops(self, func_packet: Any, out: Any, args: Any, kwargs: Any) -> Any:
        name = str(getattr(func_packet, "_qualified_op_name", func_packet))
        if name in FORMULAS:
            for parent in set(self.mod_tracker.parents):
                self.flop_counts[parent][func_packet] += 2 * FORMULAS[name](out, *args, **kwargs)
            return out
        if func_packet not in self.flop_registry and not _is_free(func_packet, name):
            raise UnknownOperator(
                f"how many multiply-adds {name} does is not known, so those of the net cannot be counted"
            )
        return super()._count_flops(func_packet, out, args, kwargs)  # type: ignore[no-untyped-call]


@cache
def _is_free(packet: Any, name: str) -> bool:
    space, _, operator = name.partition("::")
    if space not in FREE:
        return False
    overloads = [getattr(packet, overload) for overload in packet.overloads()]
    return bool(FREE[space].search(operator)) or any(
        overload.is_view or not UNPRODUCTIVE.isdisjoint(overload.tags) for overload in overloads
    )


def _of_convolution(at: Tensor, weight: Tensor) -> int:
    """Each value of `at`, the outputs, or the inputs of a transposed one, meets one filter's weights."""
    products: int = at.numel() * weight[0].numel()
    return products


def _convolution_backward(_out: Any, grad: Tensor, inputs: Tensor, weight: Tensor, *rest: Any) -> int:
    """As much as forward for the inputs, and again for the weights, whatever the groups.

    Torch's formula counts the weights' as if there were one group.
    """
    *_, transposed, _output_padding, _groups, wanted = rest
    ways = sum(map(bool, wanted[:2]))
    return ways * _of_convolution(inputs if transposed else grad, weight)


# Multiply-adds from what an operator gives and takes. Reading a deformable convolution's inputs between
# pixels has none, as all resizing.
FORMULAS: dict[str, Callable[..., int]] = {
    "aten::convolution_backward": _convolution_backward,
    "aten::mv": lambda _out, matrix, _vector: matrix.numel(),
    "aten::addmv": lambda _out, _added, matrix, _vector, **_factors: matrix.numel(),
    "aten::dot": lambda _out, one, _other: one.numel(),
    "torchvision::deform_conv2d": lambda out, _inputs, weight, *_: _of_convolution(out, weight),
    "torchvision::_deform_conv2d_backward": lambda _out, grad, _inputs, weight, *_: (
        2 * _of_convolution(grad, weight)
    ),
}

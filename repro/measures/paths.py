"""The ways from an image to what a net puts out, and how many weighted layers lie on each.

Veit et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks", section 3: a
shortcut doubles the paths, so that n residual blocks have 2^n, and with equal blocks their lengths are
binomial. Here any net is followed through a forward pass on the meta device: a convolution or a linear layer
makes each path one longer, and where several maps go into one operation (a sum, a product, a concatenation)
the paths of all of them go on. Ways that part and meet again without a weighted layer or another meeting
between, as in a response normalisation, are one.
"""

from contextlib import ExitStack
from itertools import zip_longest
from typing import Any, TypeAlias

from torch import Tensor, nn

from repro.bounds import NonNegativeInt, Size
from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.follow import Call, Followed
from repro.measures.layer import outputs_of
from repro.measures.static import WEIGHTED, forward, image

Lengths: TypeAlias = list[int]  # how many paths have 0, 1, 2, … weighted layers


def depth(model: nn.Module, size: Size, layer: str = "") -> int:
    """The weighted layers of the longest path, to the net's output or to that of a layer."""
    return len(_lengths(model, size, layer)) - 1


def paths(model: nn.Module, size: Size, layer: str = "") -> int:
    """How many paths there are to the net's output, or to that of a layer."""
    return sum(_lengths(model, size, layer))


@declare(unit="share")
def path_share(model: nn.Module, size: Size, least: NonNegativeInt, most: NonNegativeInt) -> float:
    """The share of the paths that have `least` to `most` weighted layers, 0 to 1."""
    lengths = _lengths(model, size, "")
    return sum(lengths[least : most + 1]) / sum(lengths)


def _lengths(model: nn.Module, size: int, layer: str) -> Lengths:
    x = image(model, size)
    with ExitStack() as stack:
        found = stack.enter_context(outputs_of(model, layer))
        followed = _Lengths(x, [1])
        stack.enter_context(followed)
        for module in model.modules():
            if isinstance(module, WEIGHTED):
                stack.callback(module.register_forward_hook(followed.lengthen).remove)
        forward(model, x)
    lengths = followed.of(found[-1])
    if lengths is None:
        raise ReproError("no path leads from the image to the output")
    return lengths


class _Lengths(Followed[Lengths]):
    """The lengths of the paths to every tensor."""

    def lengthen(self, _layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        lengths = self.of(output)
        if lengths is not None:
            self.tell(output, [0, *lengths])

    def follow(self, call: Call, inputs: list[Lengths]) -> list[Lengths]:
        first, *others = {id(lengths): lengths for lengths in inputs}.values()
        joined = [sum(counts) for counts in zip_longest(first, *others, fillvalue=0)] if others else first
        return [joined] * len(call.outputs)

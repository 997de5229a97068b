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
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.layer import outputs_of
from repro.measures.static import WEIGHTED, forward, image

Lengths: TypeAlias = list[int]  # how many paths have 0, 1, 2, … weighted layers


def depth(model: nn.Module, size: int, layer: str = "") -> int:
    """The weighted layers of the longest path, to the net's output or to that of a layer."""
    return len(_lengths(model, size, layer)) - 1


def paths(model: nn.Module, size: int, layer: str = "") -> int:
    """How many paths there are to the net's output, or to that of a layer."""
    return sum(_lengths(model, size, layer))


@declare(unit="share")
def path_share(model: nn.Module, size: int, least: int, most: int) -> float:
    """The share of the paths that have `least` to `most` weighted layers, 0 to 1."""
    lengths = _lengths(model, size, "")
    return sum(lengths[least : most + 1]) / sum(lengths)


def _lengths(model: nn.Module, size: int, layer: str) -> Lengths:
    x = image(model, size)
    with ExitStack() as stack:
        found = stack.enter_context(outputs_of(model, layer))
        followed = stack.enter_context(_Followed(x))
        for module in model.modules():
            if isinstance(module, WEIGHTED):
                stack.callback(module.register_forward_hook(followed.lengthen).remove)
        forward(model, x)
    lengths = followed.by(found[-1])
    if lengths is None:
        raise ReproError("no path leads from the image to the output")
    return lengths


class _Followed(TorchDispatchMode):
    """The lengths of the paths to every tensor. It holds the tensors, so that no id comes twice."""

    def __init__(self, x: Tensor):
        super().__init__()
        self.tensors: dict[int, tuple[Tensor, Lengths]] = {id(x): (x, [1])}

    def by(self, tensor: Any) -> Lengths | None:
        return self.tensors[id(tensor)][1] if id(tensor) in self.tensors else None

    def lengthen(self, _layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        lengths = self.by(output)
        if lengths is not None:
            self.tensors[id(output)] = output, [0, *lengths]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        found = [lengths for lengths in map(self.by, tree_leaves((args, kwargs))) if lengths is not None]
        if found:
            first, *others = {id(lengths): lengths for lengths in found}.values()
            joined = [sum(counts) for counts in zip_longest(first, *others, fillvalue=0)] if others else first
            for output in tree_leaves(result):
                if isinstance(output, Tensor):
                    self.tensors[id(output)] = output, joined
        return result

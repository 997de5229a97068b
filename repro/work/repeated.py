"""Random weights of nets that are only timed: a few are drawn, and repeated.

Drawing those of VGG-16 takes longer than timing it. They have the spread that the net asks for, so that maps
neither vanish nor overflow, and kernels take as long as with weights that are all drawn.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

DRAWN = 65_521  # numbers of a tensor: a prime, so that the rows of no layer repeat in step
DRAWS = (torch.ops.aten.normal_.default, torch.ops.aten.uniform_.default)


class Repeated(TorchDispatchMode):
    """In this context what is drawn into a large tensor begins anew after so many numbers."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func not in DRAWS or args[0].numel() <= DRAWN or not args[0].is_contiguous():
            return func(*args, **(kwargs or {}))
        tensor: Tensor = args[0]
        few = func(tensor.new_empty(DRAWN), *args[1:], **(kwargs or {}))
        for part in tensor.view(-1).split(DRAWN):
            part.copy_(few[: len(part)])
        return tensor

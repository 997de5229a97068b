"""For a process with the null GPU: cuDNN and cuBLAS are not called. Shapes are right, values are not.

What they would have done counts as one kernel each: a convolution, its bias, a gradient, a product.
"""

import ctypes
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
kernels = ctypes.c_long.in_dll(ctypes.CDLL("libcuda.so.1"), "null_kernels")


def convolution(images: "Tensor", weight: "Tensor", bias: "Tensor | None", *how: Any) -> "Tensor":
    import torch

    kernels.value += 1 + (bias is not None)
    on_meta = [part if part is None else part.to("meta") for part in (images, weight, bias)]
    return torch.empty_like(torch.ops.aten.convolution(*on_meta, *how), device=images.device)


def convolution_backward(
    gradient: "Tensor", images: "Tensor", weight: "Tensor", biases: list[int] | None, *how: Any
) -> "tuple[Tensor | None, ...]":
    import torch

    wanted = how[-1]
    kernels.value += sum(wanted)
    return (
        torch.empty_like(images) if wanted[0] else None,
        torch.empty_like(weight) if wanted[1] else None,
        gradient.new_empty(biases) if wanted[2] else None,
    )


def product(first: "Tensor", second: "Tensor") -> "Tensor":
    kernels.value += 1
    return first.new_empty(*first.shape[:-1], second.shape[-1])


def sum_with_product(_: "Tensor", first: "Tensor", second: "Tensor", **scales: float) -> "Tensor":  # noqa: ARG001
    return product(first, second)


def instead() -> None:
    """Takes the place of what would call cuDNN and cuBLAS."""
    import torch

    global library  # what goes with it
    torch.backends.cudnn.enabled = False
    library = torch.library.Library("aten", "IMPL")
    for name, ours in (
        ("convolution", convolution),
        ("convolution_backward", convolution_backward),
        ("mm", product),
        ("bmm", product),
        ("addmm", sum_with_product),
    ):
        library.impl(name, ours, "CUDA")


class AfterTorch(MetaPathFinder):
    """Once torch is imported, and not before: many a process needs none."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        found = find_spec(name)
        assert found is not None and found.loader is not None
        execute = found.loader.exec_module

        def execute_and_more(module: ModuleType) -> None:
            execute(module)
            instead()

        found.loader.exec_module = execute_and_more  # type: ignore[method-assign]
        return found


sys.meta_path.insert(0, AfterTorch())

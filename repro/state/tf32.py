"""TF32: fp32 whose products are rounded to 10 bits on CUDA, where tensor cores then do them.

Nets are what they are in fp32: what differs is a setting of the process. CPUs have no such products, and
there the numbers are those of fp32.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from repro.recipe import Recipe
from repro.state import devices
from repro.trial import TrialSpec


@contextmanager
def products(recipe: Recipe | None) -> Iterator[None]:
    """Those that a recipe asks for, inside `devices.flags`; then as before."""
    if recipe is None or recipe.precision != "tf32":
        yield
        return
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn  # a module that makes its settings as it is imported
    conv = cudnn.conv
    before = matmul.fp32_precision, conv.fp32_precision
    devices.matmul_peak.cache_clear()  # of fp32 it is another with other products
    matmul.fp32_precision = conv.fp32_precision = "tf32"
    try:
        yield
    finally:
        matmul.fp32_precision, conv.fp32_precision = before
        devices.matmul_peak.cache_clear()


def as_fp32(spec: TrialSpec) -> TrialSpec:
    """The trial as its net sees it."""
    if spec.recipe is None or spec.recipe.precision != "tf32":
        return spec
    return spec.model_copy(update={"recipe": spec.recipe.model_copy(update={"precision": "fp32"})})

"""Nets that are compiled before they are trained."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from repro.errors import ReproError


def compiled(model: nn.Module) -> Callable[[Tensor], Any]:
    """The net's forward pass, compiled by its first call. That raises `ReproError` where it cannot be done:
    without a C++ compiler, or, for a GPU, without Triton.
    """
    from torch._dynamo.exc import TorchDynamoException  # 2 s, which others need not wait for

    forward = torch.compile(model)

    def call(images: Tensor) -> Any:
        try:
            return forward(images)
        except TorchDynamoException as error:
            said = str(error).strip().partition("\n")[0]
            remedy = "install what is missing, or leave `compile` out of the recipe"
            raise ReproError(f"compile: true does not work here ({said}); {remedy}") from error

    return call

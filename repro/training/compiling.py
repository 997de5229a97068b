"""How a net is called in training: as it is, compiled, or as CUDA graphs."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from repro.contracts import Outputs, Targets
from repro.errors import ReproError
from repro.state.net import State
from repro.training.graphs import NoGraph, graphed


def forward_pass(state: State, batch: tuple[Tensor, Targets]) -> Callable[[Tensor], Outputs]:
    """The net's, as its recipe wants it; `batch` is one as it will be trained on. As a CUDA graph a net gives
    what it gives otherwise: where that cannot be had, there is a warning, and it is called as it is.

    Raises `ReproError` where a compiled net cannot be had.
    """
    recipe = state.spec.recipe
    assert recipe is not None
    if recipe.compile:  # the compiler has a mode of its own, which `devices.flags` leaves alone
        torch.use_deterministic_algorithms(recipe.deterministic)
        return compiled(state.model)
    if recipe.cuda_graph and state.device.type == "cuda":
        try:
            return graphed(state, *batch)
        except NoGraph as error:
            warnings.warn(f"{error}; it is trained without one, more slowly", stacklevel=2)
    return state.model


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

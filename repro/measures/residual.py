"""Probes of residual nets: how large responses are, what blocks are needed for, which paths gradients take.

Responses are those of He et al. 2015, "Deep Residual Learning", Figure 7. Blocks and paths are those of Veit
et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks", sections 4.1 and 4.3.
All look at a copy of the net.
"""

from collections.abc import Callable
from copy import deepcopy
from math import comb, nan
from typing import Any, cast

import torch
from torch import Tensor, nn

from repro.bounds import NonNegativeInt, PositiveInt
from repro.contracts import Block
from repro.data.split import head
from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.layer import outputs_of
from repro.state.net import State
from repro.state.randomness import generator
from repro.treatments.lesion import blocks, lesion


def response_std(state: State, layer: str = "", images: PositiveInt = 128) -> float:
    """The standard deviation of all numbers that a layer puts out, of the net itself for "".

    For the paper's responses the layer is a batch normalisation: `stages.0.0.branch.1`, say. In fp32 and in
    evaluation mode, on the first `images` training images. Raises `ReproError` if there is no such layer.
    """
    model = deepcopy(state.model).eval()
    with outputs_of(model, layer) as found:
        _look(model, state, images)
    return float(found[-1].std())


def mean_response_std(state: State, images: PositiveInt = 128) -> float:
    """The mean of `response_std` over all 3×3 convolutions, each after its batch normalisation.

    Raises `ReproError` if no batch normalisation stands right behind a 3×3 convolution.
    """
    model = deepcopy(state.model).eval()
    outputs: list[Tensor] = []
    deviations: list[Tensor] = []

    def convolved(_layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        outputs[:] = [output]

    def normalised(_layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if outputs and inputs[0] is outputs[0]:
            deviations.append(output.std())

    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            module.register_forward_hook(convolved)
        elif isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(normalised)
    _look(model, state, images)
    if not deviations:
        raise ReproError("mean_response_std: no batch normalisation stands right behind a 3×3 convolution")
    return float(torch.stack(deviations).mean())


@declare(unit="share", better="lower")
def mean_lesion_error(state: State) -> float:
    """The mean test error without one block, over the blocks that keep the shape of their maps.

    Raises `ReproError` if there is none.

    The others are a net's only way to smaller and wider maps; without one of them it is ruined (Veit et al.,
    Figure 3).
    """
    model = deepcopy(state.model).eval()
    kept: list[bool] = []
    for name in blocks(model):
        model.get_submodule(name).register_forward_hook(
            lambda _block, inputs, output: kept.append(inputs[0].shape == output.shape)
        )
    _look(model, state, images=1)
    errors = [_error(lesion(state, block=block)) for block, same in enumerate(kept) if same]
    if not errors:
        raise ReproError("mean_lesion_error: the net has no block that keeps the shape of its maps")
    return sum(errors) / len(errors)


def _error(state: State) -> float:
    metrics = state.evaluate("test")
    if "test_error" not in metrics:
        raise ReproError(f"mean_lesion_error: the task '{state.spec.task}' has no test_error")
    return metrics["test_error"]


@declare(unit="share")
def path_gradient_share(
    state: State, least: NonNegativeInt, most: NonNegativeInt, images: PositiveInt = 128
) -> float:
    """The share of the loss's gradient by the image that comes through `least` to `most` blocks' branches.

    A path goes through each block by its branch or by its shortcut, each with the gate that weighs it, if one
    does: of the 2^n paths comb(n, k) have k branches. Their part is taken as comb(n, k) times the mean L2
    norm of the gradient along one of them, so that gradients of opposite signs do not cancel. The mean is
    over the first `images` training images, with one random path of each length for each. In fp32 and in
    evaluation mode, so that images do not mix. NaN if no gradient comes back at all. Raises `ReproError` if a
    block does not use its method `short_cut`, as a plain net's do not.
    """
    if not 0 <= least <= most:
        raise ReproError(f"path_gradient_share wants 0 ≤ least ≤ most, not {least} and {most}")
    model = deepcopy(state.model).eval().requires_grad_(False)
    count = len(blocks(model))
    inputs, targets = state.batch(*head(state.data.train, images))
    by_branch = torch.zeros(count, len(inputs), dtype=torch.bool, device=inputs.device)
    added: list[int] = []
    for name, chosen in zip(blocks(model), by_branch, strict=True):
        _part(model.get_submodule(name), chosen, added)
    loss = state.task.loss(model(inputs.requires_grad_()), targets)
    if len(added) < max(count, 1):
        raise ReproError(
            f"path_gradient_share: {len(added)} of the net's {count} blocks use their short_cut; all must"
        )
    randomness, parts = generator(state.spec.seed, "paths"), []
    for length in range(count + 1):
        places = torch.rand(count, len(inputs), generator=randomness).argsort(dim=0)
        by_branch.copy_(places < length)
        (gradient,) = torch.autograd.grad(loss, inputs, retain_graph=True)
        parts.append(comb(count, length) * float(gradient.flatten(1).norm(dim=1).mean()))
    if not any(parts):
        return nan
    return sum(parts[least : most + 1]) / sum(parts)


@torch.no_grad()
def _look(model: nn.Module, state: State, images: int) -> None:
    model(state.inputs(head(state.data.train, images)[0]))


def _part(block: nn.Module, by_branch: Tensor, added: list[int]) -> None:
    """Let gradients back through a block's branch where `by_branch` [N] says so, else through its shortcut.

    It is looked up as gradients pass. `added` gets an entry when the block asks for its shortcut.
    """
    short_cut = cast(Block, block).short_cut
    given: list[Tensor] = []

    def to_branch(_block: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        given[:] = inputs
        return (_only(inputs[0], lambda: by_branch),)

    def to_short_cut(*_: Any) -> Tensor:  # it was called with what lets gradients back for the branch alone
        added.append(1)
        return short_cut(_only(given[0], lambda: ~by_branch))

    block.register_forward_pre_hook(to_branch)
    vars(block)["short_cut"] = to_short_cut  # before a method and before a module of this name


def _only(x: Tensor, chosen: Callable[[], Tensor]) -> Tensor:
    """x, whose gradient comes back for the chosen images alone."""
    x = x.view_as(x)
    x.register_hook(lambda gradient: gradient * chosen()[:, None, None, None])
    return x

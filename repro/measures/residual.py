"""Probes of residual nets: how large responses are, how far blocks change what they get, which paths
gradients take.

Responses are those of He et al. 2015, "Deep Residual Learning", Figure 7, and a block's change is the F(x) =
H(x) − x of its section 3.1. Paths are those of Veit et al. 2016, "Residual Networks Behave Like Ensembles of
Relatively Shallow Networks", section 4.2. All look at a copy of the net.
"""

from collections.abc import Callable
from copy import deepcopy
from math import comb, nan
from typing import Any, Literal, cast

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
from repro.treatments.lesion import blocks

OVER: dict[str, Callable[[Tensor], Tensor]] = {"least": torch.min, "mean": torch.mean, "most": torch.max}


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


@torch.no_grad()
def block_change(
    state: State, over: Literal["least", "mean", "most"] = "mean", images: PositiveInt = 128
) -> float:
    """‖H(x) − x‖ / ‖x‖, 0 for a block that is the identity: of all blocks the least, the mean or the most.

    x is what a block gets; H(x) is what its ReLU gets, behind the addition or, in a plain net, behind the
    branch. So this is ‖F(x)‖ / ‖x‖ where the shortcut is the identity. Only blocks that keep the shape of
    their maps are looked at. Norms are L2, of the maps of the first `images` training images together, in
    fp32 and in evaluation mode. Raises `ReproError` if there is no such block.
    """
    model = deepcopy(state.model).eval()
    changes: list[Tensor] = []
    for name in blocks(model):
        _compare(model.get_submodule(name), changes)
    _look(model, state, images)
    if not changes:
        raise ReproError("block_change: the net has no block that keeps the shape of its maps")
    return float(OVER[over](torch.stack(changes)))


def _compare(block: nn.Module, changes: list[Tensor]) -> None:
    """Add the change of a block to `changes` as images pass, if it keeps their shape."""
    given: list[Tensor] = []

    def enters(_block: nn.Module, inputs: tuple[Tensor]) -> None:
        given[:] = inputs

    def joins(_layer: nn.Module, inputs: tuple[Tensor]) -> None:
        changes.extend((inputs[0] - x).norm() / x.norm() for x in given if x.shape == inputs[0].shape)

    block.register_forward_pre_hook(enters)
    block.get_submodule("joined").register_forward_pre_hook(joins)


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

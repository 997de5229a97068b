"""Probes of residual nets without some of their blocks: Veit et al. 2016, "Residual Networks Behave Like
Ensembles of Relatively Shallow Networks", section 4.1.

Only blocks that keep the shape of their maps are deleted. The others are a net's only way to smaller and
wider maps; without one of them it is ruined (Figure 3).
"""

from copy import deepcopy
from dataclasses import replace

import torch

from repro.bounds import PositiveInt
from repro.data.split import head
from repro.declaration import declare
from repro.errors import ReproError
from repro.state.net import State
from repro.state.randomness import generator
from repro.treatments.lesion import blocks, without_block


@declare(unit="share", better="lower")
def mean_lesion_error(state: State) -> float:
    """The mean test error without one block, over the blocks that keep the shape of their maps.

    Raises `ReproError` if there is none.
    """
    errors = [_error(state, [block]) for block in _same_shape(state)]
    if not errors:
        raise ReproError("mean_lesion_error: the net has no block that keeps the shape of its maps")
    return sum(errors) / len(errors)


@declare(unit="share", better="lower")
def lesions_error(state: State, count: PositiveInt, draws: PositiveInt = 10) -> float:
    """The test error without `count` blocks at once, drawn at random: the mean over `draws` such draws.

    Figure 5 (a). Draws of more blocks hold those of fewer, so that a curve over `count` is of the same nets.
    Raises `ReproError` if fewer blocks keep the shape of their maps.
    """
    same = _same_shape(state)
    if count > len(same):
        raise ReproError(
            f"lesions_error: {len(same)} blocks of the net keep the shape of their maps, fewer than {count}"
        )
    randomness = generator(state.spec.seed, "lesions")
    orders = [torch.randperm(len(same), generator=randomness)[:count].tolist() for _ in range(draws)]
    return sum(_error(state, [same[place] for place in order]) for order in orders) / draws


@torch.no_grad()
def _same_shape(state: State) -> list[int]:
    """The blocks that keep the shape of their maps, counted from 0."""
    model = deepcopy(state.model).eval()
    kept: list[bool] = []
    for name in blocks(model):
        model.get_submodule(name).register_forward_hook(
            lambda _block, inputs, output: kept.append(inputs[0].shape == output.shape)
        )
    model(state.inputs(head(state.data.train, 1)[0]))
    return [block for block, same in enumerate(kept) if same]


def _error(state: State, deleted: list[int]) -> float:
    """The test error without these blocks."""
    model = state.model
    for block in deleted:  # one that is deleted keeps its place
        model = without_block(model, block)
    metrics = replace(state, model=model).evaluate("test")
    if "test_error" not in metrics:
        raise ReproError(f"a lesion's error: the task '{state.spec.task}' has no test_error")
    return metrics["test_error"]

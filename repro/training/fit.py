"""Whether a net, its data and its task fit: found out before the first step."""

import copy

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from repro.contracts import Outputs
from repro.errors import ReproError
from repro.state.memory import is_short
from repro.state.net import State
from repro.training.batches import Batches
from repro.training.cost import of_the_arm


def check_fit(state: State) -> None:
    """Puts two images of the first batch through the net, and a whole batch as it is trained on: without
    numbers, where the net does not look at them. Raises `ReproError` if they do not fit.
    """
    batch, batch_targets = Batches(state).at(0)
    images, targets = tree_map(lambda tensor: tensor[:2], (batch, batch_targets))
    outputs = _outputs(state, images)
    try:
        state.task.check(outputs, targets, len(state.data.class_names))
    except ReproError as error:
        data = state.spec.data.name
        raise ReproError(f"model '{state.spec.model.name}' with data set '{data}': {error}") from None
    if not any(tensor.is_floating_point() for tensor in tree_leaves(targets)):
        for doubt in state.data.doubts_of_labels:
            raise ReproError(f"data set '{state.spec.data.name}': {doubt}")
    _check_training(state, batch)


def _outputs(state: State, images: Tensor) -> Outputs:
    """In evaluation mode."""
    state.model.eval()
    try:
        with torch.no_grad(), state.autocast():
            return state.model(images)
    except (RuntimeError, ValueError, IndexError) as error:
        if is_short(error):
            raise
        name, shape = state.spec.model.name, _written(images.shape[1:])
        raise ReproError(f"model '{name}' does not take this data's images of {shape}: {error}") from error
    finally:
        state.model.train()


def _check_training(state: State, batch: Tensor) -> None:
    """Batch normalisation, say, wants more than one number a channel in training."""
    try:
        if of_the_arm(state) is None:  # it looks at numbers, or does not take such a batch
            with torch.no_grad(), state.autocast():
                copy.deepcopy(state.model)(batch)
    except (RuntimeError, ValueError, IndexError) as error:
        if is_short(error):
            raise
        name, shape = state.spec.model.name, _written(batch.shape)
        raise ReproError(f"model '{name}' cannot be trained on batches of {shape}: {error}") from error


def _written(shape: torch.Size) -> str:
    return "×".join(map(str, shape))

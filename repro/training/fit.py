"""Whether a net, its data and its task fit: found out before the first step."""

import torch
from torch.utils._pytree import tree_leaves, tree_map

from repro.errors import ReproError
from repro.state.net import State
from repro.training.batches import Batches


@torch.no_grad()
def check_fit(state: State) -> None:
    """Puts two images of the first batch through the net. Raises `ReproError` if they do not fit."""
    images, targets = tree_map(lambda tensor: tensor[:2], Batches(state).at(0))
    name, size = state.spec.model.name, "×".join(map(str, images.shape[2:]))
    state.model.eval()
    try:
        with state.autocast():
            outputs = state.model(images)
    except torch.OutOfMemoryError as error:
        raise ReproError(
            f"model '{name}' does not fit into the memory of {state.device} with images of {size}"
        ) from error
    except (RuntimeError, ValueError, IndexError) as error:
        shape = f"{images.shape[1]}×{size}"
        raise ReproError(f"model '{name}' does not take this data's images of {shape}: {error}") from error
    finally:
        state.model.train()
    try:
        state.task.check(outputs, targets, len(state.data.class_names))
    except ReproError as error:
        raise ReproError(f"model '{name}' with data set '{state.spec.data.name}': {error}") from None
    if not any(tensor.is_floating_point() for tensor in tree_leaves(targets)):
        for doubt in state.data.doubts_of_labels:
            raise ReproError(f"data set '{state.spec.data.name}': {doubt}")

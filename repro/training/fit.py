"""Whether a net takes its data's images and tells their classes apart: found out before the first step."""

import torch

from repro.errors import ReproError
from repro.state.net import State
from repro.training.batches import Batches


@torch.no_grad()
def check_fit(state: State) -> None:
    """Puts two images of the first batch through the net. Raises `ReproError` if they do not fit."""
    images, _ = Batches(state).at(0)
    name, size = state.spec.model.name, "×".join(map(str, images.shape[2:]))
    state.model.eval()
    try:
        with state.autocast():
            outputs = state.model(images[:2])
    except torch.OutOfMemoryError as error:
        raise ReproError(
            f"model '{name}' does not fit into the memory of {state.device} with images of {size}"
        ) from error
    except (RuntimeError, ValueError, IndexError) as error:
        shape = f"{images.shape[1]}×{size}"
        raise ReproError(f"model '{name}' does not take this data's images of {shape}: {error}") from error
    finally:
        state.model.train()
    classes = len(state.data.class_names)
    if not hasattr(state.task, "targets") and outputs.shape[1] < classes:
        raise ReproError(
            f"model '{name}' tells {outputs.shape[1]} classes apart, data set '{state.spec.data.name}' has "
            f"{classes}: leave `classes` out, and it is taken from the data"
        )

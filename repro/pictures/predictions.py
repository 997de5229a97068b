"""What nets make of a few fixed test images: the image, the truth, and each arm's answer beside it."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from repro.errors import ReproError
from repro.pictures.sheet import PALETTE, sheet
from repro.state.net import State
from repro.tasks.segmentation import predictions as labels


def predictions(states: dict[str, State], *, images: int = 6) -> Image.Image:
    """The first `images` test images, their pixels' truth, and what each arm predicts or, decoding, draws."""
    first = next(iter(states.values()))
    seen, truth = first.data.test_images[:images], first.data.test_targets[:images]
    if truth.ndim != 3:
        raise ReproError(
            f"there is no picture of predictions for '{first.spec.data.name}', which has a label an image"
        )
    columns = {"image": _pixels(seen), "truth": _colours(truth)}
    for arm, state in states.items():
        outputs = _outputs(state, images)
        draws = hasattr(state.task, "targets")  # its targets are made of the images
        columns[arm] = _drawn(state, outputs) if draws else _colours(labels(outputs))
    return sheet(columns)


@torch.no_grad()
def _outputs(state: State, images: int) -> Tensor:
    state.model.eval()
    with state.autocast():
        outputs = state.model(state.inputs(state.data.test_images[:images]))
    state.model.train()
    return outputs.float()


def _pixels(images: Tensor) -> list[np.ndarray]:
    """uint8 [N, 1 or 3, H, W] → N times [H, W, 3]"""
    return list(images.cpu().expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())


def _colours(classes: Tensor) -> list[np.ndarray]:
    """Labels [N, H, W] → N times [H, W, 3] in PASCAL VOC's colours"""
    return list(PALETTE[classes.cpu().numpy()])


def _drawn(state: State, outputs: Tensor) -> list[np.ndarray]:
    """Normalised images [N, C, H, W] that a net drew → N times [H, W, 3]"""
    if outputs.shape[1:2] != state.data.test_images.shape[1:2] or outputs.ndim != 4:
        raise ReproError(
            "there is no picture of outputs of shape "
            f"{list(outputs.shape)}: neither labels of pixels nor images"
        )
    mean = torch.tensor(state.data.mean, device=outputs.device).view(-1, 1, 1)
    std = torch.tensor(state.data.std, device=outputs.device).view(-1, 1, 1)
    return _pixels(((outputs * std + mean) * 255).round().clamp(0, 255).to(torch.uint8))

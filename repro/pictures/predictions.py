"""What nets make of a few fixed test images: the image, the truth, and each arm's answer beside it."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from repro.bounds import PositiveInt
from repro.data.split import head
from repro.errors import ReproError
from repro.measures.segmentation import check_masks
from repro.pictures.sheet import PALETTE, sheet, shown
from repro.state.net import State
from repro.tasks.segmentation import predictions as labels


def predictions(states: dict[str, State], *, images: PositiveInt = 6) -> Image.Image:
    """The first `images` test images, their pixels' truth, and what each arm predicts or, decoding, draws."""
    first = next(iter(states.values()))
    check_masks(first, "this picture")
    seen, truth = head(first.data.test, images)
    columns = {"image": _pixels(seen), "truth": _colours(truth)}
    for arm, state in states.items():
        outputs, (inputs, wanted) = _outputs(state, seen), state.batch(seen, truth)
        columns[arm] = _drawn(state, outputs) if wanted is inputs else _colours(labels(outputs))
    return sheet(columns)


@torch.no_grad()
def _outputs(state: State, images: Tensor) -> Tensor:
    state.model.eval()
    with state.autocast():
        outputs: Tensor = state.model(state.inputs(images))
    state.model.train()
    return outputs.float()


def _pixels(images: Tensor) -> list[np.ndarray]:
    """uint8 [N, C, H, W] → N times [H, W, 3]"""
    return [shown(image) for image in images]


def _colours(classes: Tensor) -> list[np.ndarray]:
    """Labels [N, H, W] → N times [H, W, 3] in PASCAL VOC's colours"""
    return list(PALETTE[classes.cpu().numpy()])


def _drawn(state: State, outputs: Tensor) -> list[np.ndarray]:
    """Normalised images [N, C, H, W] that a net drew → N times [H, W, 3]"""
    if outputs.ndim != 4 or outputs.shape[1] != len(state.data.mean):
        raise ReproError(
            "there is no picture of outputs of shape "
            f"{list(outputs.shape)}: neither labels of pixels nor images"
        )
    mean = torch.tensor(state.data.mean, device=outputs.device).view(-1, 1, 1)
    std = torch.tensor(state.data.std, device=outputs.device).view(-1, 1, 1)
    return _pixels(((outputs * std + mean) * 255).round().clamp(0, 255).to(torch.uint8))

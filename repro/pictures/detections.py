"""What detectors find in a few fixed test images: the truth, and each arm's boxes beside it."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from repro.bounds import PositiveFloat, PositiveInt
from repro.data.difficult import DifficultBoxes
from repro.data.split import head
from repro.data.targets import Boxes
from repro.errors import ReproError
from repro.pictures.sheet import PALETTE, sheet
from repro.state.net import State
from repro.tasks.detection import Answers

ENLARGED = 192  # pixels: smaller images are enlarged to about so many before boxes are drawn


def detections(
    states: dict[str, State], *, images: PositiveInt = 6, least: PositiveFloat = 0.3
) -> Image.Image:
    """The first `images` test images with the boxes of their items, and those that each arm finds with a
    score of `least` or more. A class has one of PASCAL VOC's colours.
    """
    first = next(iter(states.values()))
    seen, targets = head(first.data.test, images)
    if not isinstance(targets, Boxes | DifficultBoxes):
        raise ReproError(f"this picture wants data with boxes, which '{first.spec.data.name}' does not have")
    truth = targets.items if isinstance(targets, DifficultBoxes) else targets
    columns = {"truth": [_drawn(*row) for row in zip(seen, *truth, strict=True)]}
    for arm, state in states.items():
        columns[arm] = [_drawn(*row) for row in zip(seen, *_found(state, seen, least), strict=True)]
    return sheet(columns)


@torch.no_grad()
def _found(state: State, images: Tensor, least: float) -> Boxes:
    state.model.eval()
    with state.autocast():
        outputs = state.model(state.inputs(images))
    state.model.train()
    if not isinstance(outputs, Answers):
        raise ReproError(f"this picture wants detectors; model '{state.spec.model.name}' finds no boxes")
    found = outputs.detections()
    return Boxes(found.corners, found.labels.where(found.scores >= least, -1))


def _drawn(image: Tensor, corners: Tensor, labels: Tensor) -> np.ndarray:
    """uint8 [1 or 3, H, W] → [H · k, W · k, 3] with a frame around each box."""
    pixels = image.cpu().expand(3, -1, -1).permute(1, 2, 0).numpy()
    factor = max(1, round(ENLARGED / max(pixels.shape[:2])))
    drawn = Image.fromarray(pixels.repeat(factor, 0).repeat(factor, 1))
    draw = ImageDraw.Draw(drawn)
    for (x1, y1, x2, y2), label in zip((corners * factor).tolist(), labels.tolist(), strict=True):
        if label >= 0 and x1 < x2 and y1 < y2:
            ends = (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1))
            draw.rectangle(ends, outline=tuple(PALETTE[1 + label].tolist()), width=2)
    return np.asarray(drawn)

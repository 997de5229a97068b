"""Boxes on images: what pictures of detectors share."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from repro.data.difficult import DifficultBoxes
from repro.data.split import head
from repro.data.targets import Boxes
from repro.errors import ReproError
from repro.pictures.sheet import Colour, shown
from repro.state.net import State
from repro.tasks.average_precision import Found, Items
from repro.tasks.detection import Answers

ENLARGED = 256  # pixels: smaller images are enlarged to about so many before boxes are drawn
WIDTH = 3  # pixels of a frame
ITEM: Colour = (255, 255, 255)  # where boxes have the colours of what is right or wrong with them
INSIDE: Colour = (0, 0, 0)  # a line along each frame, by which it is seen on any ground


class Seen(NamedTuple):
    """Images, uint8 [N, C, H, W], and what they hold."""

    images: Tensor
    targets: Boxes | DifficultBoxes

    @property
    def items(self) -> Boxes:
        """Without those that do not count."""
        return self.targets.items if isinstance(self.targets, DifficultBoxes) else self.targets


def first_images(states: Mapping[str, State], count: int) -> Seen:
    """The first `count` test images. Raises `ReproError` for data without boxes."""
    first = next(iter(states.values()))
    images, targets = head(first.data.test, count)
    if not isinstance(targets, Boxes | DifficultBoxes):
        raise ReproError(f"this picture wants data with boxes, which '{first.spec.data.name}' does not have")
    return Seen(images, targets)


@torch.no_grad()
def answers(state: State, images: Tensor) -> Answers:
    """Of a net. Raises `ReproError` for one that is no detector."""
    state.model.eval()
    with state.autocast():
        outputs = state.model(state.inputs(images))
    state.model.train()
    if not isinstance(outputs, Answers):
        raise ReproError(f"this picture wants detectors; model '{state.spec.model.name}' finds no boxes")
    return outputs


def sure(found: Sequence[Found], items: Sequence[Items], least: float | None) -> list[Found]:
    """The detections of some images that score `least` or more; if that is None, the surest of all of them,
    as many as there are items: so nets whose scores mean different things are shown alike.
    """
    if least is None:
        scores = np.sort(np.concatenate([one.scores for one in found]))
        count = sum(int((~one.ignored).sum()) for one in items)
        least = scores[-min(count, len(scores))] if count and len(scores) else np.inf
    return [Found(*(part[one.scores >= least] for part in one)) for one in found]


def framed(image: Tensor, corners: Tensor | np.ndarray, colours: Sequence[Colour | None]) -> np.ndarray:
    """uint8 [C, H, W] → [H · k, W · k, 3] with a frame around each box of [D, 4] that has a colour.

    Later ones lie over earlier ones.
    """
    pixels = shown(image)
    factor = max(1, round(ENLARGED / max(pixels.shape[:2])))
    drawn = Image.fromarray(pixels.repeat(factor, 0).repeat(factor, 1))
    draw = ImageDraw.Draw(drawn)
    for (x1, y1, x2, y2), colour in zip((corners * factor).tolist(), colours, strict=True):
        if colour is not None and x1 < x2 and y1 < y2:
            box = (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1))
            draw.rectangle(box, outline=INSIDE, width=WIDTH + 1)
            draw.rectangle(box, outline=colour, width=WIDTH)
    return np.asarray(drawn)


def with_items(seen: Seen) -> list[np.ndarray]:
    """Each image with its items, all in one colour."""
    return [
        framed(image, corners, [ITEM if label >= 0 else None for label in labels.tolist()])
        for image, corners, labels in zip(seen.images, *seen.items, strict=True)
    ]

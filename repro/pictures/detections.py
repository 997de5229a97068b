"""What detectors find in a few fixed test images: the truth, and each arm's boxes beside it."""

import numpy as np
from PIL import Image
from torch import Tensor

from repro.bounds import PositiveFloat, PositiveInt
from repro.pictures.boxes import answers, first_images, framed
from repro.pictures.sheet import PALETTE, Colour, sheet
from repro.state.net import State


def detections(
    states: dict[str, State], *, images: PositiveInt = 6, least: PositiveFloat = 0.3
) -> Image.Image:
    """The first `images` test images with the boxes of their items, and those that each arm finds with a
    score of `least` or more. A class has one of PASCAL VOC's colours.
    """
    seen = first_images(states, images)
    columns = {"truth": [_drawn(*row) for row in zip(seen.images, *seen.items, strict=True)]}
    for arm, state in states.items():
        found = answers(state, seen.images).detections()
        labels = found.labels.where(found.scores >= least, -1)
        columns[arm] = [_drawn(*row) for row in zip(seen.images, found.corners, labels, strict=True)]
    return sheet(columns)


def _drawn(image: Tensor, corners: Tensor, labels: Tensor) -> np.ndarray:
    return framed(image, corners, [_colour(label) if label >= 0 else None for label in labels.tolist()])


def _colour(label: int) -> Colour:
    red, green, blue = PALETTE[1 + label].tolist()
    return red, green, blue

"""What is wrong with what detectors find in a few fixed test images, by Hoiem's kinds of error."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from repro.bounds import PositiveFloat, PositiveInt
from repro.pictures.boxes import ITEM, answers, first_images, framed, with_items
from repro.pictures.sheet import Colour, sheet
from repro.state.net import State
from repro.tasks.average_precision import Found, Items, Kind, kinds_of
from repro.tasks.detection import found_in, items_of

COLOURS: dict[Kind, tuple[str, Colour]] = {  # Okabe and Ito's, which the colour-blind tell apart
    Kind.CORRECT: ("right", (0, 158, 115)),
    Kind.LOCALISATION: ("badly placed, IoU .1 to .5", (230, 159, 0)),
    Kind.DUPLICATE: ("a second one of an item", (86, 180, 233)),
    Kind.OTHER: ("of another class", (204, 121, 167)),
    Kind.BACKGROUND: ("background", (213, 94, 0)),
}


def detection_errors(
    states: dict[str, State], *, images: PositiveInt = 6, least: PositiveFloat = 0.3
) -> Image.Image:
    """The first `images` test images with the boxes of their items, and those that each arm finds with a
    score of `least` or more, by what is wrong with them (`repro.tasks.average_precision.kinds_of`). The
    metrics count second ones of an item as badly placed.
    """
    seen = first_images(states, images)
    items = items_of(seen.targets)
    columns = {"truth": with_items(seen)}
    for arm, state in states.items():
        found = found_in(answers(state, seen.images).detections())
        sure = [Found(*(part[one.scores >= least] for part in one)) for one in found]
        columns[arm] = [_drawn(*row) for row in zip(seen.images, sure, items, strict=True)]
    return sheet(columns, {"item": ITEM, **dict(COLOURS.values())})


def _drawn(image: Tensor, found: Found, items: Items) -> np.ndarray:
    """The surest over the others; without those of items that do not count."""
    order = np.argsort(found.scores, kind="stable")
    kinds = kinds_of(found, items)
    colours = [None if (kind := kinds[number]) is None else COLOURS[kind][1] for number in order]
    return framed(image, torch.from_numpy(found.corners[order]), colours)

"""What is wrong with what detectors find in a few fixed test images, by Hoiem's kinds of error."""

import numpy as np
from PIL import Image
from torch import Tensor

from repro.bounds import PositiveFloat, PositiveInt
from repro.pictures.boxes import ITEM, answers, first_images, framed, sure, with_items
from repro.pictures.sheet import GREEN, PURPLE, SKY, VERMILION, YELLOW, Colour, sheet
from repro.state.net import State
from repro.tasks.average_precision import Found, Items, Kind, kinds_of
from repro.tasks.detection import found_in, items_of

COLOURS: dict[Kind, tuple[str, Colour]] = {
    Kind.CORRECT: ("right", GREEN),
    Kind.LOCALISATION: ("badly placed, IoU .1 to .5", YELLOW),
    Kind.DUPLICATE: ("a second one of an item", SKY),
    Kind.OTHER: ("of another class", PURPLE),
    Kind.BACKGROUND: ("background", VERMILION),
}


def detection_errors(
    states: dict[str, State], *, images: PositiveInt = 6, least: PositiveFloat | None = None
) -> Image.Image:
    """The first `images` test images with the boxes of their items, and those that each arm finds, by what is
    wrong with them (`repro.tasks.average_precision.kinds_of`): with a score of `least` or more, or by default
    the surest in all these images, as many as there are items. The metrics count second ones of an item as
    badly placed.
    """
    seen = first_images(states, images)
    items = items_of(seen.targets)
    columns = {"truth": with_items(seen)}
    for arm, state in states.items():
        found = sure(found_in(answers(state, seen.images).detections()), items, least)
        columns[arm] = [_drawn(*row) for row in zip(seen.images, found, items, strict=True)]
    return sheet(columns, {"item": ITEM, **dict(COLOURS.values())})


def _drawn(image: Tensor, found: Found, items: Items) -> np.ndarray:
    """The surest over the others; without those of items that do not count."""
    order = np.argsort(found.scores, kind="stable")
    kinds = kinds_of(found, items)
    colours = [None if (kind := kinds[number]) is None else COLOURS[kind][1] for number in order]
    return framed(image, found.corners[order], colours)

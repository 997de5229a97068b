"""What detectors find in a few fixed test images: the truth, and each arm's boxes beside it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from repro.bounds import PositiveFloat, PositiveInt
from repro.pictures.boxes import answers, first_images, framed, sure
from repro.pictures.sheet import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW, Colour, sheet
from repro.state.net import State
from repro.tasks.average_precision import Found, Items
from repro.tasks.detection import found_in, items_of

COLOURS = (ORANGE, BLUE, YELLOW, PURPLE, GREEN, VERMILION, SKY)  # neighbours are far apart
MORE: Colour = (160, 160, 160)  # of classes for which there is no colour left


def detections(
    states: dict[str, State], *, images: PositiveInt = 6, least: PositiveFloat | None = None
) -> Image.Image:
    """The first `images` test images with the boxes of their items, and those that each arm finds: with a
    score of `least` or more, or by default the surest in all these images, as many as there are items. Each
    class has a colour, seven of them at most.
    """
    seen = first_images(states, images)
    there = items_of(seen.items)
    found = {
        arm: sure(found_in(answers(state, seen.images).detections()), there, least)
        for arm, state in states.items()
    }
    labels = dict.fromkeys([*_labels(there), *(label for some in found.values() for label in _labels(some))])
    colours = {**dict.fromkeys(labels, MORE), **dict(zip(labels, COLOURS, strict=False))}
    boxes: dict[str, Sequence[Found | Items]] = {"truth": there, **found}
    columns = {
        name: [_drawn(image, one, colours) for image, one in zip(seen.images, some, strict=True)]
        for name, some in boxes.items()
    }
    names = next(iter(states.values())).data.class_names
    legend = {
        "another class" if colour == MORE else names[label]: colour for label, colour in colours.items()
    }
    return sheet(columns, legend)


def _labels(boxes: Iterable[Found | Items]) -> list[int]:
    """The classes of boxes in some images, each once."""
    return sorted({int(label) for one in boxes for label in one.labels})


def _drawn(image: Tensor, boxes: Found | Items, colours: Mapping[int, Colour]) -> np.ndarray:
    """The surest over the others, of which detections have the first come first."""
    return framed(image, boxes.corners[::-1], [colours[int(label)] for label in boxes.labels[::-1]])

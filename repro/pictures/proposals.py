"""Where detectors look in a few fixed test images: the best regions of each arm, and which are of items."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from repro.bounds import AboveZero, PositiveInt
from repro.data.targets import NONE
from repro.errors import ReproError
from repro.models.layers.boxes import ious
from repro.pictures.boxes import ITEM, Seen, answers, first_images, framed, with_items
from repro.pictures.sheet import ORANGE, SKY, Colour, sheet
from repro.state.net import State

HIT, MISS = SKY, ORANGE


def proposals(
    states: dict[str, State], *, images: PositiveInt = 6, proposals: PositiveInt = 10, iou: AboveZero = 0.5
) -> Image.Image:
    """The first `images` test images with the boxes of their items, and the first `proposals` regions that
    each arm looks at: those that overlap an item by an IoU of `iou` or more, and the others. What is searched
    or given by no net is shown as well as what one proposes.
    """
    seen = first_images(states, images)
    columns = {"truth": with_items(seen)}
    for arm, state in states.items():
        regions = _regions(state, seen.images)[:, :proposals]
        columns[arm] = [
            _drawn(*row) for row in zip(seen.images, regions, _hits(regions, seen, iou), strict=True)
        ]
    legend = {"item": ITEM, f"a region of an item, IoU {iou:g} or more": HIT, "another region": MISS}
    return sheet(columns, legend)


def _regions(state: State, images: Tensor) -> Tensor:
    """The best first: [N, R, 4]."""
    regions: Tensor | None = getattr(answers(state, images), "regions", None)
    if regions is None:
        raise ReproError(
            f"this picture wants detectors with regions; model '{state.spec.model.name}' looks at none"
        )
    return regions


def _hits(regions: Tensor, seen: Seen, iou: float) -> Tensor:
    """Whether each region [N, R, 4] is of an item, [N, R]."""
    corners, labels = (part.to(regions.device) for part in seen.items)
    return ((ious(regions, corners) >= iou) & (labels != NONE)[:, None]).any(2)


def _drawn(image: Tensor, regions: Tensor, hit: Tensor) -> np.ndarray:
    """Those of items over all others, and better ones over those that follow."""
    order = torch.arange(len(hit), device=hit.device).flip(0)
    order = order[hit[order].long().argsort(stable=True)]
    colours: list[Colour | None] = [HIT if of_item else MISS for of_item in hit[order].tolist()]
    return framed(image, regions[order], colours)

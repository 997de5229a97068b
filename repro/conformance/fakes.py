"""Made-up images, targets of every form and outputs that fit them, the same each time."""

import torch
from torch import Tensor

from repro.contracts import Targets
from repro.data.targets import IGNORE, NONE, Boxes

COUNT, CHANNELS, CLASSES, SIDE = 4, 3, 5, 8


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def images() -> Tensor:
    shape = (COUNT, CHANNELS, SIDE, SIDE)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator())


def inputs() -> Tensor:
    """The images as nets take them."""
    return images().float() / 128 - 1


def targets() -> dict[str, Targets]:
    """By form. All classes are there, a pixel without label, and images with fewer items than others."""
    masks = torch.randint(CLASSES, (COUNT, SIDE, SIDE), dtype=torch.uint8, generator=generator())
    masks[:, 0, 0] = IGNORE
    corners = torch.tensor([[1.0, 2.0, 5.0, 7.0], [0.0, 0.0, 8.0, 8.0]]).repeat(COUNT, 1, 1)
    items = torch.tensor([[4, 0]]).repeat(COUNT, 1)
    items[::2, 1], corners[::2, 1] = NONE, 0
    return {"labels": torch.arange(COUNT), "masks": masks, "boxes": Boxes(corners, items)}


def outputs() -> dict[str, Tensor]:
    """By what they are of. Those of nets with others, detectors say, cannot be made up."""
    shapes = {
        "scores of images": (COUNT, CLASSES),
        "scores of pixels": (COUNT, CLASSES, SIDE, SIDE),
        "images": (COUNT, CHANNELS, SIDE, SIDE),
    }
    return {name: torch.randn(shape, generator=generator()) for name, shape in shapes.items()}

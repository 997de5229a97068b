"""A stand-in for a set that is not here: as many images, of the same form, which take no memory."""

from dataclasses import dataclass

import torch
from torch import Tensor

from repro.contracts import Split
from repro.data.images import ImageSet
from repro.data.outlines import Outline
from repro.data.targets import IGNORE


@dataclass(frozen=True, eq=False)
class Blank(Split):
    """So many black images, without a class a pixel or of the first one, that take no memory."""

    count: int
    shape: tuple[int, int, int]
    masks: bool
    device: torch.device | str = "cpu"

    @property
    def index_device(self) -> torch.device:
        return torch.device(self.device)

    def __len__(self) -> int:
        return self.count

    def rows(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        many = len(indices)
        images = torch.zeros(many, *self.shape, dtype=torch.uint8, device=self.device)
        if self.masks:
            masks = torch.full((many, *self.shape[1:]), IGNORE, dtype=torch.uint8, device=self.device)
            masks[:, ::2] = 0
            return images, masks
        return images, torch.zeros(many, dtype=torch.int64, device=self.device)

    def to(self, device: torch.device | str) -> "Blank":
        return Blank(self.count, self.shape, self.masks, device)


def blank(outline: Outline, classes: int) -> ImageSet:
    """A set of the same form, to plan with."""
    channels = outline.shape[0]
    return ImageSet(
        train=Blank(outline.train, outline.shape, outline.masks),
        test=Blank(outline.test, outline.shape, outline.masks),
        class_names=tuple(map(str, range(classes))),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )

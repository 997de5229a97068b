"""A stand-in for a set that is not here: as many images, of the same form, which take no memory."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from repro.contracts import Split, Targets
from repro.data.difficult import DifficultBoxes
from repro.data.images import ImageSet
from repro.data.outlines import Outline
from repro.data.targets import IGNORE, NONE, Boxes


@dataclass(frozen=True, eq=False)
class Blank(Split):
    """So many black images that take no memory, of the first class: each as a whole, in every second row of
    its mask, or in one box of as many as there is room for.
    """

    count: int
    shape: tuple[int, int, int]
    masks: bool
    boxes: int = 0
    device: torch.device | str = "cpu"

    @property
    def index_device(self) -> torch.device:
        return torch.device(self.device)

    def __len__(self) -> int:
        return self.count

    def rows(self, indices: Tensor) -> tuple[Tensor, Targets]:
        many = len(indices)
        images = torch.zeros(many, *self.shape, dtype=torch.uint8, device=self.device)
        if self.boxes:
            return images, DifficultBoxes(self._boxes(many, 1), self._boxes(many, 0))
        if self.masks:
            masks = torch.full((many, *self.shape[1:]), IGNORE, dtype=torch.uint8, device=self.device)
            masks[:, ::2] = 0
            return images, masks
        return images, torch.zeros(many, dtype=torch.int64, device=self.device)

    def _boxes(self, many: int, items: int) -> Boxes:
        """The first `items` of each image are there, and have its middle in them."""
        _, height, width = self.shape
        corners = torch.zeros(many, self.boxes, 4, device=self.device)
        labels = torch.full((many, self.boxes), NONE, device=self.device)
        for end, side in enumerate((width, height)):
            corners[:, :items, end], corners[:, :items, end + 2] = side / 4, 3 * side / 4
        labels[:, :items] = 0
        return Boxes(corners, labels)

    def to(self, device: torch.device | str) -> "Blank":
        return replace(self, device=device)


def blank(outline: Outline, classes: int) -> ImageSet:
    """A set of the same form, to plan with."""
    channels = outline.shape[0]
    return ImageSet(
        train=Blank(outline.train, outline.shape, outline.masks, outline.boxes),
        test=Blank(outline.test, outline.shape, outline.masks, outline.boxes),
        class_names=tuple(map(str, range(classes))),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )

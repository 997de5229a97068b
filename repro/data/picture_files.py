"""A split whose images stay in files, and are read when their rows are wanted."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms import functional as transforms

from repro.contracts import Split
from repro.data.levels import read_picture


@dataclass(frozen=True, eq=False)
class PictureFiles(Split):
    """Colour pictures with labels, int64 [N]: the middle `size` × `size` pixels of each, once its shorter
    side is `resize` pixels long (bilinear over the source's area), as torchvision evaluates its nets.

    Pictures are decoded by as many threads as there are cores.
    """

    paths: Sequence[Path]
    labels: Tensor
    size: int
    resize: int
    device: torch.device | str = "cpu"

    @property
    def index_device(self) -> torch.device:
        return self.labels.device

    def __len__(self) -> int:
        return len(self.paths)

    def rows(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Raises `ReproError`, which names the file, where there is no picture in one."""
        here = indices.to(self.index_device)
        with ThreadPoolExecutor() as threads:
            images = list(threads.map(self._image, here.tolist()))
        return torch.stack(images).to(self.device), self.labels[here].to(self.device)

    def _image(self, row: int) -> Tensor:
        picture = transforms.resize(read_picture(self.paths[row]), self.resize)
        image: Tensor = transforms.pil_to_tensor(transforms.center_crop(picture, self.size))
        return image

    def to(self, device: torch.device | str) -> "PictureFiles":
        return replace(self, device=device)

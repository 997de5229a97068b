"""Hand-crafted features and a linear classifier: what came before nets that learn both.

Histograms of oriented gradients, Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human
Detection". Gradients by [-1, 0, 1], of the channel where they are largest; each votes with its size for the
two nearest of 9 orientations over half a turn; a cell is the mean of its votes; each block of 2×2 cells, one
cell on from the last, is scaled to a norm of 1, cut at 0.2 and scaled again ("L2-Hys").

The paper's cells have 8×8 pixels, of windows of 64×128, and share their votes with neighbours; these do not.
Its classifier is a support vector machine; this one is a linear layer, which the task trains.
"""

from math import pi

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repro.bounds import Size


class OrientedGradients(nn.Module):
    """[N, C, H, W] → [N, blocks down, blocks across, 4 · orientations]; nothing in it is trained."""

    def __init__(self, cell: int = 4, orientations: int = 9):
        super().__init__()
        self.cell, self.orientations = cell, orientations

    def forward(self, x: Tensor) -> Tensor:
        size, angle = _gradient(x.float())
        place = angle * (self.orientations / pi) - 0.5  # bin 0 is centred half a bin from 0
        centres = torch.arange(self.orientations, device=x.device)[:, None, None]
        apart = (place[:, None] - centres).abs()
        votes = size[:, None] * F.relu(1 - torch.minimum(apart, self.orientations - apart))
        cells = F.avg_pool2d(votes, self.cell)
        blocks = cells.unfold(2, 2, 1).unfold(3, 2, 1)  # [N, orientations, down, across, 2, 2]
        blocks = blocks.permute(0, 2, 3, 4, 5, 1).flatten(3)
        return F.normalize(F.normalize(blocks, dim=-1).clamp(max=0.2), dim=-1)


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Size and angle, from 0 to π, at each pixel [N, H, W]; at the border the image goes on as it ends."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    size, channel = (down**2 + across**2).sqrt().max(1, keepdim=True)
    angle = torch.atan2(down, across).gather(1, channel) % pi
    return size.squeeze(1), angle.squeeze(1)


class OrientedGradientNet(nn.Module):
    """[N, in_channels, size, size] → [N, classes]: a linear layer on the histograms.

    `cell` is the side of a cell in pixels. Raises ValueError if `size` is not of two cells or more.
    """

    def __init__(
        self,
        *,
        cell: Size = 4,
        size: Size = 28,
        in_channels: Size = 1,  # noqa: ARG002 - any number
        classes: Size = 10,
    ):
        super().__init__()
        if size < 2 * cell:
            raise ValueError(f"size must be that of two cells or more, {2 * cell}, not {size}")
        self.features = OrientedGradients(cell)
        blocks = size // cell - 1
        self.classifier = nn.Linear(4 * self.features.orientations * blocks**2, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits

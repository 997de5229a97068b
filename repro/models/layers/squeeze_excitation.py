"""Squeeze and excitation: Hu et al. 2017, "Squeeze-and-Excitation Networks", arXiv 1709.01507, section 3.

Squeeze: the mean of each channel over the map (equation 2). Excitation: two fully connected layers with a
ReLU between them and a sigmoid at the end, C → C/r → C (equation 3), here as 1×1 convolutions, which are the
same. Scale: each channel is multiplied by its score (equation 4). A block adds 2C²/r weights.

In a residual block it stands at the end of the branch, before the addition (Figure 3); in an Inception net
after each module, `nn.Sequential(module, SqueezeExcitation(...))` (Figure 2).
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

SQUEEZES: dict[str, Callable[[Tensor], Tensor]] = {
    "average": partial(torch.mean, dim=(2, 3), keepdim=True),
    "max": partial(torch.amax, dim=(2, 3), keepdim=True),
    "none": nn.Identity(),
}
GATES = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}


class SqueezeExcitation(nn.Module):
    """[N, channels, H, W] → the same shape. `squeezed` is C/r, the width between the two layers.

    `squeeze` and `gate` are the ablations of section 6; with squeeze "none" (their NoSqueeze) each pixel has
    its own score.
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        *,
        squeeze: Literal["average", "max", "none"] = "average",
        gate: Literal["sigmoid", "tanh", "relu"] = "sigmoid",
        activation: type[nn.Module] = nn.ReLU,
    ):
        super().__init__()
        if squeezed < 1:
            raise ValueError(f"the squeezed width of {channels} channels must be at least 1, not {squeezed}")
        self.squeeze, self.gate = SQUEEZES[squeeze], GATES[gate]
        self.excitation = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1), activation(), nn.Conv2d(squeezed, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.excitation(self.squeeze(x)))

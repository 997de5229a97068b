"""Ways to upsample a map by 2: Odena et al. 2016, "Deconvolution and Checkerboard Artifacts".

A transposed convolution whose kernel is not divisible by its stride covers some pixels more often than
others: 3×3 with stride 2 stamps 1, 2 or 4 times. 2×2 and 4×4 do so evenly, resizing and then convolving has
no such pattern. The net here is no paper's: a small encoder and a decoder that differ in `upsample` alone,
without skips.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repro.bounds import Depths, Size, Sizes
from repro.models.layers.interpolation import Bilinear
from repro.models.vgg_trunk import FullyConnected, VggTrunk, crop

# What makes a map of `width` channels, twice as high and wide. The last layer of a net alone has a bias.
UPSAMPLE: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "transposed2": lambda channels, width, bias: nn.ConvTranspose2d(channels, width, 2, stride=2, bias=bias),
    "transposed3": lambda channels, width, bias: nn.ConvTranspose2d(
        channels, width, 3, stride=2, padding=1, output_padding=1, bias=bias
    ),
    "transposed4": lambda channels, width, bias: nn.ConvTranspose2d(
        channels, width, 4, stride=2, padding=1, bias=bias
    ),
    "nearest": lambda channels, width, bias: nn.Sequential(
        nn.Upsample(scale_factor=2), nn.Conv2d(channels, width, 3, padding=1, bias=bias)
    ),
    "bilinear": lambda channels, width, bias: nn.Sequential(
        Bilinear(2), nn.Conv2d(channels, width, 3, padding=1, bias=bias)
    ),
    # Nothing is learnt about space: a 1×1 convolution, then bilinear interpolation.
    "fixed": lambda channels, width, bias: nn.Sequential(
        nn.Conv2d(channels, width, 1, bias=bias), Bilinear(2)
    ),
}


class Unpool(nn.Module):
    """Values go back to where the encoder's pooling found its maxima, zeros elsewhere; then a convolution.

    A 1×1 convolution first makes as many channels as the encoder has there. [N, C, H, W] → [N, width, 2H, 2W]
    """

    def __init__(self, channels: int, pooled: int, width: int, bias: bool):
        super().__init__()
        self.project = nn.Conv2d(channels, pooled, 1, bias=False)
        self.conv = nn.Conv2d(pooled, width, 3, padding=1, bias=bias)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        y: Tensor = self.conv(unpool(self.project(x), before))
        return y


def unpool(x: Tensor, before: Tensor) -> Tensor:
    """[N, C, H, W] and the map before the pooling, [N, C, 2H or 2H-1, …] → [N, C, 2H, 2W]

    Written without indices: `max_unpool2d` has no deterministic kernel on a GPU.
    """
    odd = (0, before.shape[-1] % 2, 0, before.shape[-2] % 2)
    phases = F.pixel_unshuffle(F.pad(before, odd, value=float("-inf")), 2).unflatten(1, (-1, 4))
    switches = phases.argmax(dim=2, keepdim=True) == torch.arange(4, device=x.device).view(4, 1, 1)
    return F.pixel_shuffle((x.unsqueeze(2) * switches).flatten(1, 2), 2)


class EncoderDecoder(nn.Module):
    """[N, in_channels, H, W] → [N, outputs, H, W], of any size.

    `outputs` is `classes` unless given (3: an autoencoder's).

    The encoder has a pooling by 2 for each of `widths`, then two 3×3 convolutions of `context` channels at
    rate 2. Each layer of the decoder upsamples by 2, to `decoder` channels and last to `outputs`; batch
    normalisation and ReLU stand between.
    """

    def __init__(
        self,
        *,
        upsample: Literal[
            "transposed2", "transposed3", "transposed4", "nearest", "bilinear", "unpool", "fixed"
        ],
        widths: Sizes = (16, 32, 48),
        depths: Depths = (1, 2, 2),
        context: Size = 64,
        decoder: tuple[Size, ...] = (48, 32),
        outputs: Size | None = None,
        in_channels: Size = 3,
        classes: Size = 10,
    ):
        super().__init__()
        if len(decoder) != len(widths) - 1:
            raise ValueError(
                f"decoder must have {len(widths) - 1} widths with {len(widths)} stages, not {len(decoder)}"
            )
        self.trunk = VggTrunk(widths=widths, depths=depths, batch_norm=True, in_channels=in_channels)
        self.context = FullyConnected(widths[-1], context, (3, 3), (2, 2), batch_norm=True, dropout=0.0)
        wanted = [*decoder, classes if outputs is None else outputs]
        inputs = [context, *decoder]
        self.ups, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, (channels, pooled, width) in enumerate(zip(inputs, reversed(widths), wanted, strict=True)):
            last = i == len(decoder)
            unpools = upsample == "unpool"
            self.ups.append(
                Unpool(channels, pooled, width, last)
                if unpools
                else UPSAMPLE[upsample](channels, width, last)
            )
            self.norms.append(nn.Identity() if last else nn.Sequential(nn.BatchNorm2d(width), nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        before = []
        for stage, pool in zip(self.trunk.stages, self.trunk.pools, strict=True):
            x = stage(x)
            before.append(x)
            x = pool(x)
        x = self.context(x)
        for up, norm, wanted in zip(self.ups, self.norms, reversed(before), strict=True):
            x = up(x, wanted) if isinstance(up, Unpool) else up(x)
            x = crop(norm(x), wanted)
        return x

"""The convolutions of VGG-16, for nets that label pixels: Simonyan and Zisserman 2014, Table 1, column D.

Stages of 3×3 convolutions and a pooling each; the defaults have 14,714,688 parameters at 3 input channels.
Fewer stages, other widths and depths, batch normalisation and separable convolutions are options.

The poolings are 2×2 and keep a last odd row or column (as Caffe's do), so that any size goes in. Where the
output stride is reached a pooling is 3×3 with stride 1 and later convolutions are atrous, as in DeepLab's
released net.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from repro.models.layers import atrous

VGG_16 = ((64, 128, 256, 512, 512), (2, 2, 3, 3, 3))  # widths and depths


class VggTrunk(nn.Module):
    """[N, in_channels, H, W] → each pooling's map, [N, widths[i], ⌈H/s⌉, ⌈W/s⌉], s = 2, 4, … `output_stride`.

    `rate` is the rate at which a layer after it sees what it would see at full stride, `channels` the last
    width. `width` multiplies `widths`. Without `last_pool` the last map is that of the last convolution.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        depths: tuple[int, ...] = (2, 2, 3, 3, 3),
        width: float = 1.0,
        last_pool: bool = True,
        output_stride: int | None = None,
        batch_norm: bool = False,
        separable_trunk: bool = False,
        in_channels: int = 3,
    ):
        super().__init__()
        if len(widths) != len(depths):
            raise ValueError(
                f"widths and depths must be as long as each other, not {len(widths)} and {len(depths)} stages"
            )
        self.stages = nn.ModuleList()
        self.pools = nn.ModuleList()
        self.widths = tuple(max(1, round(filters * width)) for filters in widths)
        channels, rate = in_channels, 1
        pooled = atrous.strides_and_rates([2] * len(widths), output_stride or 2 ** len(widths))
        for filters, depth, (stride, rate_after) in zip(self.widths, depths, pooled, strict=True):
            stage = nn.Sequential()
            for _ in range(depth):
                # Stays a full convolution: 9 weights for each colour make no features
                first = not (self.stages or stage)
                layer = atrous.separable if separable_trunk and not first else atrous.convolution
                stage.append(layer(channels, filters, rate=rate, batch_norm=batch_norm))
                channels = filters
            self.stages.append(stage)
            self.pools.append(
                nn.MaxPool2d(2, ceil_mode=True) if stride == 2 else nn.MaxPool2d(3, stride=1, padding=1)
            )
            rate = rate_after
        if not last_pool:
            self.pools[-1] = nn.Identity()
        self.rate, self.channels = rate, channels
        whole = (
            (self.widths, tuple(depths)) == VGG_16
            and in_channels == 3
            and not (batch_norm or separable_trunk)
        )
        self.source = "vgg16" if whole else None  # torchvision's net with the same weights

    def carry_over(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of torchvision's `source`, which come in the same order."""
        features = [weight for name, weight in weights.items() if name.startswith("features.")]
        self.load_state_dict(dict(zip(self.state_dict(), features, strict=True)))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage, pool in zip(self.stages, self.pools, strict=True):
            x = pool(stage(x))
            maps.append(x)
        return maps


class FullyConnected(nn.Sequential):
    """VGG's fc6, fc7, … as convolutions that keep the map's size, with ReLU and dropout.

    [N, C, H, W] → [N, width, H, W].

    On a 7×7 map, the middle output of fc6 with a 7×7 kernel is that of the linear layer with the same
    weights.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernels: tuple[int, ...] = (7, 1),
        rates: tuple[int, ...] = (1, 1),
        *,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ):
        if len(kernels) != len(rates):
            raise ValueError(
                f"kernels and rates must be as long as each other, not {len(kernels)} and {len(rates)} layers"
            )
        inputs = [channels, *[width] * (len(kernels) - 1)]
        for_each = zip(inputs, kernels, rates, strict=True)
        layers = [
            atrous.convolution(c, width, kernel, rate=rate, batch_norm=batch_norm)
            for c, kernel, rate in for_each
        ]
        super().__init__(*(nn.Sequential(*layer, nn.Dropout(dropout)) for layer in layers))

    @torch.no_grad()
    def carry_over(self, weights: Mapping[str, Tensor]) -> None:
        """Take torchvision's fc6, fc7; of smaller layers every n-th filter and tap (v1, section 3.1)."""
        side = 7  # of the map that fc6 sees
        for layer, name in zip(self, ("classifier.0", "classifier.3"), strict=True):
            conv = next(module for module in layer.modules() if isinstance(module, nn.Conv2d))
            weight: Tensor = weights[f"{name}.weight"].unflatten(1, (-1, side, side))
            taps = torch.linspace(0, side - 1, conv.kernel_size[0]).round().long()
            sizes = zip(conv.weight.shape[:2], weight.shape[:2], strict=True)
            rows, columns = (torch.arange(kept) * (whole // kept) for kept, whole in sizes)
            conv.weight.copy_(weight[rows][:, columns][:, :, taps][..., taps])
            if conv.bias is not None:
                conv.bias.copy_(weights[f"{name}.bias"][rows])
            side = 1


def crop(x: Tensor, like: Tensor) -> Tensor:
    """Without the rows and columns that poolings added by rounding up. [N, C, H, W] → [N, C, H′, W′]"""
    return x[..., : like.shape[-2], : like.shape[-1]]

"""ResNets for nets that label pixels: He et al. 2015, arXiv 1512.03385, made atrous as in DeepLab v3.

torchvision's `Bottleneck` (stride in the 3×3 convolution) in stages behind a 7×7 convolution and a pooling of
stride 4. A stage whose stride would exceed the output stride keeps the map and doubles its rate, in all its
units (torchvision's first unit keeps the rate before); from the fourth stage on, `multi_grid` multiplies the
rate unit by unit (arXiv 1706.05587, section 3.2.1). More than four stages are that paper's cascade of block5,
block6, block7: copies of the fourth.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from repro.models.layers.atrous import strides_and_rates
from repro.models.layers.convolutions import normalised
from repro.models.layers.stems import stem_of

UNGRIDDED = 3  # stages before block4
SOURCES: dict[tuple[int, ...], str] = {  # torchvision's, by depths
    (3, 4, 6, 3): "resnet50",
    (3, 4, 23, 3): "resnet101",
    (3, 8, 36, 3): "resnet152",
}


class ResNetTrunk(nn.Module):
    """[N, in_channels, H, W] → each stage's map, [N, 4 · widths[i], H/s, W/s], s = 4, 8, … `output_stride`.

    `depths` counts the units of a stage: (3, 4, 6, 3) is ResNet-50, (3, 4, 23, 3) ResNet-101.
    """

    def __init__(
        self,
        *,
        depths: tuple[int, ...] = (3, 4, 6, 3),
        widths: tuple[int, ...] = (64, 128, 256, 512),
        output_stride: int | None = None,
        multi_grid: tuple[int, ...] = (1, 1, 1),
        in_channels: int = 3,
    ):
        super().__init__()
        if len(widths) != len(depths):
            raise ValueError(
                f"widths and depths must be as long as each other, not {len(widths)} and {len(depths)} stages"
            )
        strides = [1] + [2] * (len(widths) - 1)
        placed = strides_and_rates(strides, output_stride or 2 ** (len(widths) + 1), stem=4)
        self.stem = stem_of("imagenet", in_channels, widths[0])
        self.stages = nn.ModuleList()
        channels = widths[0]
        for i, (width, depth, (stride, rate)) in enumerate(zip(widths, depths, placed, strict=True)):
            out = width * Bottleneck.expansion
            projection = normalised(channels, out, 1, stride)
            rates = [
                rate * (multi_grid[unit % len(multi_grid)] if i >= UNGRIDDED else 1) for unit in range(depth)
            ]
            first = Bottleneck(channels, width, stride, projection, dilation=rates[0])
            self.stages.append(
                nn.Sequential(first, *(Bottleneck(out, width, dilation=rate) for rate in rates[1:]))
            )
            channels = out
        self.widths, self.channels = tuple(width * Bottleneck.expansion for width in widths), channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        whole = tuple(widths[:4]) == (64, 128, 256, 512) and in_channels == 3
        # torchvision's net with the same weights. A cascade has three units in block 4, of ResNet-50 and -101
        # alike.
        self.source = SOURCES.get(tuple(depths[:4])) if whole else None

    def carry_over(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of torchvision's `source`; the stages of a cascade take those of the fourth."""
        given = {"stem.0.weight": weights["conv1.weight"]}
        given |= {f"stem.1.{name[4:]}": weight for name, weight in weights.items() if name.startswith("bn1.")}
        for i in range(len(self.stages)):
            layer = f"layer{min(i + 1, 4)}."
            given |= {
                f"stages.{i}.{name[7:]}": weight for name, weight in weights.items() if name.startswith(layer)
            }
        fits = self.state_dict()  # the first unit of a copied stage has more channels before it than layer4's
        missing = self.load_state_dict(
            {k: w for k, w in given.items() if w.shape == fits[k].shape}, strict=False
        ).missing_keys
        assert all(name.startswith(("stages.4", "stages.5", "stages.6")) for name in missing), missing

    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

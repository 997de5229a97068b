"""Plain and residual networks for 32×32 images: He et al. 2015, "Deep Residual Learning", section 4.2.

The paper's net has 6n+2 weighted layers: a 3×3 convolution, three stages of n pairs of 3×3 convolutions with
16/32/64 filters, global average pooling and a 10-way linear layer. Each stage after the first halves the map.
Table 6 counts 0.27/0.46/0.66/0.85/1.7 M parameters at depth 20/32/44/56/110.

Shortcuts are the paper's option A on CIFAR: identity, with zero channels where the width grows (no
parameters). Option B projects there with a 1×1 convolution and batch normalisation.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F


class Pair(nn.Module):
    """Two 3×3 convolutions, with the shortcut around them if `residual`. [N, C, H, W] → [N, width, H/stride,
    W/stride]
    """

    def __init__(self, channels: int, width: int, stride: int, residual: bool, shortcut: str):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.residual, self.stride, self.new_channels = residual, stride, width - channels
        self.projection = None
        if residual and shortcut == "B" and (stride > 1 or width != channels):
            self.projection = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        self.joined = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.residual:
            y = y + self.short_cut(x)
        return self.joined(y)

    def short_cut(self, x: Tensor) -> Tensor:
        if self.projection is not None:
            return self.projection(x)
        if self.stride > 1 or self.new_channels:
            # Every stride-th pixel, as `x[:, :, ::stride, ::stride]`, whose gradient would come back in
            # another layout and take the whole branch before it off the fast path: 8 to 12 % of a training
            # step at 20 layers.
            kept = F.avg_pool2d(x, 1, self.stride)
            return F.pad(kept, (0, 0, 0, 0, 0, self.new_channels))
        return x


class CifarResNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes]. `residual=False` is the plain net.

    `depth` is 6n+2 (20, 32, 44, 56, 110 in Table 6; any other raises ValueError); `width` 16 is the paper's.
    """

    def __init__(
        self,
        depth: int,
        *,
        residual: bool = True,
        shortcut: Literal["A", "B"] = "A",
        width: int = 16,
        in_channels: int = 3,
        classes: int = 10,
    ):
        super().__init__()
        pairs, rest = divmod(depth - 2, 6)
        if rest or pairs < 1:
            raise ValueError(f"depth must be 6n+2 (8, 14, 20, …), not {depth}")
        widths = [stage_width for stage_width in (width, 2 * width, 4 * width) for _ in range(pairs)]
        strides = [2 if pair and pair % pairs == 0 else 1 for pair in range(3 * pairs)]
        inputs = [width, *widths[:-1]]
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stages = nn.Sequential(
            *(
                Pair(channels, out, stride, residual, shortcut)
                for channels, out, stride in zip(inputs, widths, strides, strict=True)
            )
        )
        self.classifier = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # The paper's [13], He et al. 2015b
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.stages(self.stem(x)).mean(dim=(2, 3)))

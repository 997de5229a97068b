"""A small net whose last convolutions can be deformable: what Dai et al. 2017 ask, for small images.

"Deformable Convolutional Networks", arXiv 1703.06211. The paper replaces the last 3×3 convolutions of a
ResNet-101 that segments or detects (Table 1 has none, 1, 2, 3 and 6 of them); here a net of four convolutions
classifies, and its last two, at a quarter of the images' side, are deformable or not.
"""

from torch import Tensor, nn

from repro.bounds import Size
from repro.models.layers.convolutions import rectified
from repro.models.layers.sampled_deformable import SampledDeformableConvolution


class DeformableNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes].

    `width` is that of the first convolution, of stride 2; the second has twice as many filters, and `last`
    counts those of the third and fourth, behind a 2×2 pooling. Plain and deformable nets start with the same
    weights, and so, with offsets of 0, as the same function.
    """

    def __init__(
        self,
        *,
        deformable: bool = False,
        width: Size = 16,
        last: Size = 48,
        in_channels: Size = 1,
        classes: Size = 10,
    ):
        super().__init__()
        self.features = nn.Sequential(
            *(rectified(in_channels, width, 3, 2), rectified(width, 2 * width, 3), nn.MaxPool2d(2)),
            *(rectified(2 * width, last, 3), rectified(last, last, 3)),
        )
        self.classifier = nn.Linear(last, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if deformable:
            found = [(name, m) for name, m in self.named_modules() if isinstance(m, nn.Conv2d)]
            for name, plain in found[-2:]:
                self.set_submodule(name, deformed(plain))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean(dim=(2, 3)))
        return logits


def deformed(plain: nn.Conv2d) -> SampledDeformableConvolution:
    """The deformable convolution with the weights of a plain one."""
    layer = SampledDeformableConvolution(
        plain.in_channels, plain.out_channels, plain.kernel_size, padding=plain.padding, bias=False
    )
    layer.weight = plain.weight
    return layer

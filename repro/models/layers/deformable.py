"""Deformable convolution: Dai et al. 2017, "Deformable Convolutional Networks", arXiv 1703.06211.

A second convolution, with the same kernel, stride and rate, reads the same map and gives each output pixel a
shift of each of the kernel's positions: 2·9 channels for 3×3. The kernel's weights are unchanged; what they
multiply is read at the shifted positions, between pixels bilinearly. Offsets start at zero (section 2.3), as
the plain convolution.
"""

from typing import Any

import torch
from torch import Tensor, nn


class DeformableConvolution(nn.Conv2d):
    """A convolution, with its arguments, and `offsets` in pixels: (dy, dx) a position, 2·kernel² channels."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        positions = self.kernel_size[0] * self.kernel_size[1]
        way: Any = (self.kernel_size, self.stride, self.padding, self.dilation)
        self.offsets = nn.Conv2d(self.in_channels, 2 * positions, *way)
        for parameter in self.offsets.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        from torchvision.ops import deform_conv2d  # here, for it imports for 3 s, and few nets need it

        # It has no bfloat16 on the CPU.
        y: Tensor = deform_conv2d(
            x.float(),
            self.offsets(x).float(),
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
        )
        return y


def deform_last(net: nn.Module, count: int) -> None:
    """Make the last `count` 3×3 convolutions of a net deformable, in place: Table 1 has 1, 2, 3 and 6.

    Their weights stay, so that the net still computes what it did. Raises ValueError if it has not as many.
    """
    found = [
        (name, module)
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
    ]
    if not 0 <= count <= len(found):
        raise ValueError(f"deformable must be 0 to {len(found)}, the number of 3×3 convolutions, not {count}")
    for name, plain in found[len(found) - count :]:
        with torch.device(plain.weight.device):
            deformable = DeformableConvolution(
                plain.in_channels,
                plain.out_channels,
                plain.kernel_size,
                plain.stride,
                plain.padding,
                plain.dilation,
                plain.groups,
                plain.bias is not None,
            )
        deformable.weight, deformable.bias = plain.weight, plain.bias
        net.set_submodule(name, deformable)

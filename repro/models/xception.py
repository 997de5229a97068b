"""The modified aligned Xception of DeepLab v3+: Chen et al. 2018, arXiv 1802.02611, Figure 4.

Entry flow: 3×3 convolutions of 32 (stride 2) and 64, then blocks of 128, 256 and 728, each of three separable
convolutions whose last has stride 2. Middle flow: 16 blocks of 728. Exit flow: a block of 728, 1024, 1024
and, without a shortcut, one of 1536, 1536, 2048. Every pooling of Xception became a stride, so that any may
become a rate.

Figure 4 has batch normalisation and ReLU after every depthwise filter; the net the authors released, which
timm carries, has ReLU there in the last block alone and before each separable convolution in the others. This
follows the released net, also in what the decoder of v3+ gets: the second separable convolution of the second
block, normalised, before the ReLU (`entry_flow/block2/unit_1/xception_module/separable_conv2_pointwise`).
"""

from torch import Tensor, nn
from torch.nn import functional as F

from repro.models.layers.atrous import separable, strides_and_rates
from repro.models.layers.convolutions import normalised, rectified

EPSILON = 1e-3  # of batch normalisation, in the released net


class XceptionTrunk(nn.Module):
    """[N, in_channels, H, W] → two maps: [N, widths[3], H/4, W/4] and [N, widths[7], H/output_stride, …].

    The first is inside the second block, before its stride and the ReLU there. `widths` are those of the two
    convolutions, the three blocks of the entry flow and, of the exit flow, 1024, 1536, 2048; `depths` holds
    the blocks of the middle flow.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (32, 64, 128, 256, 728, 1024, 1536, 2048),
        depths: tuple[int, ...] = (16,),
        output_stride: int = 32,
        in_channels: int = 3,
    ):
        super().__init__()
        if len(widths) != 8 or len(depths) != 1:
            raise ValueError(f"Xception has 8 widths and 1 depth, not {len(widths)} and {len(depths)}")
        first, second, third, fourth, middle, exit_, deep, last = widths
        strided = strides_and_rates((2, 2, 2, 2), output_stride, stem=2)
        rates = [1, *(rate for _, rate in strided)]  # of the blocks: what came before sets it
        strides = [stride for stride, _ in strided]
        self.stem = nn.Sequential(*rectified(in_channels, first, 3, 2), *rectified(first, second, 3))
        self.first = Block(second, (third,) * 3, strides[0], rates[0])
        self.second = Block(third, (fourth,) * 3, strides[1], rates[1])
        self.third = Block(fourth, (middle,) * 3, strides[2], rates[2])
        self.middle = nn.Sequential(*(Block(middle, (middle,) * 3, 1, rates[3]) for _ in range(depths[0])))
        self.exit = Block(middle, (middle, exit_, exit_), strides[3], rates[3])
        self.last = nn.Sequential(
            *(separable(c, w, rate=rates[4]) for c, w in ((exit_, deep), (deep, deep), (deep, last)))
        )
        self.widths, self.channels = (fourth, last), last
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = EPSILON

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.first(self.stem(x))
        low = self.second.before_stride(x)
        x = self.third(self.second.join(low, x))
        return [low, self.last(self.exit(self.middle(x)))]


class Block(nn.Module):
    """ReLU and a separable convolution, three times, and a shortcut around.

    [N, C, H, W] → [N, widths[2], H/stride, W/stride].
    """

    def __init__(self, channels: int, widths: tuple[int, int, int], stride: int, rate: int):
        super().__init__()
        plain = channels == widths[-1] and stride == 1
        self.shortcut = nn.Identity() if plain else normalised(channels, widths[-1], 1, stride)
        one, two, three = widths
        self.before_stride = nn.Sequential(
            *(nn.ReLU(), *separated(channels, one, 1, rate)),
            *(nn.ReLU(), *separated(one, two, 1, rate)),
        )
        self.strided = separated(two, three, stride, rate)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(self.before_stride(x), x)

    def join(self, inner: Tensor, x: Tensor) -> Tensor:
        joined: Tensor = self.strided(F.relu(inner)) + self.shortcut(x)
        return joined


def separated(channels: int, width: int, stride: int, rate: int) -> nn.Sequential:
    depthwise = normalised(channels, channels, 3, stride, rate=rate, groups=channels)
    return depthwise.extend(normalised(channels, width, 1))

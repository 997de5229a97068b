"""Residual nets that are trained through short paths alone.

Veit et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks", section 4.3, train
on 23 of 54 blocks, drawn anew for each batch; the others pass on their shortcut. In evaluation all blocks are
in it here, each weighed by how often it was drawn, as in Huang et al. 2016, "Deep Networks with Stochastic
Depth", arXiv 1603.09382, equation 5.
"""

import torch
from torch import Tensor

from repro.bounds import Depth, NonNegativeInt, Size
from repro.models.resnet import Block, ResNet, equal_stages


class StochasticBlock(Block):
    """relu(branch(x) + short_cut(x)), in training without the branch if not `drawn`; in evaluation `share` of
    the branch is added.
    """

    def __init__(self, block: Block, share: float):
        super().__init__(block.branch, block.short_cut, residual=True)
        self.share = share
        self.drawn = True

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.short_cut(x)
        if not self.training:
            y = y + self.share * self.branch(x)
        elif self.drawn:
            y = y + self.branch(x)
        else:  # a gradient of 0, for torch's fused optimizers want one of each parameter or of none
            y = y + 0 * sum(parameter.sum() for parameter in self.branch.parameters())
        joined: Tensor = self.joined(y)
        return joined


class StochasticResNet(ResNet):
    """`cifar_resnet`, with the same weights at the start, of whose blocks each batch trains `active`.

    [N, in_channels, H, W] → [N, classes]. Raises ValueError for a depth that is not 6n+2, and unless it has
    as many blocks.
    """

    def __init__(
        self,
        depth: Depth,
        *,
        active: NonNegativeInt,
        width: Size = 16,
        in_channels: Size = 3,
        classes: Size = 10,
    ):
        count = sum(equal_stages(depth, bottleneck=False))
        if not 1 <= active <= count:
            raise ValueError(f"active must be 1 to {count}, the blocks at depth {depth}, not {active}")
        super().__init__(
            depth,
            bottleneck=False,
            shortcut="A",
            stem="cifar",
            width=width,
            in_channels=in_channels,
            classes=classes,
        )
        self.active = active
        for name, block in [*self.named_modules()]:
            if isinstance(block, Block):
                self.set_submodule(name, StochasticBlock(block, active / count))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            blocks = [module for module in self.modules() if isinstance(module, StochasticBlock)]
            drawn = set(torch.randperm(len(blocks), device="cpu")[: self.active].tolist())
            for index, block in enumerate(blocks):
                block.drawn = index in drawn
        return super().forward(x)

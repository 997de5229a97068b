"""The image itself, out again."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F


class Reconstruction:
    """Outputs are images [N, C, H, W] that should be equal to the inputs, as the net takes them: normalised.

    `train_mse` and `test_mse` are mean squared errors over all pixels and channels: 1 is what the training
    set's mean colour reaches on the training set, since inputs have variance 1 there.
    """

    metrics: ClassVar = {"train_mse": {"better": "lower"}, "test_mse": {"better": "lower"}}

    def targets(self, inputs: Tensor, targets: Tensor) -> Tensor:  # noqa: ARG002
        """What outputs are compared with: the inputs, whatever labels the data has."""
        return inputs

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(outputs.float(), targets)

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error as a share of the variance in the batch."""
        return self.loss(outputs, targets) / targets.var(correction=0)

    def evaluate(self, batches: Iterable[tuple[Tensor, Tensor]], split: str) -> dict[str, Tensor]:
        """The error over a split (`train` or `test`), from its batches of outputs and targets."""
        total, count = torch.zeros(()), 0
        for outputs, targets in batches:
            total = total.to(outputs.device) + self.loss(outputs, targets) * len(targets)
            count += len(targets)
        return {f"{split}_mse": total / count}

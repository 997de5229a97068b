"""The image itself, out again."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from repro.contracts import Outputs, Targets, Task
from repro.errors import ReproError
from repro.tasks.form import form
from repro.tasks.loss import diverged


class Reconstruction(Task):
    """Outputs are images [N, C, H, W] that should be equal to the inputs, as the net takes them: normalised.

    `train_mse` and `test_mse` are mean squared errors over all pixels and channels: 1 is what the training
    set's mean colour reaches on the training set, since inputs have variance 1 there.
    """

    metrics: ClassVar = {"train_mse": {"better": "lower"}, "test_mse": {"better": "lower"}}

    def targets(self, inputs: Tensor, targets: Targets) -> Tensor:  # noqa: ARG002
        """The inputs, whatever the data's targets are."""
        return inputs

    def check(self, outputs: Outputs, targets: Tensor, classes: int) -> None:  # noqa: ARG002
        if not isinstance(outputs, Tensor) or outputs.shape != targets.shape:
            raise ReproError(
                f"reconstruction wants outputs as the images, {form(targets)}, not {form(outputs)}"
            )

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
        return {f"{split}_mse": diverged(total) / count}

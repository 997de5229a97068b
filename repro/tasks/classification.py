"""One label for an image."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from repro.contracts import Outputs, Targets, Task
from repro.errors import ReproError
from repro.tasks.form import check_classes, form
from repro.tasks.loss import diverged

AUXILIARY = 0.3  # the weight of an auxiliary classifier's loss: Szegedy et al. 2014, section 5


class Classification(Task):
    """Outputs are logits [N, classes], targets labels [N]. Errors are shares of images, losses nats an image.

    In training a net with auxiliary classifiers puts out [N, 1 + those, classes], its own logits first.
    """

    metrics: ClassVar = {
        "train_error": {"unit": "share", "better": "lower"},
        "test_error": {"unit": "share", "better": "lower"},
        "train_loss": {"unit": "nats", "better": "lower"},
        "test_loss": {"unit": "nats", "better": "lower"},
    }

    def targets(self, inputs: Tensor, targets: Targets) -> Targets:  # noqa: ARG002
        return targets

    def check(self, outputs: Outputs, targets: Targets, classes: int) -> None:
        if not isinstance(targets, Tensor) or targets.ndim != 1:
            raise ReproError(f"classification wants a label an image, not {form(targets)}")
        if not isinstance(outputs, Tensor) or outputs.ndim not in (2, 3):
            raise ReproError(f"classification wants outputs [N, classes], not {form(outputs)}")
        check_classes(outputs.shape[-1], classes)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The cross entropy; that of auxiliary classifiers is added with a weight of 0.3 each."""
        if outputs.ndim == 3:
            own, *auxiliary = outputs.unbind(1)
            return self.loss(own, targets) + AUXILIARY * sum(self.loss(other, targets) for other in auxiliary)
        return F.cross_entropy(outputs.float(), targets)

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The share of a batch that is wrong. A net whose outputs are not numbers predicts class 0."""
        own = outputs[:, 0] if outputs.ndim == 3 else outputs
        return (own.nan_to_num(0.0).argmax(1) != targets).float().mean()

    def evaluate(self, batches: Iterable[tuple[Tensor, Tensor]], split: str) -> dict[str, Tensor]:
        """Error and mean loss over a split (`train` or `test`), from its batches of outputs and targets."""
        wrong, loss, count = torch.zeros(()), torch.zeros(()), 0
        for outputs, targets in batches:
            wrong = wrong.to(outputs.device) + self.error(outputs, targets) * len(targets)
            loss = loss.to(outputs.device) + self.loss(outputs, targets) * len(targets)
            count += len(targets)
        return {f"{split}_error": wrong / count, f"{split}_loss": diverged(loss) / count}

    def trivial(self, batches: Iterable[tuple[Tensor, Tensor]], split: str) -> dict[str, Tensor]:
        """The error of the most frequent class as the answer to everything."""
        labels = torch.cat([targets for _, targets in batches])
        return {f"{split}_error": 1 - labels.bincount().max() / len(labels)}

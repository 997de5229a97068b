"""One label for an image."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from repro.contracts import Outputs, Targets, Task
from repro.errors import ReproError
from repro.models.layers.auxiliary import WithAuxiliary
from repro.tasks.form import check_classes, form
from repro.tasks.loss import diverged

AUXILIARY = 0.3  # GoogLeNet's weight of an auxiliary classifier's loss: Szegedy et al. 2014, section 5


class Classification(Task):
    """Outputs are logits [N, classes], targets labels [N]. Errors are shares of images, losses nats an image.

    In training a net with auxiliary classifiers puts out [N, 1 + those, classes], its own logits first, or
    `WithAuxiliary` of them where the weight of their losses is not GoogLeNet's.
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

    def loss(self, outputs: Tensor | WithAuxiliary, targets: Tensor) -> Tensor:
        """The cross entropy; that of auxiliary classifiers is added with a weight, 0.3 each unless given."""
        logits, weight = outputs if isinstance(outputs, WithAuxiliary) else (outputs, AUXILIARY)
        if logits.ndim == 3:
            own, *auxiliary = logits.unbind(1)
            return self.loss(own, targets) + weight * sum(self.loss(other, targets) for other in auxiliary)
        return F.cross_entropy(logits.float(), targets)

    def error(self, outputs: Tensor | WithAuxiliary, targets: Tensor) -> Tensor:
        """The share of a batch that is wrong. A net whose outputs are not numbers predicts class 0."""
        logits = outputs.logits if isinstance(outputs, WithAuxiliary) else outputs
        own = logits[:, 0] if logits.ndim == 3 else logits
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

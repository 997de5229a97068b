"""One label for an image, which a net may guess twice."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor

from repro.tasks.classification import Classification


class Top2(Classification):
    """Outputs, targets and loss are those of classification. A miss is an image whose class is not among the
    two likeliest; `miss_rate` is their share of the test set.
    """

    metrics: ClassVar = {
        "miss_rate": {"unit": "share", "better": "lower"},
        "train_miss_rate": {"unit": "share", "better": "lower"},
    }

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The share of a batch that is missed."""
        likeliest = outputs.nan_to_num(0.0).topk(2).indices
        return (likeliest != targets[:, None]).all(1).float().mean()

    def evaluate(self, batches: Iterable[tuple[Tensor, Tensor]], split: str) -> dict[str, Tensor]:
        missed, count = torch.zeros(()), 0
        for outputs, targets in batches:
            missed = missed.to(outputs.device) + self.error(outputs, targets) * len(targets)
            count += len(targets)
        return {"miss_rate" if split == "test" else "train_miss_rate": missed / count}

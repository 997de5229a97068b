"""What several looks at an image come to: the mean of their probabilities."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from repro.errors import ReproError
from repro.state.net import State
from repro.tasks.classification import Classification


def check_labels_images(state: State, treatment: str) -> None:
    """Raises `ReproError` where images have no labels."""
    if not isinstance(state.task, Classification):
        raise ReproError(f"{treatment} wants a net that labels images; the task here is '{state.spec.task}'")


def mean_of(looks: Iterable[Tensor]) -> Tensor:
    """Logits [N, classes] of each look → the logarithms of the mean probabilities, float32 [N, classes]."""
    logs = torch.stack([logits.float().log_softmax(1) for logits in looks])
    return logs.logsumexp(0) - math.log(len(logs))

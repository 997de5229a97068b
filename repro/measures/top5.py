"""How often the right class is not among the five likeliest: the second number of ImageNet's challenge."""

from dataclasses import replace

import torch
from torch import Tensor

from repro.declaration import declare
from repro.errors import ReproError
from repro.models.layers.auxiliary import WithAuxiliary
from repro.state.net import State
from repro.tasks.classification import Classification

GUESSES = 5


@declare(unit="share", better="lower")
def top5_error(state: State) -> float:
    """The share of the test images whose class is not among the net's five likeliest.

    Raises `ReproError` where images have no labels, and with five classes or fewer, of which none is missed.
    """
    classes = len(state.data.class_names)
    if not isinstance(state.task, Classification):
        raise ReproError(f"top5_error wants a net that labels images; the task here is '{state.spec.task}'")
    if classes <= GUESSES:
        raise ReproError(f"top5_error wants more than {GUESSES} classes; here there are {classes}")
    return replace(state, task=Top5()).evaluate("test")["test_error"]


class Top5(Classification):
    """Classification in which five guesses are allowed."""

    def error(self, outputs: Tensor | WithAuxiliary, targets: Tensor) -> Tensor:
        """The share of a batch whose class has five others before it: likelier ones, or, of as likely ones,
        those that stand before it. What is no number counts as 0, as with one guess.
        """
        logits = outputs.logits if isinstance(outputs, WithAuxiliary) else outputs
        logits = (logits[:, 0] if logits.ndim == 3 else logits).nan_to_num(0.0)
        own, place = logits.gather(1, targets[:, None]), torch.arange(logits.shape[1], device=logits.device)
        before = (logits > own) | ((logits == own) & (place < targets[:, None]))
        return (before.sum(1) >= GUESSES).float().mean()

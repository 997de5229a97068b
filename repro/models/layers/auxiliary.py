"""What a net with auxiliary classifiers puts out in training."""

from typing import NamedTuple

from torch import Tensor


class WithAuxiliary(NamedTuple):
    """Logits [N, 1 + auxiliary classifiers, classes], the net's own first, and what each of the others adds.

    `weight` is that of an auxiliary classifier's loss in the net's.
    """

    logits: Tensor
    weight: float

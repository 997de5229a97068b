"""Several nets of one architecture, trained with different seeds, whose probabilities are averaged.

Krizhevsky et al. 2012, section 6: "Averaging the predictions of five similar CNNs".
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from torch import Tensor, nn

from repro.bounds import PositiveInt
from repro.errors import ReproError
from repro.state.net import State
from repro.treatments.probabilities import check_labels_images, mean_of


def ensemble(state: State, others: Sequence[State] = (), *, members: PositiveInt = 5) -> State:
    """The net and `others`, `members` in all, as one that gives the mean of their probabilities.

    Raises `ReproError` where images have no labels, and for another number of nets.
    """
    check_labels_images(state, "an ensemble")
    nets = [state.model, *(other.model for other in others)]
    if len(nets) != members:
        raise ReproError(f"an ensemble of {members} wants as many nets, not {len(nets)}")
    return replace(state, model=Ensemble(nets))


class Ensemble(nn.Module):
    """Images [N, C, H, W] → the logarithms of the mean probabilities [N, classes]."""

    def __init__(self, nets: Sequence[nn.Module]):
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, images: Tensor) -> Tensor:
        return mean_of(cast(Tensor, net(images)) for net in self.nets)

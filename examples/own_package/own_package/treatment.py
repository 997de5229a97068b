"""Nets that look at the mirror image too: Krizhevsky et al. 2012, section 4.1, without their five crops."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from repro.errors import ReproError
from repro.state.net import State
from repro.tasks.classification import Classification


def mirrored(state: State) -> State:
    """The net whose probabilities are the mean of those of an image and of its mirror image.

    Raises `ReproError` where images have no labels.
    """
    if not isinstance(state.task, Classification):
        raise ReproError(f"mirrored wants a net that labels images; the task here is '{state.spec.task}'")
    return replace(state, model=Mirrored(state.model))


class Mirrored(nn.Module):
    """Images [N, C, H, W] → the logarithms of the mean probabilities [N, classes]."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        both = torch.stack([self.net(images), self.net(images.flip(3))])
        return both.softmax(2).mean(0).log()

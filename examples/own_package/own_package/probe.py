"""How much a net minds whether an image is mirrored."""

import torch

from repro.data.split import head
from repro.declaration import declare
from repro.state.net import State


@declare(unit="share", better="lower")
@torch.no_grad()
def mirror_gap(state: State, images: int = 500) -> float:
    """The probability that moves to other classes when an image is mirrored, 0 to 1: the mean over the first
    `images` test images.
    """
    state.model.eval()
    inputs = state.inputs(head(state.data.test, images)[0])
    as_seen, mirrored = (state.model(view).softmax(1) for view in (inputs, inputs.flip(3)))
    state.model.train()
    return float((as_seen - mirrored).abs().sum(1).mean() / 2)

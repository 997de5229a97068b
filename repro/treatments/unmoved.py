"""Detectors whose boxes are the regions that they look at: Girshick 2015, arXiv 1504.08083, section 5.1.

There, too, a net that has learnt where boxes are to be moved is asked what it is without.
"""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import nn

from repro.errors import ReproError
from repro.models.region_detector import RegionHead
from repro.state.net import State


@torch.no_grad()
def unmoved(state: State) -> State:
    """The net with offsets of 0. Raises `ReproError` for one without region head."""
    model = deepcopy(state.model)
    head = getattr(model, "head", None)
    if not isinstance(head, RegionHead):
        raise ReproError(f"unmoved wants a net that scores regions, not '{state.spec.model.name}'")
    offsets = head.offsets
    assert isinstance(offsets, nn.Linear)
    offsets.weight.zero_()
    offsets.bias.zero_()
    return replace(state, model=model)

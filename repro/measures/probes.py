"""Probes: functions of a net with real weights, before or after training."""

from collections.abc import Callable
from copy import deepcopy
from math import nan

import torch
from torch import Tensor, nn

from repro.bounds import PositiveInt
from repro.data.split import head
from repro.errors import ReproError
from repro.state.net import State

EXTREMES: dict[str, Callable[[Tensor], Tensor]] = {"least": torch.min, "most": torch.max}


def gradient_norm(state: State, layer: str = "first", images: PositiveInt = 128) -> float:
    """The L2 norm of the loss's gradient by one layer's weights, in fp32, with batch norm in training mode.

    `layer` is `first` or `last` (of the convolutions and linear layers, in the order of definition), `least`
    or `most` (the one whose norm is so) or a module's path; the batch is the first `images` training images.
    NaN if nothing of them is labelled. Raises `ReproError` if there is no such layer, or if the loss does not
    depend on it.
    """
    model = deepcopy(state.model).train()
    weighted = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    path = {"first": next(iter(weighted), layer), "last": next(reversed(weighted), layer)}.get(layer, layer)
    among = [*weighted] if path in EXTREMES else [path]
    if not weighted or not weighted.keys() >= {*among}:
        raise ReproError(
            f"gradient_norm: no convolution or linear layer '{layer}'; there are "
            f"{', '.join(weighted) or 'none'}"
        )
    model.zero_grad(set_to_none=True)
    inputs, targets = state.batch(*head(state.data.train, images))
    outputs = model(inputs)
    state.task.loss(outputs, targets).backward()
    norms: list[Tensor] = []
    for name in among:
        gradient = weighted[name].weight.grad
        if gradient is None:
            raise ReproError(f"gradient_norm: the loss does not depend on '{name}'")
        norms.append(gradient.norm())
    is_of_nothing = state.task.error(outputs, targets).isnan()
    return nan if is_of_nothing else float(EXTREMES.get(path, torch.max)(torch.stack(norms)))

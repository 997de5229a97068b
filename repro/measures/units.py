"""What units of a trained net do: which never respond, and how far single responses stand out."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from repro.bounds import PositiveInt
from repro.data.split import head
from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.layer import outputs_of
from repro.state.net import State

RECTIFIERS = (nn.ReLU, nn.LeakyReLU, nn.PReLU)


@declare(unit="share", better="lower")
@torch.no_grad()
def dead_unit_share(state: State, images: PositiveInt = 1000) -> float:
    """The share of units, 0 to 1, that never get anything above 0: their rectifier stays on its lower side.

    With ReLU such a unit puts out 0 and gets no gradient from these images. With a slope below 0, as of
    `LeakyReLU` and `PReLU`, it still has both, so that it can come back. A unit is a channel, wherever it
    looks. In fp32 and in evaluation mode, on the first `images` training images. NaN once a unit gets NaN.
    Raises `ReproError` if there is no module of these kinds.
    """
    model = deepcopy(state.model).eval()
    highest: dict[nn.Module, Tensor] = {}

    def look(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        most = inputs[0].movedim(1, 0).flatten(1).amax(1)  # of each channel
        highest[layer] = torch.maximum(highest[layer], most) if layer in highest else most

    for module in model.modules():
        if isinstance(module, RECTIFIERS):
            module.register_forward_pre_hook(look)
    model(state.inputs(head(state.data.train, images)[0]))
    if not highest:
        raise ReproError("dead_unit_share: the net has no ReLU, LeakyReLU or PReLU")
    units = torch.cat([*highest.values()])
    return float(torch.where(units.isnan(), units, (units <= 0).to(units)).mean())


@declare()
@torch.no_grad()
def response_peak(state: State, layer: str = "", images: PositiveInt = 128) -> float:
    """The largest number that a layer puts out, regardless of its sign, over their root mean square.

    It says how far the largest response stands out, and not how large all of them are: scaling a layer's
    output changes nothing. Of the net itself for "". In fp32 and in evaluation mode, on the first `images`
    training images. NaN if a layer puts out zeros alone. Raises `ReproError` if there is no such layer.
    """
    model = deepcopy(state.model).eval()
    with outputs_of(model, layer) as found:
        model(state.inputs(head(state.data.train, images)[0]))
    return float(found[-1].abs().max() / found[-1].square().mean().sqrt())

"""How the weights of convolutions and linear layers are drawn."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

DRAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "gaussian": partial(nn.init.normal_, std=0.01),
    "xavier": nn.init.xavier_uniform_,
    "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
}


def initialise(net: nn.Module, how: str) -> None:
    """Draw the weights of convolutions and linear layers in their order; biases are 0.

    `gaussian` is N(0, 0.01²), `xavier` Glorot and Bengio's 2010 uniform one, `he` He et al.'s 2015
    N(0, 2 / fan-in).
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            DRAWS[how](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

"""How the weights of convolutions and linear layers are drawn."""

from functools import partial

from torch import nn


def initialise(net: nn.Module, how: str) -> None:
    """Draw the weights of convolutions and linear layers in their order; biases are 0.

    `gaussian` is N(0, 0.01²), `xavier` Glorot and Bengio's 2010 uniform one, `he` He et al.'s 2015
    N(0, 2 / fan-in).
    """
    draw = {
        "gaussian": partial(nn.init.normal_, std=0.01),
        "xavier": nn.init.xavier_uniform_,
        "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    }[how]
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            draw(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

"""What arrives of a gradient below 30 layers that start at random: see `repro.pairs.pair`.

Each pair is that gradient's root mean square, where the gradient above has 1, and nothing: their difference
is what arrives. Layers are linear, of 256 units, with an activation; 64 inputs are a batch.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from repro.pairs.numbers import gradient, numbers

DEPTH, WIDTH, BATCH = 30, 256, 64


def gradient_of_30_xavier_layers(generator: Generator) -> tuple[Tensor, Tensor]:
    """ReLU, and Xavier's start."""
    return _arriving(generator, torch.relu, variance=1.0)


def gradient_of_30_he_layers(generator: Generator) -> tuple[Tensor, Tensor]:
    """ReLU, and He's start, of twice the variance."""
    return _arriving(generator, torch.relu, variance=2.0)


def gradient_of_30_tanh_layers(generator: Generator) -> tuple[Tensor, Tensor]:
    """Tanh, and Xavier's start."""
    return _arriving(generator, torch.tanh, variance=1.0)


def gradient_of_30_sigmoid_layers(generator: Generator) -> tuple[Tensor, Tensor]:
    """Sigmoid, and Xavier's start."""
    return _arriving(generator, torch.sigmoid, variance=1.0)


def gradient_of_30_normalised_layers(generator: Generator) -> tuple[Tensor, Tensor]:
    """Batch normalisation and ReLU, and He's start."""
    return _arriving(generator, lambda x: F.batch_norm(x, None, None, training=True).relu(), variance=2.0)


def _arriving(
    generator: Generator, activation: Callable[[Tensor], Tensor], variance: float
) -> tuple[Tensor, Tensor]:
    """`variance` is that of the weights, times their number in a unit."""
    layers = [numbers(generator, WIDTH, WIDTH) * (variance / WIDTH) ** 0.5 for _ in range(DEPTH)]

    def net(x: Tensor) -> Tensor:
        for weight in layers:
            x = activation(F.linear(x, weight))
        return x

    below = gradient(net, numbers(generator, BATCH, WIDTH), numbers(generator, BATCH, WIDTH))
    return below.square().mean().sqrt()[None], torch.zeros(1, dtype=below.dtype)

"""Pairs of squeeze and excitation, as the nets have it: see `repro.pairs.pair`."""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from repro.models.layers.squeeze_excitation import SqueezeExcitation
from repro.pairs.blocks import started
from repro.pairs.numbers import numbers


def channels_times_their_scores(generator: Generator) -> tuple[Tensor, Tensor]:
    """Squeeze and excitation, and each channel times its score: σ(W₂ relu(W₁ mean)), with linear layers."""
    block, x = started(SqueezeExcitation(8, 2), generator), numbers(generator, 2, 8, 5, 5)
    first, first_bias, second, second_bias = block.excitation.parameters()
    hidden = torch.relu(F.linear(x.flatten(2).mean(2), first.flatten(1), first_bias))
    scores = torch.sigmoid(F.linear(hidden, second.flatten(1), second_bias))
    return block(x), x * scores[:, :, None, None]


def gate_of_ones(generator: Generator) -> tuple[Tensor, Tensor]:
    """Squeeze and excitation whose scores are all 1, and the map that goes in."""
    block, x = started(SqueezeExcitation(8, 2, gate="relu"), generator), numbers(generator, 2, 8, 5, 5)
    nn.init.zeros_(block.excitation.get_parameter("2.weight"))
    nn.init.ones_(block.excitation.get_parameter("2.bias"))
    return block(x), x


def gains_of_channels(generator: Generator) -> tuple[Tensor, Tensor]:
    """What is left of each channel, |out| / |in|, and nothing: their difference is the largest gain."""
    block, x = started(SqueezeExcitation(64, 4), generator), numbers(generator, 8, 64, 5, 5)
    gains = block(x).abs().sum((2, 3)) / x.abs().sum((2, 3))
    return gains, torch.zeros_like(gains)


def scores_of_shuffled_pixels(generator: Generator) -> tuple[Tensor, Tensor]:
    """The scores of a map, and those of the map with its pixels in another order."""
    return _scores_in_two_orders(generator, SqueezeExcitation(8, 2))


def scores_of_shuffled_pixels_unsqueezed(generator: Generator) -> tuple[Tensor, Tensor]:
    """The same without squeezing, the paper's NoSqueeze, where each pixel has its own: not the same."""
    return _scores_in_two_orders(generator, SqueezeExcitation(8, 2, squeeze="none"))


def _scores_in_two_orders(generator: Generator, block: SqueezeExcitation) -> tuple[Tensor, Tensor]:
    """What the block multiplies each number by, [2, 8, 5, 5]."""
    block, x = started(block, generator), numbers(generator, 2, 8, 5, 5)
    shuffled = x.flatten(2)[:, :, torch.randperm(25, generator=generator)].view_as(x)
    return block(x) / x, block(shuffled) / shuffled

"""Pairs of convolutions, poolings, linear layers and activations: see `repro.pairs.pair`."""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from repro.pairs.numbers import gradient, numbers


def plus_kernel_example(_: Generator) -> tuple[Tensor, Tensor]:
    """An image of 5×5 zeros and ones under a 3×3 kernel in the form of a plus, and its sums."""
    rows = [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]]
    image = torch.tensor(rows, dtype=torch.float64)
    kernel = torch.tensor([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=image.dtype)
    sums = torch.tensor([[3, 4, 3], [2, 3, 2], [1, 1, 1]], dtype=image.dtype)
    return F.conv2d(image[None, None], kernel[None, None])[0, 0], sums


def max_pooling_example(_: Generator) -> tuple[Tensor, Tensor]:
    """A 4×4 map under max pooling of 2×2 at stride 2, and the largest of each quarter."""
    x = torch.tensor([[1, 1, 2, 4], [5, 6, 7, 8], [9, 2, 1, 0], [1, 2, 3, 7]], dtype=torch.float64)
    return F.max_pool2d(x[None], 2)[0], torch.tensor([[6, 8], [9, 7]], dtype=torch.float64)


def zeros_at_the_border(generator: Generator) -> tuple[Tensor, Tensor]:
    """A padded convolution of a constant image, and its value in the middle everywhere: not the same."""
    response = F.conv2d(
        torch.ones(1, 3, 9, 9, dtype=torch.float64), numbers(generator, 4, 3, 3, 3), padding=1
    )
    return response, response[:, :, 4:5, 4:5].expand_as(response)


def linear_layer_of_shuffled_pixels(generator: Generator) -> tuple[Tensor, Tensor]:
    """A linear layer on a map, and on the map's numbers in another order, its columns in that order, too."""
    x, weight = numbers(generator, 2, 3, 6, 6), numbers(generator, 10, 108)
    order = torch.randperm(108, generator=generator)
    return F.linear(x.flatten(1), weight), F.linear(x.flatten(1)[:, order], weight[:, order])


def towers_as_blocks(generator: Generator) -> tuple[Tensor, Tensor]:
    """A convolution in two groups, and a full one with zeros where a tower would see the other's channels."""
    x, weight = numbers(generator, 1, 8, 9, 9), numbers(generator, 6, 4, 3, 3)
    full = torch.zeros(6, 8, 3, 3, dtype=x.dtype)
    full[:3, :4], full[3:, 4:] = weight[:3], weight[3:]
    return F.conv2d(x, weight, groups=2), F.conv2d(x, full)


def towers_as_full_convolution(generator: Generator) -> tuple[Tensor, Tensor]:
    """A convolution in two groups, and a full one that has weights there, too: not the same."""
    x, full = numbers(generator, 1, 8, 9, 9), numbers(generator, 6, 8, 3, 3)
    return F.conv2d(x, torch.cat([full[:3, :4], full[3:, 4:]]), groups=2), F.conv2d(x, full)


def global_pooling_as_mean(generator: Generator) -> tuple[Tensor, Tensor]:
    """Average pooling over all of a map, and the mean of each channel."""
    x = numbers(generator, 2, 5, 7, 7)
    return F.adaptive_avg_pool2d(x, 1), x.flatten(2).mean(2)[:, :, None, None]


def relu_gradient(generator: Generator) -> tuple[Tensor, Tensor]:
    """The gradient of ReLU, and 1 for what is positive, 0 for the rest."""
    x = numbers(generator, 100)
    return gradient(torch.relu, x, torch.ones_like(x)), (x > 0).to(x)


def leaky_relu_by_hand(generator: Generator) -> tuple[Tensor, Tensor]:
    """Torch's leaky ReLU with the slope it has unless told, and x or 0.01 x."""
    x = numbers(generator, 100)
    return nn.LeakyReLU()(x), torch.where(x > 0, x, 0.01 * x)


def prelu_slope_gradient(generator: Generator) -> tuple[Tensor, Tensor]:
    """The gradient of a PReLU's sum by its slope, and the sum of what is negative."""
    x = numbers(generator, 100)
    return gradient(lambda slope: F.prelu(x, slope), x.new_tensor([0.25]), torch.ones_like(x)), x.clamp(
        max=0
    ).sum()[None]


def pointwise_as_linear(generator: Generator) -> tuple[Tensor, Tensor]:
    """A 1×1 convolution, and the same weights as a linear layer at each position."""
    x, weight = numbers(generator, 2, 8, 5, 6), numbers(generator, 4, 8)
    return F.conv2d(x, weight[:, :, None, None]), F.linear(x.movedim(1, -1), weight).movedim(-1, 1)


def fc6_as_convolution(generator: Generator) -> tuple[Tensor, Tensor]:
    """A linear layer on a whole 7×7 map, and its weights as a 7×7 convolution."""
    x, weight = numbers(generator, 2, 8, 7, 7), numbers(generator, 16, 8 * 49)
    return F.linear(x.flatten(1), weight), F.conv2d(x, weight.view(16, 8, 7, 7)).flatten(1)


def fc6_as_pointwise(generator: Generator) -> tuple[Tensor, Tensor]:
    """The same linear layer, and a 1×1 convolution with the weights of its middle position: not the same."""
    x, weight = numbers(generator, 2, 8, 7, 7), numbers(generator, 16, 8 * 49)
    return F.linear(x.flatten(1), weight), F.conv2d(x, weight.view(16, 8, 7, 7)[:, :, 3:4, 3:4])[:, :, 3, 3]


def convolution_shifts_with_its_input(generator: Generator) -> tuple[Tensor, Tensor]:
    """A convolution of an image moved by 2 and 3 pixels, and the convolution moved so, off the border."""
    x, weight = numbers(generator, 1, 3, 24, 24), numbers(generator, 4, 3, 5, 5)
    moved = F.conv2d(x.roll((2, 3), (2, 3)), weight)
    return moved[:, :, 2:, 3:], F.conv2d(x, weight)[:, :, :-2, :-3]


def atrous_as_subsampling(generator: Generator) -> tuple[Tensor, Tensor]:
    """Every second output of a convolution of rate 2, and the plain convolution of every second pixel."""
    x, weight = numbers(generator, 1, 3, 16, 16), numbers(generator, 4, 3, 3, 3)
    return F.conv2d(x, weight, dilation=2)[:, :, ::2, ::2], F.conv2d(x[:, :, ::2, ::2], weight)


def separable_as_two_steps(generator: Generator) -> tuple[Tensor, Tensor]:
    """A filter on each channel, then a 1×1 convolution, and the one whose kernels are their products."""
    x = numbers(generator, 1, 3, 9, 9)
    depthwise = numbers(generator, 3, 1, 3, 3)
    pointwise = numbers(generator, 4, 3)
    steps = F.conv2d(F.conv2d(x, depthwise, groups=3), pointwise[:, :, None, None])
    return steps, F.conv2d(x, pointwise[:, :, None, None] * depthwise[:, 0])

"""Pairs of the blocks of nets, as the models have them, and of what is written of them."""

from itertools import product
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_pool

from repro.models import densenet, preact_resnet, resnet
from repro.models.layers.deformable import DeformableConvolution
from repro.models.spatial_pyramid import SpatialPyramidPooling
from repro.pairs.numbers import gradient, numbers

Module = TypeVar("Module", bound=nn.Module)


def started(module: Module, generator: Generator) -> Module:
    """The module with random weights of the generator, in double precision and evaluation mode."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return module.double().eval().requires_grad_(False)


def residual_block_as_a_sum(generator: Generator) -> tuple[Tensor, Tensor]:
    """What the branch of a residual block learns, F, and H(x) - x, H being the block before its last ReLU."""
    branch = started(resnet.branch_of(resnet.convolutions((4, 4, 4), 1, bottleneck=False)), generator)
    # So far above 0 that the last ReLU changes nothing
    nn.init.constant_(branch[-1].get_parameter("bias"), 1000)
    x = numbers(generator, 2, 4, 6, 6)
    return branch(x), resnet.Block(branch, nn.Identity(), residual=True)(x) - x


def residual_block_without_branch(generator: Generator) -> tuple[Tensor, Tensor]:
    """A residual block whose branch has weights of zero, and the map that goes in."""
    branch = resnet.branch_of(resnet.convolutions((4, 4, 4), 1, bottleneck=False)).double().eval()
    for parameter in branch.parameters():
        nn.init.zeros_(parameter)
    x = numbers(generator, 2, 4, 6, 6).abs()
    return resnet.Block(branch, nn.Identity(), residual=True)(x), x


def residual_gradient(generator: Generator) -> tuple[Tensor, Tensor]:
    """The gradient below a unit without ReLU after its addition; that above it plus what the branch adds."""
    x, above = numbers(generator, 2, 4, 6, 6), numbers(generator, 2, 4, 6, 6)
    unit = started(_unit("full_preactivation"), generator)
    return gradient(unit, x, above), above + gradient(lambda x: unit.branch(unit.before(x)), x, above)


def residual_gradient_below_relu(generator: Generator) -> tuple[Tensor, Tensor]:
    """The same of the first paper's unit, with a ReLU after the addition: not the same."""
    x, above = numbers(generator, 2, 4, 6, 6), numbers(generator, 2, 4, 6, 6)
    unit = started(_unit("original"), generator)
    return gradient(unit, x, above), above + gradient(unit.branch, x, above)


def _unit(order: str) -> preact_resnet.Unit:
    layers = resnet.convolutions((4, 4, 4), 1, bottleneck=False)
    plain = preact_resnet.Shortcuts(
        kind="A", scale=1.0, branch_scale=1.0, gate="none", gate_bias=0.0, dropout=0.0
    )
    return preact_resnet.Unit(layers, 1, preact_resnet.ORDERS[order], plain)


def residual_net_as_paths(generator: Generator) -> tuple[Tensor, Tensor]:
    """Four residual blocks without activations, one after the other, and the sum of their 2⁴ paths."""
    x, branches = numbers(generator, 8), numbers(generator, 4, 8, 8)
    output = x
    for branch in branches:
        output = output + branch @ output
    paths = torch.zeros_like(x)
    for taken in product([False, True], repeat=4):
        path = x
        for branch in branches[list(taken)]:
            path = branch @ path
        paths += path
    return output, paths


def dense_layer_keeps_its_input(generator: Generator) -> tuple[Tensor, Tensor]:
    """The output of a DenseNet layer, and its input with the new maps behind it."""
    layer = started(densenet.Layer(6, growth_rate=4, bottleneck=True, dropout=0.0), generator)
    x = numbers(generator, 2, 6, 5, 5)
    return layer(x), torch.cat([x, layer.new(x)], dim=1)


def deformed_by_nothing(generator: Generator) -> tuple[Tensor, Tensor]:
    """A deformable convolution with offsets of zero, and the plain one."""
    layer, x = deformable(generator, (0, 0)), numbers(generator, 1, 3, 9, 9).float()
    return layer(x), F.conv2d(x, layer.weight)


def deformed_by_a_pixel(generator: Generator) -> tuple[Tensor, Tensor]:
    """One with offsets of one row and two columns everywhere, and the plain one of the image moved so."""
    layer, x = deformable(generator, (1, 2)), numbers(generator, 1, 3, 9, 9).float()
    return layer(x)[:, :, :-1, :-2], F.conv2d(x[:, :, 1:, 2:], layer.weight)


def offsets_added_to_weights(generator: Generator) -> tuple[Tensor, Tensor]:
    """With offsets of a row and a column everywhere, and the plain one with weights + 1: not the same."""
    layer, x = deformable(generator, (1, 1)), numbers(generator, 1, 3, 9, 9).float()
    return layer(x), F.conv2d(x, layer.weight + 1)


def gradient_by_offsets(generator: Generator) -> tuple[Tensor, Tensor]:
    """The gradient of a deformable convolution's sum by its offsets' bias, and 0: not the same, it learns."""
    layer, x = deformable(generator, (0.3, 0.6)), numbers(generator, 1, 3, 9, 9).float()
    bias = layer.offsets.get_parameter("bias").requires_grad_()
    with torch.enable_grad():
        (found,) = torch.autograd.grad(layer(x).square().sum(), bias)
    return found, torch.zeros_like(found)


def deformable(generator: Generator, offset: tuple[float, float]) -> DeformableConvolution:
    """A 3×3 one without padding, the same offset (rows, columns) everywhere. fp32, as it computes in."""
    layer = DeformableConvolution(3, 4, 3, bias=False).requires_grad_(False)
    nn.init.normal_(layer.weight, generator=generator)
    layer.offsets.get_parameter("bias").copy_(torch.tensor(offset).repeat(9))
    return layer


def roi_pooling_as_pyramid_level(generator: Generator) -> tuple[Tensor, Tensor]:
    """RoI pooling of a region to 7×7, and spatial pyramid pooling of that part of the map, with one level."""
    x = numbers(generator, 1, 4, 20, 30)
    # Of the first image, from column 5, row 2 to column 27, row 18
    region = torch.tensor([[0, 5, 2, 27, 18]], dtype=x.dtype)
    return roi_pool(x, region, 7).flatten(1), SpatialPyramidPooling((7,))(x[:, :, 2:19, 5:28])

"""Where deformable convolutions look: Dai et al. 2017, arXiv 1703.06211, section 3 and Table 2."""

from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional as F

from repro.bounds import PositiveFloat, PositiveInt
from repro.data.split import head
from repro.errors import ReproError
from repro.models.layers.deformable import DeformableConvolution
from repro.state.net import State


@torch.no_grad()
def effective_dilation(state: State, scale: PositiveFloat = 1.0, images: PositiveInt = 500) -> float:
    """The mean distance between neighbouring places that the last deformable convolution reads, in pixels of
    its map: the rate of the convolution where it has no offsets.

    It looks at the first `images` test images, scaled about their middle, bilinearly, and at the outputs on
    the thing in them: whose part of the image is brighter than black on more than half of its pixels. (The
    paper's are the outputs on an annotated object.) In fp32 and in evaluation mode. NaN if nothing is so
    bright. Raises `ReproError` if the net has no deformable convolution.
    """
    model = deepcopy(state.model).eval()
    layers = [module for module in model.modules() if isinstance(module, DeformableConvolution)]
    if not layers:
        raise ReproError("effective_dilation: the net has no deformable convolution")
    found: list[Tensor] = []
    layers[-1].offsets.register_forward_hook(lambda _layer, _inputs, output: found.append(output))
    pictures = scaled(head(state.data.test, images)[0], scale)
    model(state.inputs(pictures))
    distances = _distances(layers[-1], found[-1].float())
    bright = (pictures.amax(1, keepdim=True) > 0).float()
    height, width = distances.shape[1:]
    on_the_thing = F.adaptive_avg_pool2d(bright, (height, width))[:, 0] > 0.5
    return float(distances[on_the_thing].mean())


def scaled(pictures: Tensor, scale: float) -> Tensor:
    """uint8 [N, C, H, W] → the same shape: about the middle, bilinear, black beyond the image."""
    middle = torch.tensor([[1 / scale, 0, 0], [0, 1 / scale, 0]], device=pictures.device)
    grid = F.affine_grid(middle.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
    seen = F.grid_sample(pictures.float(), grid, align_corners=False)
    return seen.round().to(torch.uint8)


def _distances(layer: DeformableConvolution, offsets: Tensor) -> Tensor:
    """The mean over all pairs of positions side by side and one below the other. [N, 2·kernel², H, W] →
    [N, H, W]
    """
    places = offsets.unflatten(1, (*layer.kernel_size, 2)).movedim(3, 0)  # (dy, dx), N, rows, columns, H, W
    pairs = []
    for axis in (0, 1):
        apart = places.diff(dim=2 + axis)
        apart[axis] += layer.dilation[axis]
        pairs.append(apart.square().sum(0).sqrt().flatten(1, 2))
    return torch.cat(pairs, dim=1).mean(1)

"""What a net makes of a small change of its image: how large the change comes out, and whether nearby images
agree on it.

All look at a copy of the net in fp32 and in evaluation mode, so that images do not mix. Batch normalisation
has the means and variances of the images looked at, as constants: at the start it has no others that mean
anything.
"""

from copy import deepcopy
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from repro.bounds import PositiveInt, Share
from repro.data.split import head
from repro.declaration import declare
from repro.errors import ReproError
from repro.state.net import State


@declare()
def jacobian_norm(state: State, images: PositiveInt = 64) -> float:
    """‖∂outputs / ∂image‖, the Frobenius norm, over the first `images` training images: √ of its mean square.

    By the chain rule it is that of the product of all layers' Jacobians. Images are normalised. Raises
    `ReproError` unless the net puts out a vector an image.
    """
    inputs = state.inputs(head(state.data.train, images)[0])
    model = _of_these(state.model, inputs)
    outputs = model(inputs.requires_grad_())
    if not isinstance(outputs, Tensor) or outputs.ndim != 2:
        raise ReproError("jacobian_norm looks at nets that put out a vector an image")
    squares = 0.0
    for output in outputs.sum(0):  # images do not mix: each one's gradient is that of its own output
        (gradient,) = torch.autograd.grad(output, inputs, retain_graph=True)
        squares += float(gradient.double().square().sum())
    return sqrt(squares / len(inputs))


@declare(better="higher")
def gradient_cosine(state: State, by: Share = 0.1, images: PositiveInt = 128) -> float:
    """Whether the loss's gradient by the image, -1 to 1, is the same near by: 0 if it is shattered.

    The cosine of the gradients at an image and at the same image moved `by` of the way to the next one, the
    mean over the first `images` training images, with their own targets. Balduzzi et al. 2017, "The Shattered
    Gradients Problem", arXiv 1702.08591, section 2, correlate gradients along a line of inputs: with depth
    they fall to noise in plain nets, and hardly in residual ones. NaN where a gradient is 0. Raises
    `ReproError` for fewer than two images.
    """
    inputs, targets = state.batch(*head(state.data.train, images))
    if len(inputs) < 2:
        raise ReproError("gradient_cosine wants two images or more")
    model = _of_these(state.model, inputs)

    def gradients(at: Tensor) -> Tensor:
        at = at.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(state.task.loss(model(at), targets), at)
        return gradient.double().flatten(1)

    here, there = gradients(inputs), gradients(torch.lerp(inputs, inputs.roll(-1, 0), by))
    norms = here.norm(dim=1) * there.norm(dim=1)
    return float(((here * there).sum(1) / norms).mean())


@torch.no_grad()
def _of_these(model: nn.Module, inputs: Tensor) -> nn.Module:
    """A copy whose batch normalisation has the means and variances of these inputs, in evaluation mode."""
    copy = deepcopy(model).eval().requires_grad_(False)
    norms = [module for module in copy.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches since then: this one
        norm.train()
    copy(inputs)
    return copy.eval()

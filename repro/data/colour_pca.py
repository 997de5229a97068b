"""Colours shifted along the principal components of their pixels: Krizhevsky et al. 2012, section 4.1.

The paper adds [p1, p2, p3] [α1 λ1, α2 λ2, α3 λ3]ᵀ to every pixel of an image, with p and λ eigenvectors and
eigenvalues of the covariance of colours, and α drawn from N(0, 0.1²) once an image.
"""

import torch
from torch import Tensor

from repro.bounds import NonNegativeFloat
from repro.contracts import Targets


def colour_pca(
    images: Tensor, targets: Targets, generator: torch.Generator, *, sd: NonNegativeFloat = 0.1
) -> tuple[Tensor, Targets]:
    """Each image with a shift of its own of all its pixels, `sd` the deviation of α; cut off at 0 and 255.

    The components are those of the batch's pixels, where the paper's are of the whole set, with colours from
    0 to 1, of which the paper says nothing. With covariance C = PΛPᵀ the paper's shift PΛα has the covariance
    sd² PΛ²Pᵀ = sd² C², which is that of C α: nothing has to be decomposed. Images of one channel get lighter
    or darker.
    """
    levels = images.float() / 255
    pixels = levels.movedim(1, 0).flatten(1)  # [C, N·H·W]
    centred = pixels - pixels.mean(1, keepdim=True)
    covariance = centred @ centred.T / centred.shape[1]
    alpha = sd * torch.randn(len(images), images.shape[1], generator=generator, device=images.device)
    shifted = levels + (alpha @ covariance)[:, :, None, None]
    return (255 * shifted).round().clamp(0, 255).to(images.dtype), targets

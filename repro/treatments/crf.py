"""A fully connected CRF after a net: Krähenbühl and Koltun 2011, "Efficient Inference in Fully Connected CRFs
with Gaussian Edge Potentials", with the Potts model and the symmetric normalisation of their code. DeepLab's
post-processing.

The defaults of the measures suit 64×64 images. DeepLab v1, for 500 pixels, has `weight` 5 to 10, `bilateral`
50 to 100, `colour` 3 to 10, `gaussian` 3, `gaussian_weight` 3 and 10 iterations (Chen et al. 2015, section
5).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from repro.data.split import in_batches
from repro.data.targets import IGNORE
from repro.errors import ReproError
from repro.measures.segmentation import check_masks, near_change
from repro.state.net import State
from repro.tasks.segmentation import confusion, crop, scores
from repro.treatments.permutohedral import PermutohedralLattice

EXACT_PIXELS = 64 * 64  # a kernel of 64 MiB in fp32; above it, the lattice
SURE = 1e4  # of log-probabilities, in place of infinity: no message outweighs it
BATCH = 50  # images through the net at a time


def crf_miou(
    state: State,
    images: int = 60,
    iterations: int = 5,
    bilateral: float = 12.0,
    colour: float = 25.5,
    weight: float = 8.0,
    gaussian: float = 1.5,
    gaussian_weight: float = 2.0,
) -> float:
    """mIoU on the first `images` test images after a CRF (`Kernels`). With `iterations=0` it is that of the
    net alone.
    """
    return _miou(
        state, images, None, iterations, Kernels(bilateral, colour, weight, gaussian, gaussian_weight)
    )


def crf_trimap_miou(
    state: State,
    width: int = 2,
    images: int = 60,
    iterations: int = 5,
    bilateral: float = 12.0,
    colour: float = 25.5,
    weight: float = 8.0,
    gaussian: float = 1.5,
    gaussian_weight: float = 2.0,
) -> float:
    """As `crf_miou`, over the pixels that `trimap_miou` counts: at most `width` from a change of label."""
    kernels = Kernels(bilateral, colour, weight, gaussian, gaussian_weight)
    return _miou(state, images, lambda targets: near_change(targets, width), iterations, kernels)


@dataclass(frozen=True)
class Kernels:
    """weight · exp(-|Δp|²/2 bilateral² - |ΔI|²/2 colour²) + gaussian_weight · exp(-|Δp|²/2 gaussian²).

    p are places in pixels, I colours in levels of 0 to 255. Krähenbühl and Koltun, equation 3.
    """

    bilateral: float
    colour: float
    weight: float
    gaussian: float
    gaussian_weight: float

    def __post_init__(self) -> None:
        if min(self.bilateral, self.colour, self.gaussian) <= 0:
            raise ReproError(f"a CRF wants bilateral, colour and gaussian above 0, not {self}")


@torch.no_grad()
def mean_field(
    log_probabilities: Tensor,
    image: Tensor,
    kernels: Kernels,
    *,
    iterations: int = 10,
    exact: bool | None = None,
) -> Tensor:
    """The probabilities [C, H, W] of a CRF after so many iterations, from a net's for the image [3, H, W].

    The net's are given as logarithms, of which each pixel may have a constant of its own off: logits will do.

    An iteration adds to a pixel's log-probability of a class the probabilities of that class at all pixels,
    each times the kernels, which are divided by √(their row sum · their column sum). The pixel itself is one
    of them, as in the authors' code (in equation 1 it is not). The sum is exact for images of up to 64×64
    pixels and else by the permutohedral lattice, unless `exact` says so.
    """
    classes, height, width = log_probabilities.shape
    unary = log_probabilities.float().nan_to_num(0.0, SURE, -SURE).flatten(1).T.contiguous()  # [H·W, C]
    beliefs = unary.softmax(1)
    if iterations:
        exact = height * width <= EXACT_PIXELS if exact is None else exact
        rows, columns = (
            torch.arange(side, dtype=torch.float32, device=unary.device) for side in (height, width)
        )
        place = torch.cartesian_prod(rows, columns).flip(
            1
        )  # x, y, red, …: the lattice's error depends on the order
        features = torch.cat([place / kernels.bilateral, image.float().flatten(1).T / kernels.colour], 1)
        if exact:
            near, alike = (
                _normalised(_by_axis(rows, columns, kernels.gaussian), place),
                _normalised(_dense(features), place),
            )
        else:
            near, alike = (
                _normalised(PermutohedralLattice(f).filter, place)
                for f in (place / kernels.gaussian, features)
            )
    for _ in range(iterations):
        messages = unary.add(alike(beliefs), alpha=kernels.weight).add_(
            near(beliefs), alpha=kernels.gaussian_weight
        )
        beliefs = messages.softmax(1)
    return beliefs.T.reshape(classes, height, width)


def _normalised(summed: Callable[[Tensor], Tensor], place: Tensor) -> Callable[[Tensor], Tensor]:
    """The filter K, [N, C] → [N, C], as D^-½ K D^-½ with D its row sums, at N places."""
    norm = summed(place.new_ones(len(place), 1)).clamp_(min=1e-20).rsqrt_()
    return lambda values: summed(values * norm).mul_(norm)


def _by_axis(rows: Tensor, columns: Tensor, sd: float) -> Callable[[Tensor], Tensor]:
    """K_ij = exp(-|p_i - p_j|²/2 sd²) of places p: one factor down and one across, half the time of `_dense`
    for all.
    """
    down, across = ((line[:, None] - line).div(sd).square().div(-2).exp() for line in (rows, columns))

    def summed(values: Tensor) -> Tensor:
        maps = values.T.reshape(-1, len(rows), len(columns))
        return (down @ maps @ across).flatten(1).T

    return summed


def _dense(features: Tensor) -> Callable[[Tensor], Tensor]:
    """K_ij = exp(-|f_i - f_j|²/2) of features [N, d]."""
    centred = features - features.mean(0)
    half = centred.square().sum(1) / 2
    exponent = torch.addmm(-half, centred, centred.T).sub_(half[:, None])  # -|a-b|²/2 = a·b - a²/2 - b²/2
    return (
        exponent.clamp_(-60.0, 0.0).exp_().matmul
    )  # e^-60 is nothing; subnormal numbers, from e^-87, take 7 times as long


@torch.no_grad()
def _miou(
    state: State, images: int, where: Callable[[Tensor], Tensor] | None, iterations: int, kernels: Kernels
) -> float:
    check_masks(state, "a CRF")
    if iterations < 0 or images < 1:
        raise ReproError(
            f"a CRF wants 0 or more iterations and 1 or more images, not {iterations} and {images}"
        )
    counts = torch.zeros((), dtype=torch.int64, device=state.device)
    state.model.eval()
    for some, wanted in in_batches(state.data.test, BATCH, images):
        with state.autocast():
            outputs = state.model(state.inputs(some))
        counted = wanted if where is None else wanted.masked_fill(~where(wanted), IGNORE)
        for logits, image, truth in zip(outputs.split(1), some, counted.split(1), strict=True):
            middle = crop(image, logits)  # [C, H, W] is cropped as that many maps are
            beliefs = mean_field(logits[0], middle, kernels, iterations=iterations)
            counts = counts + confusion(beliefs[None], truth)
    state.model.train()
    return float(scores(counts)["miou"])

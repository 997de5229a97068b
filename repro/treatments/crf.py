"""A fully connected CRF after a net: Krähenbühl and Koltun 2011, "Efficient Inference in Fully Connected CRFs
with Gaussian Edge Potentials", with the Potts model and the symmetric normalisation of their code. DeepLab's
post-processing.

The defaults suit 64×64 images. DeepLab v1, for 500 pixels, has `weight` 5 to 10, `bilateral`
50 to 100, `colour` 3 to 10, `gaussian` 3, `gaussian_weight` 3 and 10 iterations (Chen et al. 2015, section
5).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from repro.bounds import NonNegativeFloat, NonNegativeInt, PositiveFloat
from repro.errors import ReproError
from repro.state.net import State
from repro.tasks.segmentation import Segmentation, crop
from repro.treatments.permutohedral import PermutohedralLattice

EXACT_PIXELS = 64 * 64  # a kernel of 64 MiB in fp32; above it, the lattice
SURE = 1e4  # of log-probabilities, in place of infinity: no message outweighs it
TINY = 1e-30  # in place of a probability of 0, whose logarithm would be infinite


def crf(
    state: State,
    *,
    iterations: NonNegativeInt = 5,
    bilateral: PositiveFloat = 12.0,
    colour: PositiveFloat = 25.5,
    weight: NonNegativeFloat = 8.0,
    gaussian: PositiveFloat = 1.5,
    gaussian_weight: NonNegativeFloat = 2.0,
) -> State:
    """The net with a CRF behind it (`Kernels`). Raises `ReproError` where pixels have no labels."""
    kernels = Kernels(bilateral, colour, weight, gaussian, gaussian_weight)
    if iterations < 0:
        raise ReproError(f"a CRF wants 0 or more iterations, not {iterations}")
    if not isinstance(state.task, Segmentation):
        raise ReproError(f"a CRF wants a net that labels pixels; the task here is '{state.spec.task}'")
    mean, std = (torch.tensor(levels).view(-1, 1, 1) for levels in (state.data.mean, state.data.std))
    return replace(state, model=WithCRF(state.model, kernels, iterations, mean, std).to(state.device))


class WithCRF(nn.Module):
    """A net's logits refined by a CRF on the image: log-probabilities [N, classes, h, w].

    `mean` and `std` [C, 1, 1] are those that images were normalised with: colours become levels again.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, kernels: "Kernels", iterations: int, mean: Tensor, std: Tensor):
        super().__init__()
        self.net, self.kernels, self.iterations = net, kernels, iterations
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.net(inputs)
        levels = ((inputs * self.std + self.mean) * 255).round()
        with torch.autocast(inputs.device.type, enabled=False):
            return torch.stack([self._refined(*both) for both in zip(outputs, levels, strict=True)])

    def _refined(self, logits: Tensor, image: Tensor) -> Tensor:
        beliefs = mean_field(logits, crop(image, logits[None]), self.kernels, iterations=self.iterations)
        return beliefs.clamp_min(TINY).log()


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
        rows = torch.arange(height, dtype=torch.float32, device=unary.device)
        columns = torch.arange(width, dtype=torch.float32, device=unary.device)
        # x, y, red, …: the lattice's error depends on the order
        place = torch.cartesian_prod(rows, columns).flip(1)
        features = torch.cat([place / kernels.bilateral, image.float().flatten(1).T / kernels.colour], 1)
        if exact:
            near = _normalised(_by_axis(rows, columns, kernels.gaussian), place)
            alike = _normalised(_dense(features), place)
        else:
            near = _normalised(PermutohedralLattice(place / kernels.gaussian).filter, place)
            alike = _normalised(PermutohedralLattice(features).filter, place)
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
    """K_ij = exp(-|p_i - p_j|²/2 sd²) of places p: a factor down, one across, half the time of `_dense`."""
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

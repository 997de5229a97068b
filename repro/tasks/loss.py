"""What a loss is where a net's outputs are no numbers."""

from torch import Tensor, inf


def diverged(total: Tensor) -> Tensor:
    """A loss, summed; one that is NaN is infinite: the net has diverged."""
    return total.nan_to_num(nan=inf, posinf=inf, neginf=-inf)

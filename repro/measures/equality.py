"""How far two ways of computing one thing are apart."""

from torch import nn

from repro.errors import ReproError
from repro.pairs.pair import Pair


def max_abs_diff(network: nn.Module) -> float:
    """The largest absolute difference of the two tensors of a `pair`. Raises `ReproError` for other nets."""
    if not isinstance(network, Pair):
        raise ReproError(f"max_abs_diff is of a `pair`, not of a {type(network).__name__}")
    first, second = network()
    if first.shape != second.shape:
        raise ReproError(f"max_abs_diff: the shapes differ, {list(first.shape)} and {list(second.shape)}")
    return float((first - second).detach().abs().max())

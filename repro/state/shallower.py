"""Weights of a shallower net that was trained first: Simonyan and Zisserman 2014, arXiv 1409.1556, section
3.1, who start their deeper nets from net A.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from repro.bounds import PositiveInt
from repro.errors import ReproError

CONVOLUTION, LINEAR = 4, 2  # dimensions of their weights


def shallower(
    model: nn.Module, start: Mapping[str, Tensor], *, arm: str, convolutions: PositiveInt = 4
) -> None:
    """Put weights of a finished trial of a shallower net, `start`, of the same seed, into a net, in place.

    The first `convolutions` of the trial, or all if it has fewer, each go to the next one here that has their
    shape: those of VGG's A to the first ones of the stages. Linear layers go to linear layers, one by one.
    All other layers stay random, as in the paper. Raises `ReproError` for a layer that finds no place, and
    for a net whose layers are not numbered: weights in a file are in no order but that of names.
    """
    own = model.state_dict()
    linear = _layers(start, LINEAR)
    for kind in (CONVOLUTION, LINEAR):
        if _layers(own, kind) != _layers(own, kind, sort=False):
            raise ReproError(
                f"weights: the layers of a {type(model).__name__} are not numbered in their order"
            )
    pairs = _places(_layers(start, CONVOLUTION)[:convolutions], start, _layers(own, CONVOLUTION), own)
    pairs |= _places(linear, start, _layers(own, LINEAR), own)
    for name, place in pairs.items():
        if place is None:
            shape = list(start[f"{name}.weight"].shape)
            raise ReproError(
                f"weights: '{name}' of arm '{arm}', {shape}, finds no place in a {type(model).__name__}: "
                "none of this shape is left behind the layers before it"
            )
    taken = {
        f"{place}.{part}": start[f"{name}.{part}"]
        for name, place in pairs.items()
        for part in ("weight", "bias")
        if f"{name}.{part}" in start and f"{place}.{part}" in own
    }
    model.load_state_dict({**own, **taken})


def _layers(weights: Mapping[str, Tensor], dimensions: int, *, sort: bool = True) -> list[str]:
    """Names of the layers whose weights have so many dimensions, sorted by their numbers."""
    names = [
        name.removesuffix(".weight")
        for name, weight in weights.items()
        if name.endswith(".weight") and weight.ndim == dimensions
    ]
    return sorted(names, key=_numbers) if sort else names


def _numbers(name: str) -> list[tuple[int, str]]:
    """So that features.10 comes behind features.9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in name.split(".")]


def _places(
    names: list[str], start: Mapping[str, Tensor], layers: list[str], own: Mapping[str, Tensor]
) -> dict[str, str | None]:
    """For each name the first layer of its shape behind that of the name before it."""
    left = iter(layers)
    return {
        name: next((x for x in left if own[f"{x}.weight"].shape == start[f"{name}.weight"].shape), None)
        for name in names
    }

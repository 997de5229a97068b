"""Linear layers with fewer weights: Girshick 2015, "Fast R-CNN", arXiv 1504.08083, section 3.1."""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import nn

from repro.bounds import PositiveInt
from repro.errors import ReproError
from repro.state.net import State


def truncated_svd(state: State, *, rank: PositiveInt, within: str = "") -> State:
    """Each linear layer W ≈ U Σ Vᵀ as two, Σ Vᵀ without a bias and then U with W's, of `rank` singular
    values: the nearest matrix of that rank. A layer that would not get smaller by it stays as it is.

    `within` is the module whose layers are meant, by its path. Raises `ReproError` if no layer gets smaller.
    """
    model = deepcopy(state.model)
    paths = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and f"{name}.".startswith(f"{within}." if within else "")
    ]
    smaller = [path for path in paths if _gains(model.get_submodule(path), rank)]
    if not smaller:
        where = f" in '{within}'" if within else ""
        raise ReproError(f"truncated_svd: no linear layer{where} gets smaller with {rank} singular values")
    for path in smaller:
        model.set_submodule(path, truncated(model.get_submodule(path), rank))
    return replace(state, model=model)


def _gains(layer: nn.Module, rank: int) -> bool:
    assert isinstance(layer, nn.Linear)
    return rank * (layer.in_features + layer.out_features) < layer.weight.numel()


@torch.no_grad()
def truncated(layer: nn.Module, rank: int) -> nn.Sequential:
    """A linear layer as two of `rank` units between them."""
    assert isinstance(layer, nn.Linear)
    left, values, right = torch.linalg.svd(layer.weight.double(), full_matrices=False)
    like = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    first = nn.Linear(layer.in_features, rank, bias=False, **like)
    second = nn.Linear(rank, layer.out_features, bias=layer.bias is not None, **like)
    first.weight.copy_(values[:rank, None] * right[:rank])
    second.weight.copy_(left[:, :rank])
    if layer.bias is not None:
        second.bias.copy_(layer.bias)
    return nn.Sequential(first, second)

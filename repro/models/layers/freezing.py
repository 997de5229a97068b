"""Modules that are not trained."""

from collections.abc import Collection
from functools import partial

from torch import nn

from repro.document import nearest
from repro.errors import ReproError


def freeze(model: nn.Module, paths: Collection[str]) -> None:
    """Leave the modules at these paths as they are: no gradients, and always in evaluation mode.

    So their batch normalisation goes by what it has seen before, and keeps it. Raises `ReproError` for a path
    that the net does not have, and if nothing is left to train.
    """
    modules = dict(model.named_modules())
    for path in paths:
        if path not in modules or not path:
            raise ReproError(
                f"freeze: a {type(model).__name__} has no module '{path}'{nearest(path, modules)}"
            )
        module = modules[path].requires_grad_(False).eval()
        module.train = partial(_stay, module)
    if paths and not any(parameter.requires_grad for parameter in model.parameters()):
        raise ReproError(f"freeze: nothing of a {type(model).__name__} is left to train")


def _stay(module: nn.Module, _mode: bool = True) -> nn.Module:
    return module

"""One layer of a net, by its path, and what it puts out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from repro.errors import ReproError


def submodule(model: nn.Module, path: str) -> nn.Module:
    """The layer of a path, the net itself for "". Raises `ReproError` if there is none."""
    modules = dict(model.named_modules())
    if path not in modules:
        raise ReproError(f"no layer '{path}'; there are {', '.join(filter(None, modules)) or 'none'}")
    return model.get_submodule(path)


@contextmanager
def outputs_of(model: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """A list that gets a layer's output each time it is called in the block; of several outputs, the last."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        while isinstance(output, tuple | list) and output:
            output = output[-1]
        if not isinstance(output, Tensor):
            raise ReproError(f"the output of layer '{layer}' is no tensor but {type(output).__name__}")
        found.append(output)

    handle = submodule(model, layer).register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()
    if not found:
        raise ReproError(f"layer '{layer}' is not part of the forward pass")

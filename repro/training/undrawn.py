"""Nets on the meta device, without the draw of their weights."""

from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class Undrawn(TorchFunctionMode):
    """Nothing is drawn: on `meta` nothing can be, and trying imports the compiler of torch, for seconds."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        options = options or {}
        if function in (nn.init.normal_, Tensor.normal_):
            return arguments[0] if arguments else options["tensor"]
        return function(*arguments, **options)

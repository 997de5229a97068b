"""What the weights of a net are before the first step."""

from torch import Tensor, nn

from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.layer import submodule


@declare(weights=True)
def weight_std(model: nn.Module, layer: str) -> float:
    """√ of the mean square of a layer's weights. Raises `ReproError` for a layer that has none."""
    weight = getattr(submodule(model, layer), "weight", None)
    if not isinstance(weight, Tensor):
        raise ReproError(f"weight_std: layer '{layer}' has no weights")
    return float(weight.detach().double().square().mean().sqrt())

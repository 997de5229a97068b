"""Weights that nets start from: those of a finished trial, or torchvision's, trained on ImageNet.

The latter are its `IMAGENET1K_V1`. A net that can take some has a part that says from which of torchvision's
nets (`contracts.Pretrained`), a trunk say; each part knows how. The file, as torchvision names it, is looked
for in `weights/` of the folder REPRO_DATA (or `data`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, hub, load, nn
from torchvision.models import get_model_weights

from repro.contracts import CarriesOver, Pretrained
from repro.data.images import MissingData
from repro.data.torchvision_sets import root
from repro.document import nearest
from repro.errors import ReproError


class Levels(NamedTuple):
    """What images of levels from 0 to 1 are normalised with, a number a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def normalised(levels: Levels) -> Callable[[Any], Any]:
    """Marks weights of nets that were trained on images normalised so, and are given them so from then on."""

    def mark(weights: Any) -> Any:
        weights.levels = levels
        return weights

    return mark


# Of all of torchvision's IMAGENET1K_V1, as their `transforms()` say
IMAGENET = Levels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@normalised(IMAGENET)
def imagenet(model: nn.Module, *, download: bool = False) -> None:
    """Put the weights into a net, in place; layers that ImageNet's net does not have stay as they are.

    Images are normalised with ImageNet's levels then, not with their own.

    Raises `MissingData` if the file is not there and `download` is false, `ReproError` if there are none for
    the net.
    """
    sources = [part.source for part in model.modules() if isinstance(part, Pretrained) and part.source]
    if not sources:
        raise ReproError(
            f"there are no ImageNet weights for a {type(model).__name__} "
            "with these options; leave `weights` out"
        )
    weights = _weights(sources[0], download)
    for part in model.modules():
        if isinstance(part, CarriesOver):
            part.carry_over(weights)


def trial(model: nn.Module, start: Mapping[str, Tensor], *, arm: str, except_: str | list[str] = "") -> None:
    """Put the weights `start` of a finished trial of another arm, of the same seed, into a net, in place.

    Modules at the paths `except` stay as they are. Raises `ReproError` where the others do not fit.
    """
    left_out = [except_] if isinstance(except_, str) else except_
    modules = dict(model.named_modules())
    for path in filter(None, left_out):
        if path not in modules:
            raise ReproError(
                f"weights: a {type(model).__name__} has no module '{path}'{nearest(path, modules)}"
            )
    own = {name: weight for name, weight in model.state_dict().items() if not _is_in(name, left_out)}
    given = {name: weight for name, weight in start.items() if not _is_in(name, left_out)}
    for name, weight in own.items():
        if name not in given or given[name].shape != weight.shape:
            found = list(given[name].shape) if name in given else "none"
            raise ReproError(
                f"weights: those of arm '{arm}' do not fit: '{name}' is {list(weight.shape)} here and "
                f"{found} there; leave the module out with `except: {name.rpartition('.')[0]}`"
            )
    model.load_state_dict({name: given[name] for name in own}, strict=False)


def _is_in(name: str, paths: Iterable[str]) -> bool:
    """Whether a weight belongs to the module at one of the paths."""
    return any(name.startswith(f"{path}.") for path in paths if path)


def _weights(source: str, download: bool) -> dict[str, Tensor]:
    url = get_model_weights(source).IMAGENET1K_V1.url
    path = root() / "weights" / url.rpartition("/")[2]
    weights: dict[str, Tensor]
    if download:
        weights = hub.load_state_dict_from_url(
            url, str(path.parent), map_location="cpu", check_hash=True, weights_only=True
        )
        return weights
    if not path.is_file():
        raise MissingData(
            f"the ImageNet weights of torchvision's {source} are not at {path}. Set REPRO_DATA to a folder "
            f"with weights/{path.name}, or say `weights: {{name: imagenet, download: true}}` ({url})"
        )
    weights = load(path, map_location="cpu", mmap=True, weights_only=True)
    return weights

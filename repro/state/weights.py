"""Weights that nets start from: torchvision's, trained on ImageNet (its `IMAGENET1K_V1`).

A net that can take some has a part that says from which of torchvision's nets (`contracts.Pretrained`), a
trunk say; each part knows how. The file, as torchvision names it, is looked for in `weights/` of the folder
REPRO_DATA (or `data`).
"""

from torch import Tensor, hub, load, nn
from torchvision.models import get_model_weights

from repro.contracts import CarriesOver, Pretrained
from repro.data.images import MissingData
from repro.data.torchvision_sets import root
from repro.errors import ReproError


def imagenet(model: nn.Module, *, download: bool = False) -> None:
    """Put the weights into a net, in place; layers that ImageNet's net does not have stay as they are.

    Raises `MissingData` if the file is not there and `download` is false, `ReproError` if there are none for
    the net.
    """
    sources = [part.source for part in model.modules() if isinstance(part, Pretrained) and part.source]
    if not sources:
        raise ReproError(
            f"there are no ImageNet weights for a {type(model).__name__} with these options; leave `weights` out"
        )
    weights = _weights(sources[0], download)
    for part in model.modules():
        if isinstance(part, CarriesOver):
            part.carry_over(weights)


def _weights(source: str, download: bool) -> dict[str, Tensor]:
    url = get_model_weights(source).IMAGENET1K_V1.url
    path = root() / "weights" / url.rpartition("/")[2]
    if download:
        return hub.load_state_dict_from_url(
            url, str(path.parent), map_location="cpu", check_hash=True, weights_only=True
        )
    if not path.is_file():
        raise MissingData(
            f"the ImageNet weights of torchvision's {source} are not at {path}. Set REPRO_DATA to a folder with "
            f"weights/{path.name}, or say `weights: {{name: imagenet, download: true}}` ({url})"
        )
    return load(path, map_location="cpu", mmap=True, weights_only=True)

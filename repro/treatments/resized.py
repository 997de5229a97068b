"""Test images of another size than the net was trained on."""

from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from repro.bounds import Size
from repro.state.net import State
from repro.treatments.probabilities import check_labels_images


def resized(state: State, *, size: Size) -> State:
    """The net that sees every image at `size` × `size` pixels: bilinear, and with antialiasing where that is
    smaller. Raises `ReproError` where images have no labels; a net with linear layers on its maps cannot.
    """
    check_labels_images(state, "resized")
    return replace(state, model=Resized(state.model, size))


class Resized(nn.Module):
    """Images [N, C, H, W] → what the net makes of them as [N, C, size, size]."""

    def __init__(self, net: nn.Module, size: int):
        super().__init__()
        self.net, self.size = net, size

    def forward(self, images: Tensor) -> Tensor:
        seen = F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        logits: Tensor = self.net(seen)
        return logits

"""Several looks at each test image: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional
Neural Networks", section 4.1. Five windows, of the four corners and the centre, and their mirror images.
"""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from repro.bounds import Size
from repro.errors import ReproError
from repro.state.net import State
from repro.treatments.probabilities import check_labels_images, mean_of


def crops(state: State, *, size: Size, corners: bool = True, mirror: bool = True) -> State:
    """The net that looks at windows of `size` × `size` pixels, and gives the mean of its probabilities.

    Ten windows; five without `mirror`, two without `corners`, without both the central one alone. Raises
    `ReproError` where images have no labels, and `Crops` for images that are smaller.
    """
    check_labels_images(state, "crops")
    return replace(state, model=Crops(state.model, size, corners=corners, mirror=mirror))


class Crops(nn.Module):
    """Images [N, C, H, W] → the logarithms of the mean probabilities [N, classes].

    Raises `ReproError` if H or W is below `size`.
    """

    def __init__(self, net: nn.Module, size: int, *, corners: bool = True, mirror: bool = True):
        super().__init__()
        self.net, self.size, self.corners, self.mirror = net, size, corners, mirror

    def forward(self, images: Tensor) -> Tensor:
        return mean_of(self.net(window) for window in self.windows(images))

    def windows(self, images: Tensor) -> Iterator[Tensor]:
        """[N, C, size, size] each: the centre, the corners, then the mirror images of all of them."""
        down, across = (side - self.size for side in images.shape[2:])
        if min(down, across) < 0:
            height, width = images.shape[2:]
            raise ReproError(f"crops of {self.size} pixels are larger than the images of {height}×{width}")
        places = [(down // 2, across // 2)]
        if self.corners:
            places += [(top, left) for top in (0, down) for left in (0, across)]
        for view in (images, images.flip(3)) if self.mirror else (images,):
            for top, left in places:
                yield view[:, :, top : top + self.size, left : left + self.size]

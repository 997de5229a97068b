"""VGG: Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition".

arXiv 1409.1556.

Five stages of convolutions at stride 1 with 64 to 512 filters, a 2×2 pooling behind each, three fully
connected layers. Table 2 counts 133, 133, 134, 138 and 144 M parameters in A, B, C, D and E; VGG-16 is D and
VGG-19 is E.

Poolings keep a last odd row or column, so that images of any size go in; at the paper's 224×224 there is none
to keep.
"""

from typing import Literal

from torch import Tensor, nn

from repro.bounds import BelowOne, Multiplier, Size
from repro.models.layers.initialisation import initialise
from repro.models.layers.response_norm import LocalResponseNorm

WIDTHS = (64, 128, 256, 512, 512)  # of the stages, in all configurations
# Table 1: the kernels of each stage, and where A-LRN normalises responses
CONFIGURATIONS: dict[str, tuple[tuple[int | str, ...], ...]] = {
    "A": ((3,), (3,), (3, 3), (3, 3), (3, 3)),
    "A-LRN": ((3, "LRN"), (3,), (3, 3), (3, 3), (3, 3)),
    "B": ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)),
    "C": ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)),
    "D": ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    "E": ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3)),
    "B-5x5": ((5,),) * 5,  # section 4.1: each pair of B as one 5×5 convolution, 7 points worse
}


class VGG(nn.Module):
    """[N, in_channels, image_size, image_size] → [N, classes]

    `width` multiplies the filters of the stages, `classifier` counts the units of the two hidden linear
    layers, and `dropout` is theirs. `batch_norm` comes between a convolution, which keeps its bias as
    torchvision's does, and its ReLU.

    `init` `gaussian` is what the paper draws for A, N(0, 0.01²) (it writes "10⁻² variance", with which
    activations would grow by orders of magnitude); its deeper nets start from A's weights. It adds that
    `xavier` needs no such start. `he` is that of `initialise`.
    """

    def __init__(
        self,
        configuration: Literal["A", "A-LRN", "B", "C", "D", "E", "B-5x5"] = "D",
        *,
        batch_norm: bool = False,
        dropout: BelowOne = 0.5,
        init: Literal["gaussian", "xavier", "he"] = "xavier",
        width: Multiplier = 1.0,
        classifier: Size = 4096,
        image_size: Size = 224,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        if image_size < 1:
            raise ValueError(f"image_size must be at least 1, not {image_size}")
        self.features, channels, side = nn.Sequential(), in_channels, image_size
        for stage, filters in zip(CONFIGURATIONS[configuration], WIDTHS, strict=True):
            filters = max(1, round(filters * width))
            for layer in stage:
                if isinstance(layer, str):  # LRN
                    self.features.append(LocalResponseNorm())
                    continue
                self.features.append(nn.Conv2d(channels, filters, layer, padding=layer // 2))
                if batch_norm:
                    self.features.append(nn.BatchNorm2d(filters))
                self.features.append(nn.ReLU())
                channels = filters
            self.features.append(nn.MaxPool2d(2, ceil_mode=True))
            side = -(-side // 2)
        self.classifier = nn.Sequential(
            *(nn.Linear(channels * side**2, classifier), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(classifier, classifier), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(classifier, classes),
        )
        initialise(self, init)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits

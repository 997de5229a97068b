"""AlexNet: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks".

Five convolutions and three fully connected layers (section 3.5), 60,965,224 parameters in two towers: the
paper's "60 million". Images of 224×224, as the paper has it, do not become its maps of 55×55 under 11×11
kernels at stride 4; 227×227 do.

Towers are the paper's two GPUs: the second, fourth and fifth convolution see one half of the channels each.
Its net on one GPU, which the two beat by 1.7 points (section 3.2, footnote 2), is `towers=1, widths=(48, 128,
192, 192, 256)`.
"""

from typing import Literal

from torch import Tensor, nn

from repro.bounds import BelowOne, Multiplier, Size, Sizes
from repro.models.layers.initialisation import initialise
from repro.models.layers.response_norm import LocalResponseNorm

STEMS = {"imagenet": (11, 4, 0), "small": (5, 1, 2)}  # the first convolution's kernel, stride and padding
KERNELS = (5, 3, 3, 3)  # of the other convolutions
SPLIT = (1, 3, 4)  # the convolutions, counted from 0, whose towers do not see each other
NORMALISED = (0, 1)  # those with a response normalisation behind them
POOLED = (0, 1, 4)  # those with a pooling behind them
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class AlexNet(nn.Module):
    """[N, in_channels, image_size, image_size] → [N, classes]

    `norm` is the paper's response normalisation behind the first two convolutions, batch normalisation in all
    five before the activation, or none. `overlap` pools 3×3 windows at stride 2, else 2×2; both make ⌊n/2⌋ of
    n. `dropout` is that of the two hidden linear layers. The stem `small` is a 5×5 convolution at stride 1,
    for images of 8 to 64 pixels. `widths` and `fc` count the filters of the convolutions and the hidden
    units; all of them are multiplied by `width`.

    `init` `gaussian` is the paper's (section 5): N(0, 0.01²), and biases of 1 in the second, fourth and fifth
    convolution and the hidden layers, else 0. Narrow nets stall with it: `xavier` and `he` are those of
    `initialise`. Raises ValueError where nothing would be left of an image.
    """

    def __init__(
        self,
        *,
        towers: Literal[1, 2] = 2,
        norm: Literal["response", "batch", "none"] = "response",
        overlap: bool = True,
        dropout: BelowOne = 0.5,
        activation: Literal["relu", "tanh", "sigmoid"] = "relu",
        stem: Literal["imagenet", "small"] = "imagenet",
        init: Literal["gaussian", "xavier", "he"] = "gaussian",
        widths: Sizes = (96, 256, 384, 384, 256),
        fc: Size = 4096,
        width: Multiplier = 1.0,
        image_size: Size = 227,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        if len(widths) != 5:
            raise ValueError(f"widths must be those of 5 convolutions, not of {len(widths)}")
        kernel, stride, padding = STEMS[stem]
        shapes = [(kernel, stride, padding), *((kernel, 1, kernel // 2) for kernel in KERNELS)]
        side = ((image_size + 2 * padding - kernel) // stride + 1) // 2 ** len(POOLED)
        if side < 1:
            least = stride * (2 ** len(POOLED) - 1) + kernel - 2 * padding
            raise ValueError(f"image_size must be at least {least} with the stem '{stem}', not {image_size}")
        self.features, channels = nn.Sequential(), in_channels
        for i, (filters, shape) in enumerate(zip(widths, shapes, strict=True)):
            filters = towers * max(1, round(filters * width / towers))
            self.features.append(nn.Conv2d(channels, filters, *shape, groups=towers if i in SPLIT else 1))
            if norm == "batch":
                self.features.append(nn.BatchNorm2d(filters))
            self.features.append(ACTIVATIONS[activation]())
            if norm == "response" and i in NORMALISED:
                self.features.append(LocalResponseNorm())
            if i in POOLED:
                self.features.append(nn.MaxPool2d(3 if overlap else 2, 2, ceil_mode=overlap))
            channels = filters
        self.channels = channels  # of the last map
        hidden = max(1, round(fc * width))
        self.classifier = nn.Sequential(
            *(nn.Linear(channels * side**2, hidden), ACTIVATIONS[activation](), nn.Dropout(dropout)),
            *(nn.Linear(hidden, hidden), ACTIVATIONS[activation](), nn.Dropout(dropout)),
            nn.Linear(hidden, classes),
        )
        initialise(self, init)
        if init == "gaussian":
            convolutions = [m for m in self.features if isinstance(m, nn.Conv2d)]
            for layer in (*(convolutions[i] for i in SPLIT), self.classifier[0], self.classifier[3]):
                nn.init.ones_(layer.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits

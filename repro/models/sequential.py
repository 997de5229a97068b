"""Layers one after the other, written as text: the arithmetic of convolutions, as an exercise book has it.

    {model: sequential, image_size: 227, layers: [conv 96 11x11 stride 4, relu, max 3x3 stride 2, …]}

| a layer | |
| --- | --- |
| conv WIDTH KxK | convolution; may be followed by `stride S`, `pad P`, `rate R` (atrous), `groups G` |
| depthwise KxK | a filter on each channel alone; `stride`, `pad`, `rate` |
| transposed WIDTH KxK | transposed convolution; `stride`, `pad`, `extra E` (rows, columns more, at the end) |
| linear WIDTH | on all numbers of the map |
| max KxK, average KxK | pooling; `stride` (K unless said), `pad`; `ceil` keeps a last part |
| global | the mean of each channel, as a map of 1×1 |
| nearest S, bilinear S | the map S times as large |
| relu, norm, flatten | ReLU, batch normalisation of the channels, the map as a vector |

Kernels are square. Convolutions and linear layers have biases unless the line ends with `bare`.
"""

import re
from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from repro.bounds import Names, Size
from repro.models.layers.interpolation import Bilinear

WORD = re.compile(r"(?:(?P<kernel>\d+)x(?P=kernel)|(?P<number>\d+)|(?P<word>[a-z]+))$")
NUMBERED = ("stride", "pad", "rate", "groups", "extra")
FLAGS = ("bare", "ceil")


class Line:
    """One layer's text, taken apart. Raises ValueError where it cannot be."""

    def __init__(self, text: str):
        self.text, self.kind, self.flags = text, "", set[str]()
        self.kernel = self.width = 0
        self.options: dict[str, int] = {}
        words = text.split()
        while words:
            found = WORD.match(word := words.pop(0))
            if found is None:
                raise self.wrong(f"'{word}' is neither a name, a number nor a kernel such as 3x3")
            if not self.kind:
                self.kind = word
            elif found["kernel"] and not self.kernel:
                self.kernel = int(found["kernel"])
            elif found["number"] and not self.width:
                self.width = int(word)
            elif word in NUMBERED and words and words[0].isdecimal() and word not in self.options:
                self.options[word] = int(words.pop(0))
            elif word in FLAGS and word not in self.flags:
                self.flags.add(word)
            elif found["kernel"] or found["number"] or word in (*self.options, *self.flags):
                raise self.wrong(f"'{word}' is one too many")
            else:
                raise self.wrong(f"'{word}' is not understood")
        for word in ("stride", "rate", "groups"):
            if self.options.get(word) == 0:
                raise self.wrong(f"{word} must be at least 1, not 0")

    def wrong(self, why: str) -> ValueError:
        return ValueError(f"layer '{self.text}': {why}")

    def get(self, key: str, default: int) -> int:
        return self.options.pop(key, default)

    def has(self, flag: str) -> bool:
        there = flag in self.flags
        self.flags.discard(flag)
        return there


def conv(line: Line, x: Tensor) -> nn.Module:
    depthwise = line.kind == "depthwise"
    width, groups = (x.shape[1], x.shape[1]) if depthwise else (line.width, line.get("groups", 1))
    stride, pad, rate = line.get("stride", 1), line.get("pad", 0), line.get("rate", 1)
    return nn.Conv2d(x.shape[1], width, line.kernel, stride, pad, rate, groups, bias=not line.has("bare"))


def transposed(line: Line, x: Tensor) -> nn.Module:
    stride, pad, extra = line.get("stride", 1), line.get("pad", 0), line.get("extra", 0)
    return nn.ConvTranspose2d(
        x.shape[1], line.width, line.kernel, stride, pad, extra, bias=not line.has("bare")
    )


def linear(line: Line, x: Tensor) -> nn.Module:
    layer = nn.Linear(prod(x.shape[1:]), line.width, bias=not line.has("bare"))
    return layer if x.ndim == 2 else nn.Sequential(nn.Flatten(), layer)


def pool(line: Line, _: Tensor) -> nn.Module:
    kinds: dict[str, Callable[..., nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
    stride, pad = line.get("stride", line.kernel), line.get("pad", 0)
    return kinds[line.kind](line.kernel, stride, pad, ceil_mode=line.has("ceil"))


KINDS: dict[str, Callable[[Line, Tensor], nn.Module]] = {
    "conv": conv,
    "depthwise": conv,
    "transposed": transposed,
    "linear": linear,
    "max": pool,
    "average": pool,
    "global": lambda _line, _x: nn.AdaptiveAvgPool2d(1),
    "nearest": lambda line, _: nn.Upsample(scale_factor=line.width),
    "bilinear": lambda line, _: Bilinear(line.width),
    "relu": lambda _line, _x: nn.ReLU(),
    "norm": lambda _, x: nn.BatchNorm2d(x.shape[1]),
    "flatten": lambda _line, _x: nn.Flatten(),
}
NEEDS_WIDTH = ("conv", "transposed", "linear", "nearest", "bilinear")
NEEDS_KERNEL = ("conv", "depthwise", "transposed", "max", "average")


class Layers(nn.Sequential):
    """[N, in_channels, image_size, image_size] → what the last layer makes of it.

    Without linear layers, any size goes in.
    """

    def __init__(self, *, layers: Names, image_size: Size = 224, in_channels: Size = 3):
        super().__init__()
        self.in_channels = in_channels
        x = torch.empty(1, in_channels, image_size, image_size, device="meta")
        for text in layers:
            line = Line(text)
            if line.kind not in KINDS:
                raise line.wrong(f"there is no '{line.kind}'; there are {', '.join(KINDS)}")
            if bool(line.width) != (line.kind in NEEDS_WIDTH) or bool(line.kernel) != (
                line.kind in NEEDS_KERNEL
            ):
                raise line.wrong(f"'{line.kind}' wants {_wanted(line.kind)}")
            try:
                layer = KINDS[line.kind](line, x)
                shaped = _shape(layer, x)
            except (RuntimeError, ValueError) as error:
                raise line.wrong(f"does not fit a map of shape {list(x.shape[1:])}: {error}") from None
            if left := [*line.options, *sorted(line.flags)]:
                raise line.wrong(f"'{line.kind}' has no '{left[0]}'")
            x = shaped
            self.append(layer)


def _wanted(kind: str) -> str:
    wants = [
        what
        for what, kinds in (("one number", NEEDS_WIDTH), ("a kernel such as 3x3", NEEDS_KERNEL))
        if kind in kinds
    ]
    return " and ".join(wants) or "neither a number nor a kernel"


@torch.no_grad()
def _shape(layer: nn.Module, x: Tensor) -> Tensor:
    """What a layer makes of a map, on the meta device: a shape. Its weights stay where they are."""
    there = {name: tensor.to("meta") for name, tensor in (*layer.named_parameters(), *layer.named_buffers())}
    training = layer.training
    y: Tensor = torch.func.functional_call(layer.eval(), there, (x,))
    layer.train(training)
    return y

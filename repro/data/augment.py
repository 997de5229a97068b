"""Random variation of a batch of training images on the images' device, and their scaling to floats.

Targets of any form move with their images (`repro.data.motion`). Times in comments: a batch of
128×3×32×32 on one CPU thread.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from repro.bounds import NonNegativeInt, PositiveFloat, Size
from repro.contracts import Targets
from repro.data.motion import moved, placed
from repro.data.targets import IGNORE, Boxes
from repro.errors import ReproError

GREY = 118  # near ImageNet's mean


def pad_crop(
    images: Tensor, targets: Targets, generator: torch.Generator, *, pad: NonNegativeInt = 4
) -> tuple[Tensor, Targets]:
    """`pad` black pixels on every side, then a crop of the old size at a random place, each image its own.

    He et al. 2015, section 4.2, who pad by 4; there and here zero is padded before the mean is taken off. New
    pixels of masks are 255, ignored; boxes are cut off with the image.
    """
    if pad < 0:
        raise ReproError(f"pad_crop wants a pad of 0 or more pixels, not {pad}")
    places = torch.randint(2 * pad + 1, (2, len(images)), generator=generator, device=images.device)

    def shifted(boxes: Boxes) -> Boxes:
        shift = pad - places.flip(0).T
        return placed(boxes, torch.ones_like(shift), shift, *images.shape[2:])

    targets = moved(targets, lambda masks: _crop(masks, places, pad, IGNORE), shifted)
    return _crop(images, places, pad, 0), targets


def scale_crop(
    images: Tensor,
    targets: Targets,
    generator: torch.Generator,
    *,
    size: Size,
    least: PositiveFloat = 0.5,
    most: PositiveFloat = 2.0,
) -> tuple[Tensor, Targets]:
    """Each image enlarged by its own factor from `least` to `most`, then a random window of `size` × `size`.

    As DeepLab v3 trains (Chen et al. 2017, section 4: 0.5 to 2, windows of 513). Images bilinear, masks by
    nearest pixel. What a window has beyond the image is grey, and 255 in masks: ignored; boxes are cut off
    with the window.
    """
    if size < 1 or not 0 < least <= most:
        raise ReproError(
            f"scale_crop wants a size from 1 up and 0 < least <= most, not {size}, {least} and {most}"
        )
    factors, down, across = torch.rand(3, len(images), 1, generator=generator, device=images.device)
    scale = least + (most - least) * factors
    lines, starts = [], []
    for side, share in ((images.shape[2], down), (images.shape[3], across)):
        room = side * scale - size  # where it is below 0 the whole side is seen, somewhere in the window
        starts.append((room * share).round())
        pixels = starts[-1] + torch.arange(size, device=images.device) + 0.5
        lines.append(pixels / (side * scale) * 2 - 1)
    rows, columns = lines
    grid = torch.stack([columns[:, None].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)], dim=-1)
    seen = F.grid_sample(images.float() - GREY, grid, align_corners=False) + GREY

    def scaled(boxes: Boxes) -> Boxes:
        return placed(boxes, scale.expand(-1, 2), -torch.cat(starts[::-1], dim=1), size, size)

    targets = moved(targets, lambda masks: nearest(masks, grid), scaled)
    return seen.round().to(images.dtype), targets


def nearest(masks: Tensor, grid: Tensor) -> Tensor:
    """The pixels of masks [N, 1, H, W] that are nearest to the places of a grid [N, H′, W′, 2], as
    `grid_sample` has it; 255 for places beyond them.
    """
    labels = F.grid_sample(masks.float() - IGNORE, grid, mode="nearest", align_corners=False) + IGNORE
    return labels.round().to(masks.dtype)


def flip(images: Tensor, targets: Targets, generator: torch.Generator) -> tuple[Tensor, Targets]:
    """Each image left-right or not, with probability 1/2."""
    flipped = torch.randint(2, (len(images), 1, 1, 1), generator=generator, device=images.device)

    def turned(boxes: Boxes) -> Boxes:
        across, (height, width) = flipped.view(-1, 1), images.shape[2:]
        factor = torch.cat([1 - 2 * across, torch.ones_like(across)], dim=1)
        shift = torch.cat([width * across, torch.zeros_like(across)], dim=1)
        return placed(boxes, factor, shift, height, width)

    targets = moved(targets, lambda masks: _mirror(masks, flipped), turned)
    return _mirror(images, flipped), targets


def normalise(
    images: Tensor,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
) -> Tensor:
    """(images / 255 - mean) / std, of each channel. Computed in float32 where `dtype` is narrower."""
    plain = type(images) is Tensor  # a fake tensor, say, must not meet constants kept from real ones
    scale, shift = (_constants if plain else _constants.__wrapped__)(mean, std, dtype, images.device)
    # 0.20 ms; 0.59 with addcmul, 0.64 with the four steps of the formula.
    scaled = images.to(scale.dtype).mul_(scale).add_(shift).to(dtype)
    # 0.47 ms with channels last; 1.6 where the layout is changed before the arithmetic.
    return scaled.contiguous(memory_format=torch.channels_last) if channels_last else scaled


@lru_cache(maxsize=64)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Scale and shift, [C, 1, 1]. Kept: to copy them anew would make the host wait for the GPU every step."""
    wide = torch.promote_types(dtype, torch.float32)
    scale = torch.tensor([1 / (255 * s) for s in std], dtype=wide, device=device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=wide, device=device)
    return scale[:, None, None], shift[:, None, None]


def _crop(maps: Tensor, places: Tensor, pad: int, fill: int) -> Tensor:
    """[N, C, H, W] → the same shape, with top row and left column in `places` [2, N], both 0 to 2 `pad`."""
    count, channels, height, width = maps.shape
    padded = F.pad(maps, (pad, pad, pad, pad), value=fill)
    tall, wide = height + 2 * pad, width + 2 * pad

    def steps(number: int, stride: int) -> Tensor:
        return torch.arange(number, device=maps.device) * stride

    first = steps(count, channels * tall * wide) + places[0] * wide + places[1]
    starts = first[:, None, None] + steps(channels, tall * wide)[:, None] + steps(height, wide)
    # Whole rows are copied from where they start: 0.30 ms. Windows by index 1.1, gather by pixel 1.4,
    # `padded[…]` 5.5.
    return padded.flatten().unfold(0, width, 1).index_select(0, starts.flatten()).view(maps.shape)


def _mirror(maps: Tensor, flipped: Tensor) -> Tensor:
    """Integers [N, C, H, W] → left-right where `flipped` [N, 1, 1, 1] is 1."""
    # a ^ ((a ^ b) & mask) is b where all bits of the mask are set, else a: 0.14 ms, torch.where 1.0.
    change = maps.flip(-1)
    change ^= maps
    change &= -flipped.to(maps.dtype)
    change ^= maps
    return change

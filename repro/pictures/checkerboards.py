"""A checkerboard as it looks: what nets give for one image, and a part of it magnified until pixels are
squares.

Odena et al. 2016, "Deconvolution and Checkerboard Artifacts", show drawn images so; here it is any map.
"""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from repro.bounds import NonNegativeInt, PositiveInt
from repro.data.split import head
from repro.errors import ReproError
from repro.format import figure
from repro.measures.checkerboard import outputs_on
from repro.pictures.sheet import sheet, shown
from repro.state.net import State

CELL, SCALE = 208, 18  # pixels: about the side of a cell, and the height of the scale below it
FRAME, NO_NUMBER = (217, 95, 2), (200, 0, 0)  # colours: around the part, and of what is not a number

Ends = tuple[float, float]  # what is black and what is white


@torch.no_grad()
def checkerboards(
    states: dict[str, State],
    *,
    image: NonNegativeInt = 0,
    channel: NonNegativeInt = 0,
    side: PositiveInt = 16,
) -> Image.Image:
    """A channel of the outputs for one test image, a column an arm. From above: all of it; its middle of
    `side` × `side` pixels, magnified without smoothing; that less its 3×3 mean, on one scale for all arms.

    Below each stand the values of black and white. What is no number is red. In segmentation a channel is a
    class's logit.
    """
    seen, _ = head(next(iter(states.values())).data.test, image + 1)
    if len(seen) <= image:
        raise ReproError(f"this picture wants test image {image}; there are {len(seen)}, counted from 0")
    maps = {arm: _channel(state, seen[image:], channel) for arm, state in states.items()}
    rests = {arm: _middle(_rest(found), side) for arm, found in maps.items()}
    most = max(max(map(abs, _ends(rest))) for rest in rests.values())
    pixels = shown(seen[image])
    columns = {"image": [_framed(pixels, side), _enlarged(_middle(pixels, side))]}
    for arm, found in maps.items():
        part = _middle(found, side)
        columns[arm] = [
            _with_scale(_framed(_grey(found, _ends(found)), side), _ends(found)),
            _with_scale(_enlarged(_grey(part, _ends(part))), _ends(part)),
            _with_scale(_enlarged(_grey(rests[arm], (-most, most))), (-most, most)),
        ]
    return sheet(columns)


def _channel(state: State, image: Tensor, channel: int) -> np.ndarray:
    """[1, C, H, W] → what the net gives for it, in fp32: [H, W]"""
    outputs = outputs_on(state, image.to(state.device))
    if channel >= outputs.shape[1]:
        raise ReproError(f"this picture wants channel {channel} of outputs that have {outputs.shape[1]}")
    found: np.ndarray = outputs[0, channel].float().cpu().numpy()
    return found


def _rest(values: np.ndarray) -> np.ndarray:
    """What is left without the 3×3 mean: of a checkerboard of ±1 it is ±8/9. [H, W]

    Beyond its border the map is mirrored in its outermost pixels, where a board goes on and an even area too.
    """
    map_ = torch.from_numpy(values)[None, None]
    around = F.pad(map_, (1, 1, 1, 1), mode="reflect")
    rest: np.ndarray = (map_ - F.avg_pool2d(around, 3, 1))[0, 0].numpy()
    return rest


def _middle(values: np.ndarray, side: int) -> np.ndarray:
    """`side` pixels each way, or fewer where there are fewer. [H, W, …]"""
    top, left = ((length - min(side, length)) // 2 for length in values.shape[:2])
    return values[top : top + side, left : left + side]


def _ends(values: np.ndarray) -> Ends:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def _grey(values: np.ndarray, ends: Ends) -> np.ndarray:
    """[H, W] → uint8 [H, W, 3]; grey all over where all is one value."""
    (low, high), known = ends, np.isfinite(values)
    share = (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
    levels = (255 * np.where(known, share, 0)).round().astype(np.uint8)
    pixels = levels[..., None].repeat(3, axis=2)
    pixels[~known] = NO_NUMBER
    return pixels


def _factor(pixels: np.ndarray) -> int:
    return max(1, CELL // int(max(pixels.shape[:2])))


def _enlarged(pixels: np.ndarray) -> np.ndarray:
    """By whole pixels. [H, W, 3] → [H · k, W · k, 3]"""
    return pixels.repeat(_factor(pixels), 0).repeat(_factor(pixels), 1)


def _framed(pixels: np.ndarray, side: int) -> np.ndarray:
    """Enlarged, with a frame just outside the middle."""
    drawn, factor = Image.fromarray(_enlarged(pixels)), _factor(pixels)
    (top, left), (high, wide) = (
        [(length - min(side, length)) // 2 * factor for length in pixels.shape[:2]],
        [min(side, length) * factor for length in pixels.shape[:2]],
    )
    ImageDraw.Draw(drawn).rectangle((left - 1, top - 1, left + wide, top + high), outline=FRAME)
    return np.asarray(drawn)


def _with_scale(pixels: np.ndarray, ends: Ends) -> np.ndarray:
    """Below them a bar from black to white between the two values. [H, W, 3] → [H + SCALE, W, 3]"""
    width = pixels.shape[1]
    bar, font = Image.new("RGB", (width, SCALE), "white"), ImageFont.load_default(11)
    low, high = map(figure, ends)
    left, right = (int(font.getlength(text)) + 4 for text in (low, high))
    draw = ImageDraw.Draw(bar)
    draw.text((0, 2), low, "black", font)
    draw.text((width, 2), high, "black", font, anchor="ra")
    if ends[0] < ends[1] and left < width - right:
        levels = np.linspace(0, 255, width - right - left).round().astype(np.uint8)
        bar.paste(Image.fromarray(levels[None].repeat(8, 0)), (left, 5))
    return np.concatenate([pixels, np.asarray(bar)])

"""Images turned and scaled about their middle, each in a way of its own that is always the same.

To be bit-identical on every machine it computes in whole numbers: draws are SHA-256 of the image's row,
places and weights are multiples of 2⁻¹⁶ and 2⁻¹¹ of a pixel. Sine and cosine alone are floating-point
numbers; rounded to 2⁻¹⁶, what libraries of mathematics may differ in, 2⁻⁵², would show once in 10¹⁰ numbers.
"""

import hashlib
import math
from collections.abc import Iterable

import numpy as np

VERSION = 1  # of the distortion: to be raised with whatever changes a pixel
TURN = 60  # degrees, either way
LEAST, MOST = 0.6, 1.3  # factors on the size
PLACE, WEIGHT = 16, 11  # bits behind the point: 255 × 2²² is within 32 bits
CHUNK = 1000  # images at a time: places and weights take 40 bytes a pixel


def distorted(images: np.ndarray, rows: Iterable[int], draw: str) -> np.ndarray:
    """uint8 [N, C, H, H] → the same shape: turned by up to 60° either way, and scaled by 0.6 to 1.3, both
    uniform; bilinear, black beyond the image.

    What an image of row r is distorted by is drawn from the text `draw` and r, one for each image, alone.
    """
    ways = np.array([_way(f"{draw} {row}") for row in rows], np.int32).reshape(-1, 2)
    parts = range(0, len(images), CHUNK)
    return np.concatenate([images[:0], *(_moved(images[n : n + CHUNK], ways[n : n + CHUNK]) for n in parts)])


def _way(text: str) -> tuple[int, int]:
    """How far one goes in the source, across and down, for a pixel across: multiples of 2⁻¹⁶ of a pixel."""
    drawn = hashlib.sha256(text.encode()).digest()
    turn, size = (int.from_bytes(drawn[start : start + 4]) / 2**32 for start in (0, 4))
    angle = math.radians(TURN * (2 * turn - 1))
    factor = LEAST + (MOST - LEAST) * size
    return round(math.cos(angle) / factor * 2**PLACE), round(math.sin(angle) / factor * 2**PLACE)


def _moved(images: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Each image as seen at the places where a square grid comes to lie in it."""
    count, channels, side, _ = images.shape
    steps = 2 * np.arange(side, dtype=np.int32) - (side - 1)  # from the middle, in half pixels
    across, down = steps[None, None, :], steps[None, :, None]
    cos, sin = ways[:, 0, None, None], ways[:, 1, None, None]
    middle = (side - 1) << PLACE
    x, y = ((middle + cos * across + sin * down) >> 1, (middle + cos * down - sin * across) >> 1)
    wide = side + 2
    framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))).reshape(count, channels, wide * wide)
    moved = np.full((count, channels, side * side), 1 << 2 * WEIGHT - 1, np.int32)  # a half, to round
    for right in (0, 1):
        for below in (0, 1):
            column, row = ((place >> PLACE) + 1 + step for place, step in ((x, right), (y, below)))
            pixel = row.clip(0, wide - 1) * wide + column.clip(0, wide - 1)  # beyond the image all is black
            weight = (_share(x, right) * _share(y, below)).reshape(count, 1, -1)
            moved += weight * np.take_along_axis(framed, pixel.reshape(count, 1, -1), 2)
    return (moved >> 2 * WEIGHT).astype(np.uint8).reshape(images.shape)


def _share(places: np.ndarray, step: int) -> np.ndarray:
    """The weight of the pixel before (0) or behind (1) a place: 0 to 2¹¹."""
    behind: np.ndarray = (places & (1 << PLACE) - 1) >> PLACE - WEIGHT
    return behind if step else (1 << WEIGHT) - behind

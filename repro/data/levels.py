"""Pictures of files, in 8 bits a channel whatever they are stored in."""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from repro.errors import ReproError

SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
UNBOUNDED = {"I": "32-bit numbers", "F": "floating-point numbers"}
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow raises


def in_bytes(picture: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    """A picture in grey or colour. Of 16 bits the upper 8 are taken, as Pillow takes them of colours and
    torchvision of tensors: black and white stay what they are, and nothing is cut off. Of 12-bit content in
    files of 16 bits 16 levels remain, unless it was spread over the 16 bits when it was saved.

    Raises `ReproError`, which does not name the file, for pixels that have no white.
    """
    if picture.mode in UNBOUNDED:
        raise ReproError(
            f"its pixels are {UNBOUNDED[picture.mode]} (mode {picture.mode}), of which none is white: "
            "save it with 8 or 16 bits, black as 0 and white as 255 or 65535"
        )
    if picture.mode in SIXTEEN_BITS:
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture.convert(mode)


def read_picture(path: Path, mode: Literal["L", "RGB"] | None = "RGB") -> Image.Image:
    """The picture of a file, `in_bytes`, or as it is stored if no mode is wanted. Raises `FileNotFoundError`,
    and `ReproError` with the file's name where there is no picture to be had of it.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture.copy() if mode is None else in_bytes(picture, mode)
    except FileNotFoundError:
        raise
    except ReproError as error:
        raise ReproError(f"{path}: {error}") from None
    except UNREADABLE as error:
        raise ReproError(f"{path} cannot be read as a picture: {error}") from None

"""Images in rows and columns, with a heading over each column."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

Colour: TypeAlias = tuple[int, int, int]

GAP, HEADING = 4, 18  # pixels between cells, and of a heading
LARGEST, SMALLEST = 320, 128  # a cell's longer side
# PASCAL VOC's colours, which count through the bits of red, green and blue; the last stands for no label.
PALETTE = np.array(
    [
        [sum((label >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]
        for label in range(255)
    ]
    + [[224, 224, 192]],
    np.uint8,
)
# Okabe and Ito's colours, which the colour-blind tell apart, too: "Color Universal Design", 2008
ORANGE: Colour = (230, 159, 0)
SKY: Colour = (86, 180, 233)
GREEN: Colour = (0, 158, 115)
YELLOW: Colour = (240, 228, 66)
BLUE: Colour = (0, 114, 178)
VERMILION: Colour = (213, 94, 0)
PURPLE: Colour = (204, 121, 167)


def sheet(
    columns: Mapping[str, Sequence[np.ndarray]], legend: Mapping[str, Colour] | None = None
) -> Image.Image:
    """Columns of uint8 images [H, W, 3] under their names, all at one size, enlarged by whole pixels; below
    them what colours mean, one in a row.
    """
    cells = {name: [_scaled(image) for image in images] for name, images in columns.items()}
    font = ImageFont.load_default(13)
    names = {
        name: max(int(font.getlength(name)), *(cell.width for cell in column))
        for name, column in cells.items()
    }
    height = max(cell.height for column in cells.values() for cell in column)
    rows = max(map(len, cells.values()))
    meanings = legend or {}
    longest = max((GAP + HEADING + int(font.getlength(says)) for says in meanings), default=0)
    width = max(sum(names.values()) + GAP * (len(cells) + 1), longest + GAP)
    end = HEADING + rows * (height + GAP) + GAP
    page = Image.new("RGB", (width, end + HEADING * len(meanings)), "white")
    draw, x = ImageDraw.Draw(page), GAP
    for row, (says, colour) in enumerate(meanings.items()):
        top = end + row * HEADING
        draw.rectangle((x, top, x + 11, top + 11), fill=colour, outline="black")
        draw.text((x + HEADING, top - 2), says, "black", font)
    for name, column in cells.items():
        draw.text((x, 2), name, "black", font)
        for row, cell in enumerate(column):
            page.paste(cell, (x, HEADING + row * (height + GAP)))
        x += names[name] + GAP
    return page


def shown(image: Tensor) -> np.ndarray:
    """An image of a data set as it is shown: uint8 [C, H, W] → [H, W, 3].

    One channel is grey. Of more, the first three are red, green and blue, and what lies behind them (opacity,
    infrared) is not shown; with two there is no blue.
    """
    channels = image.cpu().expand(3, -1, -1) if len(image) == 1 else image.cpu()[:3]
    coloured: np.ndarray = F.pad(channels, (0, 0, 0, 0, 0, 3 - len(channels))).permute(1, 2, 0).numpy()
    return coloured


def _scaled(image: np.ndarray) -> Image.Image:
    picture, side = Image.fromarray(image), max(image.shape[:2])
    if side > LARGEST:
        picture.thumbnail((LARGEST, LARGEST))
        return picture
    factor = max(1, SMALLEST // side)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)

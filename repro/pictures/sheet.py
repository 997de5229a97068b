"""Images in rows and columns, with a heading over each column."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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


def sheet(columns: Mapping[str, Sequence[np.ndarray]]) -> Image.Image:
    """Columns of uint8 images [H, W, 3] under their names, all at one size, enlarged by whole pixels."""
    cells = {name: [_scaled(image) for image in images] for name, images in columns.items()}
    font = ImageFont.load_default(13)
    names = {
        name: max(int(font.getlength(name)), *(cell.width for cell in column))
        for name, column in cells.items()
    }
    height = max(cell.height for column in cells.values() for cell in column)
    rows = max(map(len, cells.values()))
    page = Image.new(
        "RGB", (sum(names.values()) + GAP * (len(cells) + 1), HEADING + rows * (height + GAP) + GAP), "white"
    )
    draw, x = ImageDraw.Draw(page), GAP
    for name, column in cells.items():
        draw.text((x, 2), name, "black", font)
        for row, cell in enumerate(column):
            page.paste(cell, (x, HEADING + row * (height + GAP)))
        x += names[name] + GAP
    return page


def _scaled(image: np.ndarray) -> Image.Image:
    picture, side = Image.fromarray(image), max(image.shape[:2])
    if side > LARGEST:
        picture.thumbnail((LARGEST, LARGEST))
        return picture
    factor = max(1, SMALLEST // side)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)

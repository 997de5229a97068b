"""Scenes made of Fashion-MNIST's garments: masks and boxes that are exact, with nothing to download."""

import hashlib
import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from repro.bounds import NonNegativeInt, PositiveFloat, PositiveInt, Size
from repro.contracts import DataSet
from repro.data.embedded import FashionMnistSmall
from repro.data.images import ImageSet
from repro.errors import ReproError

VERSION = 1  # of the drawing: to be raised with whatever changes a canvas
CHUNK = 125  # canvases drawn together, from a random stream of their own
PICTURE = 28  # pixels of a garment at scale 1
CELLS = 8  # of the coarse noise and of the stripes, along a side
NOISE = 0.04  # standard deviation of a pixel's own noise
STRIPES = 0.08  # amplitude
STRIPED_IN_ROWS = (26, 38)  # of the 64 cells, in a scene of columns and in one of rows
KINDS = (0, 1, 5, 8, 9)  # of Fashion-MNIST's ten: T-shirt, trouser, sandal, bag, ankle boot
KINDS_IN_CONTEXT = (0, 1, 8, 9, 9)


class Canvases(NamedTuple):
    """Images uint8 [N, 3, H, W], masks uint8 [N, H, W], and the items of each, the one at the back first.

    Boxes int64 [N, items, 4] are x1, y1, x2, y2 in pixels, the latter two exclusive, around what is seen of
    an item. Labels int64 [N, items] are 1 and up; they are 0, and the box is 0, where there is no item or
    nothing of it is seen.
    """

    images: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


class Scenes(DataSet):
    """Square colour canvases of `size` pixels on which garments of some kinds overlap; background is class 0.

    **Items.** `items` (fewest, most) a canvas, each number as likely. An item is a T-shirt (1), a trouser
    (2), a sandal (3), a bag (4) or an ankle boot (5), as likely, and any picture of its kind: for training
    canvases of the 1,000 training images of each kind embedded in this package, for test canvases of the 200
    test images. Its scale is log-uniform in `scale` (of 28 pixels; one scale where both are equal), its
    centre uniform within the inner three quarters of the canvas along each side, its tint uniform in 0.3 to 1
    for each channel; it shows (0.2 + 0.8 picture) × tint. Later items hide earlier ones.

    **`kinds`.** Which of Fashion-MNIST's classes 0 to 9 the items are of; they become classes 1, 2, …. The
    half of them that is in no scene by default is [2, 3, 4, 6, 7]: pullover, dress, coat, shirt and sneaker.

    **Background.** A uniform colour, 0.1 to 0.9 a channel; a linear ramp of up to ±0.2 a channel in a random
    direction; 8×8 colour noise, smooth, of up to ±0.25; grey noise of 2×2 pixels, of up to ±0.1. Over all,
    each pixel and channel has normal noise of standard deviation 0.04.

    **Masks.** A picture's silhouette is what is brighter than 0.06, closed by 3×3, so that it has no small
    holes. It is resized as the picture is, bilinearly, and cut at 0.5. No pixel is unlabelled (255).

    **`context`.** Two classes that look alike: no sandals, but boots twice as often, and what class a boot is
    (4 or 5) is a property of the whole scene. The background is 8×8 cells with stripes (2 pixels wide, ±0.08)
    that are rows or columns. In a scene of rows, where boots are class 4, 38 of the 64 cells, at random, have
    rows; in a scene of columns, where they are class 5, 26. So no cell tells: the best guess from one is
    right in 59 cases of 100, from 3×3 cells in 73, from 5×5 in 89 (hypergeometric), and all 64 tell for
    certain. Items hide some: counted on training canvases as drawn by default, the cells within a window of
    22 pixels around a boot's pixel are right in 62 cases of 100, within 48 pixels in 80, and those of the
    whole canvas in 98. Evidence is simply added up over the canvas, as global average pooling does.

    The first n canvases are the same whatever `train` and `test` are; `seed` draws others, for both.
    """

    channels = 3

    def __init__(
        self,
        *,
        size: Size = 64,
        train: PositiveInt = 3000,
        test: PositiveInt = 500,
        items: tuple[PositiveInt, PositiveInt] = (2, 4),
        scale: tuple[PositiveFloat, PositiveFloat] = (0.6, 2.0),
        kinds: tuple[NonNegativeInt, ...] | None = None,
        context: bool = False,
        seed: NonNegativeInt = 0,
    ):
        if size < 2 * CELLS or train < 1 or test < 1 or seed < 0:
            raise ReproError(
                f"data set 'scenes' wants a size of {2 * CELLS} or more, 1 or more training and test "
                f"canvases and a seed of 0 or more, not size {size}, train {train}, test {test}, seed {seed}"
            )
        if not 1 <= items[0] <= items[1] <= 255 or not 0 < scale[0] <= scale[1]:
            raise ReproError(
                "data set 'scenes' wants `items` and `scale` as two numbers of which the "
                "first is the smaller or the same, at least 1 item and a scale above 0, not "
                f"items {list(items)}, scale {list(scale)}"
            )
        if kinds is not None and context:
            raise ReproError("data set 'scenes' has kinds of its own in `context`: leave `kinds` out")
        if kinds is None:
            kinds = KINDS_IN_CONTEXT if context else KINDS
        elif not 0 < len(kinds) == len(set(kinds) & set(range(FashionMnistSmall.classes))):
            raise ReproError(
                "data set 'scenes' wants `kinds` to be one or more of Fashion-MNIST's classes 0 to 9, each "
                f"once, not {list(kinds)}"
            )
        self.size, self.train, self.test, self.seed = size, train, test, seed
        self.items, self.scale, self.context = tuple(items), tuple(map(float, scale)), context
        self.kinds = tuple(kinds)
        self.classes = 1 + len(self.kinds)

    def fingerprint(self) -> str:
        """Of the pictures, the options and the version of the drawing; draws nothing."""
        # `kinds` tell `context`, too: boots are twice among them
        options = (self.size, self.train, self.test, self.items, self.scale, self.kinds, self.seed)
        return hashlib.sha256(
            f"{FashionMnistSmall().fingerprint()} {VERSION} {options}".encode()
        ).hexdigest()[:16]

    def load(self) -> ImageSet:
        """Targets are the masks, uint8 [N, H, W]. 3,000 and 500 canvases take 2 s on one core."""
        pictures = FashionMnistSmall().load()
        train, test = self._canvases("train", pictures), self._canvases("test", pictures)
        return ImageSet.of(train[:2], test[:2], self._class_names(pictures))

    def canvases(self, split: Literal["train", "test"]) -> Canvases:
        """What `load` makes of a split, with the boxes and labels of the items."""
        return self._canvases(split, FashionMnistSmall().load())

    def _canvases(self, split: Literal["train", "test"], pictures: ImageSet) -> Canvases:
        from repro.data.split import head

        chosen, count = (pictures.train, self.train) if split == "train" else (pictures.test, self.test)
        images, labels = head(chosen, len(chosen))
        garments = [_garments(images[labels == kind, 0].numpy()) for kind in self.kinds]
        whole = self._blank(count)  # at once: what does not fit into memory is told before it is drawn
        for start in range(0, count, CHUNK):
            random = np.random.default_rng([self.seed, split == "test", start // CHUNK])
            for part, drawn in zip(whole, self._draw(garments, random), strict=True):
                part[start : start + CHUNK] = drawn[: count - start]
        return whole

    def _blank(self, count: int) -> Canvases:
        return Canvases(
            images=np.empty((count, self.channels, self.size, self.size), np.uint8),
            masks=np.empty((count, self.size, self.size), np.uint8),
            boxes=np.empty((count, self.items[1], 4), np.int64),
            labels=np.empty((count, self.items[1]), np.int64),
        )

    def _draw(self, garments: list[np.ndarray], random: np.random.Generator) -> Canvases:
        """`CHUNK` canvases, of garments by class."""
        canvas = _background(self.size, random)
        rows = random.random(CHUNK) < 0.5 if self.context else None
        if rows is not None:
            canvas += _stripes(self.size, rows, random)[:, None]
        many = random.integers(self.items[0], self.items[1], CHUNK, endpoint=True)
        labels = random.integers(1, len(garments), (CHUNK, self.items[1]), endpoint=True)
        if rows is not None:
            labels = np.where(labels >= 4, np.where(rows, 4, 5)[:, None], labels)
        labels[np.arange(self.items[1]) >= many[:, None]] = 0
        # 1 + the number of the item that a pixel shows
        front = np.zeros((CHUNK, self.size, self.size), np.uint8)
        for item in range(self.items[1]):
            brightness, covered = self._place(
                [garments[max(label, 1) - 1] for label in labels[:, item]], random
            )
            covered &= (labels[:, item] > 0)[:, None, None]
            tint = _uniform(random, 0.3, 1.0, CHUNK, 3, 1, 1)
            np.copyto(canvas, (0.2 + 0.8 * brightness)[:, None] * tint, where=covered[:, None])
            front[covered] = item + 1
        canvas += np.float32(NOISE) * random.standard_normal(canvas.shape, np.float32)
        boxes = _boxes(front, self.items[1])
        labels[boxes[..., 2] == 0] = 0
        by_front = np.pad(labels, ((0, 0), (1, 0))).astype(np.uint8)
        masks = np.take_along_axis(by_front, front.reshape(CHUNK, -1).astype(np.intp), 1).reshape(front.shape)
        return Canvases((canvas.clip(0, 1) * 255).round().astype(np.uint8), masks, boxes, labels)

    def _place(
        self, garments: list[np.ndarray], random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each array's pictures and silhouettes, resized and put somewhere: brightness and mask [N, H, W]."""
        chosen = np.stack([some[int(random.integers(len(some)))] for some in garments])
        low, high = map(math.log, self.scale)
        scale = np.exp(_uniform(random, low, high, CHUNK, 1))
        across, down = (_uniform(random, 0.125, 0.875, CHUNK, 1) * self.size for _ in range(2))
        pixels = np.arange(self.size, dtype=np.float32) + 0.5
        to_x = _bilinear((pixels - across) / scale + PICTURE / 2, PICTURE)[:, None]
        to_y = _bilinear((pixels - down) / scale + PICTURE / 2, PICTURE)[:, None]
        placed = to_y @ chosen @ to_x.swapaxes(2, 3)
        return placed[:, 0], placed[:, 1] > 0.5

    def _class_names(self, pictures: ImageSet) -> tuple[str, ...]:
        names = [pictures.class_names[kind] for kind in self.kinds]
        if self.context:
            names[3:] = [f"{names[3]} among rows", f"{names[4]} among columns"]
        return ("Background", *names)


def _garments(pictures: np.ndarray) -> np.ndarray:
    """uint8 [N, 28, 28] → float32 [N, 2, 28, 28]: brightness 0 to 1, and the silhouette."""
    brightness = pictures.astype(np.float32) / 255
    silhouette = ~_dilated(~_dilated(brightness > 0.06))
    return np.stack([brightness, silhouette.astype(np.float32)], 1)


def _dilated(maps: np.ndarray) -> np.ndarray:
    """Booleans [N, H, W], true where any of the 3×3 pixels around is."""
    wide = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    tall: np.ndarray = wide[:, :, :-2] | wide[:, :, 1:-1] | wide[:, :, 2:]
    around: np.ndarray = tall[:, :-2] | tall[:, 1:-1] | tall[:, 2:]
    return around


def _bilinear(places: np.ndarray, count: int) -> np.ndarray:
    """Weights [..., count] of a row's pixels at `places` [...]; 0.5 is the first one's centre.

    Zero lies outside the row.
    """
    distances = np.abs(places[..., None] - (np.arange(count, dtype=np.float32) + 0.5))
    weights: np.ndarray = np.maximum(1 - distances, 0)
    return weights.astype(np.float32)


def _uniform(random: np.random.Generator, low: float, high: float, *shape: int) -> np.ndarray:
    return np.float32(low) + np.float32(high - low) * random.random(shape, np.float32)


def _background(size: int, random: np.random.Generator) -> np.ndarray:
    """float32 [CHUNK, 3, size, size]"""
    angle = _uniform(random, 0, 2 * math.pi, CHUNK, 1, 1, 1)
    line = np.linspace(-1, 1, size, dtype=np.float32)
    ramp = np.cos(angle) * line + np.sin(angle) * line[:, None]
    colour = _uniform(random, 0.1, 0.9, CHUNK, 3, 1, 1) + _uniform(random, -0.2, 0.2, CHUNK, 3, 1, 1) * ramp
    cells = (np.arange(size, dtype=np.float32) + 0.5) * CELLS / size
    smooth = _bilinear(cells.clip(0.5, CELLS - 0.5), CELLS)
    coarse = smooth @ _uniform(random, -0.25, 0.25, CHUNK, 3, CELLS, CELLS) @ smooth.T
    grains = np.arange(size) // 2
    fine = _uniform(random, -0.1, 0.1, CHUNK, 1, grains[-1] + 1, grains[-1] + 1)[:, :, grains][..., grains]
    colour = colour + coarse * _uniform(random, 0, 1, CHUNK, 1, 1, 1)
    grained: np.ndarray = colour + fine * _uniform(random, 0, 1, CHUNK, 1, 1, 1)
    return grained


def _stripes(size: int, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cells with stripes along rows or along columns: float32 [CHUNK, size, size].

    As many of each as a scene of rows has where `rows` [CHUNK] is true, else as one of columns has.
    """
    ranks = random.random((CHUNK, CELLS * CELLS)).argsort(1).reshape(CHUNK, CELLS, CELLS)
    is_rows = ranks < np.where(rows, STRIPED_IN_ROWS[1], STRIPED_IN_ROWS[0])[:, None, None]
    cells = np.arange(size) * CELLS // size
    wave = np.where(np.arange(size) // 2 % 2, -STRIPES, STRIPES).astype(np.float32)
    return np.where(is_rows[:, cells][:, :, cells], wave[:, None], wave)


def _boxes(front: np.ndarray, items: int) -> np.ndarray:
    """int64 [N, items, 4] of the pixels [N, H, W] that show item 1, 2, …; 0 where none does."""
    return np.stack([np.stack(list(_box(front == item)), 1) for item in range(1, items + 1)], 1)


def _box(seen: np.ndarray) -> Iterator[np.ndarray]:
    """x1, y1, x2, y2 of true pixels [N, H, W], each [N]"""
    extents = [np.any(seen, axis=axis) for axis in (1, 2)]
    yield from (extent.argmax(1) for extent in extents)
    yield from (np.where(extent.any(1), extent.shape[1] - extent[:, ::-1].argmax(1), 0) for extent in extents)

"""Scenes with boxes: the canvases of `scenes`, with clutter behind their items, for nets that find things."""

import hashlib

import numpy as np

from repro.bounds import NonNegativeInt, PositiveFloat, PositiveInt, Size
from repro.contracts import DataSet
from repro.data import doubts
from repro.data.embedded import FashionMnistSmall
from repro.data.images import ImageSet, mean_and_std
from repro.data.scenes import CHUNK, NOISE, PICTURE, Canvases, Scenes, _garments, _uniform
from repro.errors import ReproError

VERSION = 1  # of the clutter: to be raised with whatever changes a canvas


class DetectionScenes(DataSet):
    """Canvases of `scenes` and the boxes of their items, `Boxes` around what is seen of each.

    Classes are the garments, `kinds`, in their order, and the background is none. `items`, `scale`, `kinds`,
    `size` and `seed` are those of `scenes`.

    **Clutter.** So many fragments a canvas lie behind its items, each number from 0 to `clutter` as likely:
    quarters of garments of all ten classes, scaled, placed, tinted and noised as items are. No texture tells
    an item, then, only its form does.
    """

    channels = 3

    def __init__(
        self,
        *,
        size: Size = 64,
        train: PositiveInt = 2000,
        test: PositiveInt = 300,
        items: tuple[PositiveInt, PositiveInt] = (1, 3),
        scale: tuple[PositiveFloat, PositiveFloat] = (0.7, 1.4),
        kinds: tuple[NonNegativeInt, ...] | None = None,
        clutter: NonNegativeInt = 4,
        seed: NonNegativeInt = 0,
    ):
        if clutter < 0:
            raise ReproError(f"data set 'detection-scenes' wants clutter of 0 or more pieces, not {clutter}")
        self.scenes = Scenes(
            size=size, train=train, test=test, items=items, scale=scale, kinds=kinds, seed=seed
        )
        self.clutter = clutter
        self.classes = self.scenes.classes - 1

    def fingerprint(self) -> str:
        own = f"{self.scenes.fingerprint()} {VERSION} {self.clutter}"
        return hashlib.sha256(own.encode()).hexdigest()[:16]

    def load(self) -> ImageSet:
        """3,000 canvases take 3 s on one core."""
        import torch

        from repro.data.split import InMemory
        from repro.data.targets import NONE, Boxes

        pictures = FashionMnistSmall().load()
        names = tuple(pictures.class_names[kind] for kind in self.scenes.kinds)
        drawn = [self._cluttered(split, pictures) for split in ("train", "test")]
        train, test = (
            InMemory(
                torch.from_numpy(canvases.images),
                Boxes(
                    torch.from_numpy(canvases.boxes.astype(np.float32)),
                    torch.from_numpy(np.where(canvases.labels > 0, canvases.labels - 1, NONE)),
                ),
            )
            for canvases in drawn
        )
        mean, std = mean_and_std(drawn[0].images)
        first, second = (canvases.labels[canvases.labels > 0] - 1 for canvases in drawn)
        return ImageSet(
            train,
            test,
            names,
            mean,
            std,
            doubts=(*doubts.of_levels(mean, std), *doubts.of_images(drawn[0].images, drawn[1].images)),
            doubts_of_labels=tuple(doubts.of_labels(first, second, names)),
        )

    def _cluttered(self, split: str, pictures: ImageSet) -> Canvases:
        """The canvases of a split, whose background pixels show the fragments."""
        canvases = self.scenes.canvases("test" if split == "test" else "train")
        if not self.clutter:
            return canvases
        fragments = _fragments(pictures, split)
        for start in range(0, len(canvases.images), CHUNK):
            random = np.random.default_rng([self.scenes.seed, 2 + (split == "test"), start // CHUNK])
            behind = self._draw(fragments, random)
            images, masks = (part[start : start + CHUNK] for part in (canvases.images, canvases.masks))
            pixels, covered = (part[: len(images)] for part in behind)
            np.copyto(images, pixels, where=(covered & (masks == 0))[:, None])
        return canvases

    def _draw(self, fragments: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [CHUNK, 3, size, size], and where there are fragments: [CHUNK, size, size]."""
        many = random.integers(0, self.clutter, CHUNK, endpoint=True)
        size = self.scenes.size
        canvas, anywhere = np.zeros((CHUNK, 3, size, size), np.float32), np.zeros((CHUNK, size, size), bool)
        for piece in range(self.clutter):
            brightness, covered = self.scenes._place([fragments] * CHUNK, random)
            covered &= (piece < many)[:, None, None]
            tint = _uniform(random, 0.3, 1.0, CHUNK, 3, 1, 1)
            np.copyto(canvas, (0.2 + 0.8 * brightness)[:, None] * tint, where=covered[:, None])
            anywhere |= covered
        canvas += np.float32(NOISE) * random.standard_normal(canvas.shape, np.float32)
        return (canvas.clip(0, 1) * 255).round().astype(np.uint8), anywhere


def _fragments(pictures: ImageSet, split: str) -> np.ndarray:
    """A quarter of each garment of a split, one after another: float32 [N, 2, 28, 28], as `_garments`."""
    from repro.data.split import head

    chosen = pictures.test if split == "test" else pictures.train
    garments = _garments(head(chosen, len(chosen))[0][:, 0].numpy())
    half = PICTURE // 2
    centred = np.zeros_like(garments)
    for quarter in range(4):
        top, left = divmod(quarter, 2)
        part = garments[quarter::4, :, top * half : (top + 1) * half, left * half : (left + 1) * half]
        centred[quarter::4, :, half // 2 : half // 2 + half, half // 2 : half // 2 + half] = part
    return centred

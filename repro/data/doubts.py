"""What makes a set useless for judging nets by, so that no number of it would mean what it says.

Images are uint8 [N, C, H, W]; targets are labels, integers [N], or masks, uint8 [N, H, W].
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

SORTED = "is a split a slice of a set that is sorted by class?"
LINES = 8  # of an image's rows and columns, by which images are found that may be equal
CHUNK = 64  # targets that are counted at a time: of masks of 512×512, 128 MiB as int64


def of_levels(mean: Sequence[float], std: Sequence[float]) -> Iterator[str]:
    """That a channel of the training images is the same everywhere, and cannot be normalised."""
    for channel, (level, spread) in enumerate(zip(mean, std, strict=True), start=1):
        if not spread > 0:
            yield (
                f"in channel {channel} of {len(std)} every pixel of the training images has the same level, "
                f"{255 * level:g} of 255"
            )


def of_images(train: np.ndarray, test: np.ndarray) -> Iterator[str]:
    """That what is tested on was trained on. It takes more than half of the test images: large sets have some
    duplicates (Barz and Denzler 2020 count a tenth in CIFAR-100, most of them changed a little).
    """
    known = _count_known(train, test)
    if 2 * known > len(test):
        yield (
            f"{known:,} of the {len(test):,} test images are training images too, so that a test says "
            "nothing new; make the splits of different images"
        )


def of_labels(train: np.ndarray, test: np.ndarray, class_names: Sequence[str]) -> Iterator[str]:
    """That there is nothing to learn or to tell apart in a split, or that most of what is tested on is of
    classes that are not trained on.
    """
    of_train, of_test = _counts(train, len(class_names)), _counts(test, len(class_names))
    kind = "pixels" if train.ndim == 3 else "images"
    if not of_train.any():
        yield f"none of the training {kind} has a label"
        return
    for split, counts in (("training", of_train), ("test", of_test)):
        if np.count_nonzero(counts) == 1:
            yield f"all {split} {kind} are of one class, '{class_names[int(counts.argmax())]}'; {SORTED}"
    strange = of_test[of_train == 0].sum()
    if 2 * strange > of_test.sum():
        yield f"{strange:,} of {of_test.sum():,} test {kind} are of classes without training {kind}; {SORTED}"


def _counts(targets: np.ndarray, classes: int) -> np.ndarray:
    """int64 [classes]: the items of each class."""
    counts = np.zeros(classes, np.int64)
    for start in range(0, len(targets), CHUNK):
        some = targets[start : start + CHUNK]
        counts += np.bincount(some[(some >= 0) & (some < classes)], minlength=classes)
    return counts


def _count_known(train: np.ndarray, test: np.ndarray) -> int:
    """How many images of the second are among the first."""
    first, second = _samples(train), _samples(test)
    alike = set(first) & set(second)
    known = {_digest(image) for image, sample in zip(train, first, strict=True) if sample in alike}
    found = (sample in alike and _digest(image) in known for image, sample in zip(test, second, strict=True))
    return sum(found)


def _samples(images: np.ndarray) -> list[bytes]:
    """Some pixels of each image: equal images have equal ones, other images seldom."""
    down, across = (max(1, side // LINES) for side in images.shape[2:])
    return [sample.tobytes() for sample in images[:, :, ::down, ::across]]


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()

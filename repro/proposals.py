"""Boxes that a search has proposed in images, remembered: an image is searched once. Imports no torch.

.repro/proposals/<search>.<generation>.<checksum>.safetensors   what a search has found in some images

A search is named by its code and its options, an image by what it holds: so another set, split, size or
augmentation is another image. A file is written whole and never changed; processes that are at work at once
each leave their own, and read each other's. A store has MOST images of a search in a generation, and up to
TOGETHER more for each process that found some at the same time. `repro store --prune` removes what other code
has found, or with options that no suite's nets have.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from hashlib import blake2b
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from repro.records import checksum
from repro.store import Store, StoreError, write_atomically

MOST = 2**16  # images of a search, 8 kB each thousand boxes: those of an augmentation would never end
TOGETHER = 256  # images in a file, or fewer where a job ends: what a kill can cost


class Proposals:
    """Boxes in images, remembered in this process, and in a store, if there is one, as long as its files
    count: with `--fresh` every image is searched anew.
    """

    def __init__(self, store: Store | None = None):
        self.store = store
        self._known: dict[str, dict[bytes, np.ndarray]] = {}
        self._new: dict[str, dict[bytes, np.ndarray]] = {}
        self._read: set[str] = set()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """`proposals` asks here, in the block. What is new by its end is in the store."""
        token = _in_use.set(self)
        try:
            yield
        finally:
            _in_use.reset(token)
            for search in [*self._new]:
                self._keep(search)

    def of(self, image: np.ndarray, search: str, look: Callable[[], np.ndarray]) -> np.ndarray:
        key = blake2b(image.tobytes() + str(image.shape).encode(), digest_size=16).digest()
        known = self._known.setdefault(search, {})
        if key not in known and len(known) < MOST:
            self._learn(search)
        if key in known:
            return known[key]
        found = look().astype(np.uint16)
        if len(known) < MOST:
            new = self._new.setdefault(search, {})
            known[key] = new[key] = found
            if len(new) >= TOGETHER:
                self._keep(search)
        return found

    def _learn(self, search: str) -> None:
        """What files of the store say that were not read before."""
        if self.store is None:
            return
        for path in files(self.store, search):
            generation, noted = path.name.split(".")[1:3]
            if path.name in self._read or int(generation) < self.store.since:
                continue
            self._read.add(path.name)
            try:
                content = path.read_bytes()
            except OSError:  # another process has found it damaged
                continue
            if checksum(content) == noted:
                self._known[search] |= _rows(load(content))
            else:
                sys.stderr.write(f"{path}: damaged. It is removed, and its images are searched again\n")
                with suppress(OSError):
                    path.unlink()

    def _keep(self, search: str) -> None:
        new = self._new.pop(search)
        if self.store is None:
            return
        content = save(_columns(new))
        name = f"{search}.{self.store.since}.{checksum(content)}.safetensors"
        self._read.add(name)
        with suppress(StoreError):  # a store that cannot be written to: then each process searches
            write_atomically(_folder(self.store) / name, content)


_ALONE = Proposals()
_in_use: ContextVar[Proposals] = ContextVar("_in_use", default=_ALONE)


def proposals(image: np.ndarray, search: str, look: Callable[[], np.ndarray]) -> np.ndarray:
    """The boxes in an image, uint8 [H, W, C], as `look` gives them where they are not known: whole numbers
    from 0 to 65,535, [boxes, 4]. `search` names all that they depend on beside the image.
    """
    return _in_use.get().of(image, search, look)


def files(store: Store, search: str = "*") -> list[Path]:
    """What searches have left, or one of them."""
    return sorted(_folder(store).glob(f"{search}.[0-9]*.*.safetensors"))


def search_of(path: Path) -> str:
    """Which search has left a file."""
    return path.name.partition(".")[0]


def _folder(store: Store) -> Path:
    return store.root / "proposals"


def _columns(found: Mapping[bytes, np.ndarray]) -> dict[str, np.ndarray]:
    """Of each image its name and how many boxes it has, and the boxes of all."""
    return {
        "images": np.frombuffer(b"".join(found), np.uint8).reshape(len(found), -1),
        "counts": np.array([len(boxes) for boxes in found.values()]),
        "boxes": np.concatenate([*found.values()]),
    }


def _rows(columns: Mapping[str, np.ndarray]) -> dict[bytes, np.ndarray]:
    parts = np.split(columns["boxes"], columns["counts"].cumsum()[:-1])
    return {name.tobytes(): boxes for name, boxes in zip(columns["images"], parts, strict=True)}

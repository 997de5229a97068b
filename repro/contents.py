"""What files hold, as hashes. A file is read once, and again when its size or its times have changed since.

Its times are two: of the last change of what it holds, which copying may set back, and of the last change of
any kind, which the system alone sets. Imports no torch.

.repro/contents/<digest>.json   the files under one folder: size, times, hash, and when they were read
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from repro.store import Key, Store, StoreError

# ns. What was changed this shortly before it was read is read again: it may change once more within the same
# tick of the file system's clock, which is 2 s at the longest, of FAT
SETTLED = 2_000_000_000


class Known(NamedTuple):
    """What was read of a file."""

    size: int
    modified: int  # ns
    changed: int  # ns; of its name and rights too
    digest: str
    read: float  # seconds of the epoch

    def is_of(self, path: Path) -> bool:
        now = path.stat()
        return (self.size, self.modified, self.changed) == (now.st_size, now.st_mtime_ns, now.st_ctime_ns)

    @property
    def is_settled(self) -> bool:
        return max(self.modified, self.changed) < self.read * 1e9 - SETTLED


class Contents:
    """Hashes of files, remembered in a store, if there is one, as long as its records count: with `--fresh`
    every file is read anew.
    """

    def __init__(self, store: Store | None = None):
        self.store = store

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """`hashes` asks here, in the block."""
        token = _in_use.set(self)
        try:
            yield
        finally:
            _in_use.reset(token)

    def of(self, folder: Path, names: Iterable[str]) -> dict[str, str]:
        before = self._remembered(folder)
        now = {name: self._known(folder / name, before.get(name)) for name in names}
        settled = {name: known for name, known in now.items() if known.is_settled}
        if any(before.get(name) != known for name, known in settled.items()):
            self._remember(folder, {**before, **settled})
        return {name: known.digest for name, known in now.items()}

    def _known(self, path: Path, before: Known | None) -> Known:
        if before is not None and before.is_of(path):
            return before
        now, read = path.stat(), time.time()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Known(now.st_size, now.st_mtime_ns, now.st_ctime_ns, digest, read)

    def _remembered(self, folder: Path) -> dict[str, Known]:
        if self.store is None:
            return {}
        try:
            record = self.store.read(_key(folder))
        except StoreError:  # it is torn, or another has written it
            return {}
        return {name: Known(*known) for name, known in record["known"].items()} if record else {}

    def _remember(self, folder: Path, known: Mapping[str, Known]) -> None:
        if self.store is not None:
            with suppress(StoreError):  # a store that cannot be written to: then files are read each time
                self.store.write(_key(folder), {"known": known})


_in_use: ContextVar[Contents] = ContextVar("_in_use")


def hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The hashes of what files under a folder hold, by name. Raises `OSError` for one that cannot be read."""
    return _in_use.get(Contents()).of(folder, names)


def _key(folder: Path) -> Key:
    return Key("contents", hashlib.sha256(str(folder).encode()).hexdigest()[:32])

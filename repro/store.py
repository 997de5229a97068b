"""The trial store: what is remembered, and the meeting point of all processes that work. Imports no torch.

.repro/trials/<digest>/record.json  weights.safetensors  checkpoint.pt  (of a round of timing the first alone)
.repro/numbers/<digest>.json  one number: a count of an architecture, or a probe of a net
.repro/pictures/<digest>.png  one picture of nets
.repro/locks/<digest>.lock    held while a trial is trained; the system lets go of it when a process dies
.repro/running/<digest>.json  where a running trial stands, for the display
"""

import errno
import json
import math
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from repro.errors import ReproError

SCHEMA = 1
ROOT_MARKS = ("tox.ini", "pyproject.toml", ".git")


class StoreError(ReproError):
    """Something in the store, or the disk under it, is not as it should be."""


def home(start: Path | None = None) -> Path:
    """`REPRO_HOME`, or `.repro` at the root of the project that a folder belongs to."""
    if os.environ.get("REPRO_HOME"):
        return Path(os.environ["REPRO_HOME"]).expanduser().resolve()
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in ROOT_MARKS):
            return folder / ".repro"
    return start / ".repro"


def write_atomically(path: Path, content: bytes) -> None:
    """The whole content under the name, or nothing: never a part. Raises `StoreError` where it cannot be
    written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:  # Ctrl-C too leaves no part behind
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise StoreError(_cannot_write(path, error)) from error
        raise


def remove_parts(folder: Path) -> None:
    """What killed writers left in a folder that nobody else writes to now."""
    for part in folder.glob(".*.part"):
        with suppress(OSError):
            part.unlink()


def _cannot_write(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: no space left on the disk. Nothing is lost: make room and run the same command again"
    return (
        f"{path}: cannot be written ({error.strerror or error}). "
        "Set REPRO_HOME to move the store to a folder that can be"
    )


class Store:
    """Records of trials and numbers under a folder. Records older than `newer_than` (seconds of the epoch) do
    not count.
    """

    def __init__(self, root: Path, newer_than: float = 0.0):
        self.root, self.newer_than = root, newer_than

    def folder(self, digest: str) -> Path:
        return self.root / "trials" / digest

    def read(self, digest: str) -> dict[str, Any] | None:
        """A trial's record; None if it has none. Raises `StoreError`, naming the file, if it is torn or not
        ours.
        """
        record = self._read(self.folder(digest) / "record.json", digest)
        return None if record is None or record["finished"] < self.newer_than else record

    def write(self, digest: str, record: dict[str, Any]) -> None:
        self._write(
            self.folder(digest) / "record.json", {**record, "digest": digest, "finished": time.time()}
        )

    def read_number(self, digest: str) -> float | None:
        record = self._read(self.root / "numbers" / f"{digest}.json", digest)
        if record is None or record["finished"] < self.newer_than:
            return None
        return from_json(record["value"])

    def write_number(self, digest: str, value: float) -> None:
        self._write(
            self.root / "numbers" / f"{digest}.json",
            {"value": value, "digest": digest, "finished": time.time()},
        )

    def read_picture(self, digest: str) -> bytes | None:
        """A PNG file's content; None if it is not there, or older than `newer_than`."""
        path = self._picture(digest)
        try:
            return path.read_bytes() if path.stat().st_mtime >= self.newer_than else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be read ({error.strerror}). Move it away, and it is made again"
            ) from error

    def write_picture(self, digest: str, content: bytes) -> None:
        write_atomically(self._picture(digest), content)

    def _picture(self, digest: str) -> Path:
        return self.root / "pictures" / f"{digest}.png"

    @contextmanager
    def claim(self, digest: str) -> Iterator[bool]:
        """Hold a trial's lock. Gives False, at once, if another process holds it."""
        path = self.root / "locks" / f"{digest}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=0)
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise StoreError(_cannot_write(path, error)) from error
        try:
            yield True
        finally:
            lock.release()

    def tell(self, digest: str, progress: dict[str, Any]) -> None:
        """Say where a running trial stands; nothing, that it has ended. Only for the display, so not synced
        to disk.
        """
        path = self.root / "running" / f"{digest}.json"
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            if not progress:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({**progress, "at": time.time()}), encoding="utf-8")
            os.replace(part, path)
        except OSError:  # a full or read-only disk: no training ends because it cannot be watched
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def running(self) -> list[dict[str, Any]]:
        """What trials and processes said lately of where they stand."""
        found = []
        for path in sorted((self.root / "running").glob("*.json")):
            try:
                progress = json.loads(path.read_text(encoding="utf-8"))
                recent = time.time() - progress["at"] < (
                    10 if "step" in progress else 120
                )  # one trains, and tells no more
            except (OSError, ValueError, KeyError, TypeError):
                continue  # replaced or removed this instant, or torn when the disk was full
            if recent:
                found.append(progress)
        return found

    def _read(self, path: Path, digest: str) -> dict[str, Any] | None:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, RecursionError) as error:
            raise StoreError(
                f"{path}: torn or not a record ({error}). Delete it, and it is made again"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be read ({error.strerror}). Move it away, and it is made again"
            ) from error
        ours = isinstance(record, dict) and record.get("schema") == SCHEMA and record.get("digest") == digest
        if not ours or not isinstance(record.get("finished"), int | float):
            raise StoreError(
                f"{path}: not a record of this store (schema {SCHEMA}, digest "
                f"{digest}). Move it away, and it is made again"
            )
        return dict(record)

    def _write(self, path: Path, record: dict[str, Any]) -> None:
        content = json.dumps(finite({**record, "schema": SCHEMA}), sort_keys=True, indent=1, allow_nan=False)
        write_atomically(path, content.encode())


def finite(content: Any) -> Any:
    """The same plain data with null for every number that is not finite: JSON has no NaN."""
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def from_json(value: float | None) -> float:
    """A recorded measurement: null stands for one that diverged, and counts as infinite."""
    return math.inf if value is None else float(value)

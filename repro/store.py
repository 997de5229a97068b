"""The trial store: what is remembered, and the meeting point of all processes that work. Imports no torch.

.repro/<kind>/<digest>.json   the record of a job: of a trial, a number, an evaluation, a round, a picture
.repro/<kind>/<digest>/       its files: weights and checkpoint of a trial, the PNG of a picture
.repro/locks/<digest>.lock    held while a job is done; the system lets go of it when a process dies
.repro/running/<digest>.json  where a running job stands, for the display
"""

import errno
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from filelock import FileLock, Timeout

from repro.errors import ReproError
from repro.value import to_json

SCHEMA = 1
MOVE = "Set REPRO_HOME to move the store to a folder that can be"


class StoreError(ReproError):
    """Something in the store, or the disk under it, is not as it should be."""


def write_atomically(path: Path, content: bytes, remedy: str = MOVE) -> None:
    """The whole content under the name, or nothing: never a part. Raises `StoreError`, with the remedy, where
    it cannot be written.
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
            raise StoreError(_cannot_write(path, error, remedy)) from error
        raise


def remove_parts(folder: Path) -> None:
    """What killed writers left in a folder that nobody else writes to now."""
    for part in folder.glob(".*.part"):
        with suppress(OSError):
            part.unlink()


def _cannot_write(path: Path, error: OSError, remedy: str = MOVE) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: no space left on the disk. Nothing is lost: make room and run the same command again"
    return f"{path}: cannot be written ({error.strerror or error}). {remedy}".rstrip()


class Named(Protocol):
    """What is remembered under a kind and a digest: a job, or the name of one."""

    @property
    def kind(self) -> str: ...
    @property
    def digest(self) -> str: ...


class Key(NamedTuple):
    """The name of a job's record."""

    kind: str
    digest: str


class Store:
    """Records of jobs under a folder. Those older than `newer_than` (seconds of the epoch) do not count."""

    def __init__(self, root: Path, newer_than: float = 0.0):
        self.root, self.newer_than = root, newer_than

    def path(self, job: Named) -> Path:
        """Where the record of a job stands."""
        return self.root / job.kind / f"{job.digest}.json"

    def folder(self, job: Named) -> Path:
        """Where a job keeps files beside its record."""
        return self.root / job.kind / job.digest

    def read(self, job: Named) -> dict[str, Any] | None:
        """A job's record; None if it has none. Raises `StoreError` if it is torn or not ours."""
        record = self._read(self.path(job), job.digest)
        return None if record is None or record["finished"] < self.newer_than else record

    def read_file(self, job: Named, name: str) -> bytes:
        """A file that a job has left. Raises `StoreError`, with the remedy, where it cannot be read."""
        path = self.folder(job) / name
        try:
            return path.read_bytes()
        except OSError as error:
            remedy = f"Delete {self.path(job)}, and it is made again"
            raise StoreError(f"{path}: cannot be read ({error.strerror}). {remedy}") from error

    def write(self, job: Named, record: Mapping[str, Any]) -> None:
        whole = {**record, "digest": job.digest, "finished": time.time(), "schema": SCHEMA}
        content = json.dumps(to_json(whole), sort_keys=True, indent=1, allow_nan=False)
        write_atomically(self.path(job), content.encode())

    @contextmanager
    def take(self, job: Named) -> Iterator[bool]:
        """Hold a job's lock. Gives False, at once, if another process holds it."""
        path = self.root / "locks" / f"{job.digest}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=0)
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise StoreError(_cannot_write(self.root, error)) from error
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

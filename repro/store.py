"""The trial store: what is remembered, and the meeting point of all processes that work. Imports no torch.

.repro/<kind>/<digest>.json   the record of a job: of a trial, a number, an evaluation, a round, a picture
.repro/<kind>/<digest>/       its files: weights and checkpoint of a trial, the PNG of a picture
.repro/proposals/             boxes that a search has found in images (`repro.proposals`)
.repro/locks/<name>.lock      held while a job is done, or a process says where it stands
.repro/running/<name>.json    where a job or a process stands, for the display
.repro/generation             how often everything was to be done anew

A record holds a checksum of itself and of each of its files. Who writes under a name holds its lock, so what
is under a name whose lock is free was left by a process that was killed.
"""

import errno
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from repro import lock
from repro.errors import ReproError
from repro.records import SCHEMA, checksum, checksum_of, mistake
from repro.value import to_json

MOVE = "Set REPRO_HOME to move the store to a folder that can be"
OLDER = (1,)  # schemas, of records that are made again
MOMENT = 0.01  # seconds


class StoreError(ReproError):
    """Something in the store, or the disk under it, is not as it should be."""


def write_atomically(path: Path, content: bytes, remedy: str = MOVE) -> None:
    """The whole content under the name, or nothing: never a part. Raises `StoreError`, with the remedy, where
    it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content, sync=True)
    except OSError as error:
        raise StoreError(_cannot_write(path, error, remedy)) from error


def _replace(path: Path, content: bytes, *, sync: bool) -> None:
    with _part(path) as file:
        try:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:  # Ctrl-C too leaves no part behind
            with suppress(OSError):
                os.unlink(file.name)
            raise


def _part(path: Path) -> IO[bytes]:
    """A new file beside, to be renamed when it is whole; it is marked while it is open."""
    while True:
        file = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part").open("xb")
        lock.mark(file)
        if os.fstat(file.fileno()).st_nlink:  # nobody took it for left, in the moment before it was marked
            return file
        file.close()


def remove_parts(folder: Path) -> None:
    """What killed writers left in a folder."""
    for part in folder.glob(".*.part"):
        lock.remove_if_left(part)


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
    """Records of jobs under a folder. Those of generations before `since` do not count."""

    def __init__(self, root: Path, since: int = 0):
        self.root, self.since = root, since

    def anew(self) -> "Store":
        """The same store, in which nothing counts that was done before. It goes by no clock, so that none
        that is set back makes what is done now older than what was: each generation has a higher number.
        """
        path = self.root / "generation"
        while True:
            with self.hold("generation") as mine:
                if mine:
                    # The time is one that was not yet, even where the file has gone.
                    generation = max(_number(path) + 1, int(time.time()))
                    write_atomically(path, str(generation).encode())
                    return Store(self.root, generation)
            time.sleep(MOMENT)

    def path(self, job: Named) -> Path:
        """Where the record of a job stands."""
        return self.root / job.kind / f"{job.digest}.json"

    def folder(self, job: Named) -> Path:
        """Where a job keeps files beside its record."""
        return self.root / job.kind / job.digest

    def read(self, job: Named) -> dict[str, Any] | None:
        """A job's record; None if it has none. Raises `StoreError` if it is damaged or not ours."""
        path, record = self.path(job), self._read(self.path(job), job)
        if record is None:
            return None
        generation = record.get("generation")
        if isinstance(generation, int) and generation < self.since:
            return None
        wrong = mistake(job.kind, record)
        if wrong:
            raise StoreError(f"{path}: not a record of {job.kind}: {wrong}. Delete it, and it is made again")
        return record

    def read_file(self, job: Named, name: str) -> bytes:
        """A file that a job has left. Raises `StoreError`, with the remedy, where it cannot be read, or is
        not as it was left.
        """
        path, record = self.folder(job) / name, self.read(job)
        if record is None:
            raise StoreError(f"{path}: its record has gone from {self.path(job)}; run again")
        remedy = f"Delete {self.path(job)}, and it is made again"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror}). {remedy}") from error
        if checksum(content) != record["files"].get(name):
            raise StoreError(f"{path}: damaged: its checksum is another. {remedy}")
        return content

    def write(self, job: Named, record: Mapping[str, Any]) -> None:
        whole = {
            "files": {},
            **record,
            "digest": job.digest,
            "generation": self.since,
            "finished": time.time(),
            "schema": SCHEMA,
        }
        plain = to_json(whole)
        plain["checksum"] = checksum_of(plain)
        content = json.dumps(plain, sort_keys=True, indent=1, allow_nan=False)
        write_atomically(self.path(job), content.encode())

    def write_file(self, job: Named, name: str, content: bytes) -> dict[str, str]:
        """Leave a file, of which the job's record must say this among its `files`."""
        write_atomically(self.folder(job) / name, content)
        return {name: checksum(content)}

    @contextmanager
    def hold(self, name: str, what: str = "") -> Iterator[bool]:
        """Hold the lock of a job's digest, or of a process's name. Gives False, at once, if another does."""
        path = self.lock_file(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(_cannot_write(self.root, error)) from error
        with ExitStack() as held:
            try:
                mine = held.enter_context(lock.hold(path, what))
            except OSError as error:
                raise StoreError(_cannot_write(path, error)) from error
            yield mine

    @contextmanager
    def take(self, job: Named, what: str = "") -> Iterator[bool]:
        """Hold a job's lock. Gives False, at once, if another process holds it. `what` is what it is held
        for, for who waits.
        """
        with self.hold(job.digest, what) as mine:
            yield mine

    def holder(self, job: Named) -> str | None:
        """Who is at a job, in words; None if nobody is."""
        try:
            return lock.holder(self.lock_file(job.digest))
        except OSError:  # only for the display
            return None

    def tell(self, name: str, progress: Mapping[str, Any]) -> None:
        """Say where a job stands, or a process, whose lock one holds; nothing, that it has ended. Only for
        the display, so not synced to disk.
        """
        path = self.root / "running" / f"{name}.json"
        try:
            if not progress:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, json.dumps({**progress, "at": time.time()}).encode(), sync=False)
        except OSError:
            """A full or read-only disk: no training ends because it cannot be watched."""

    def running(self) -> list[dict[str, Any]]:
        """What jobs and processes said lately of where they stand, with their names: of a job its digest."""
        found = []
        for path in sorted((self.root / "running").glob("*.json")):
            try:
                progress = json.loads(path.read_text(encoding="utf-8"))
                recent = time.time() - progress["at"] < (
                    120 if "wanted" in progress else 10
                )  # one trains, and tells no more
            except (OSError, ValueError, KeyError, TypeError):
                continue  # replaced or removed this instant, or torn when the disk was full
            if recent:
                found.append({**progress, "name": path.stem})
        return found

    def sweep(self) -> None:
        """Remove what killed processes have left: locks, parts of files, and where they stood."""
        folders = [path for path in self.root.glob("*") if path.is_dir()]
        for folder in folders:
            remove_parts(folder)
        left = [*self.root.glob("locks/*.lock"), *self.root.glob("running/*.json")]
        for name in sorted({path.stem for path in left}):
            with suppress(StoreError), self.hold(name) as nobody_does:
                if nobody_does:
                    self.tell(name, {})
                    for folder in folders:
                        remove_parts(folder / name)

    def lock_file(self, name: str) -> Path:
        """That of a job's digest, or of a process's name."""
        return self.root / "locks" / f"{name}.lock"

    def _read(self, path: Path, job: Named) -> dict[str, Any] | None:
        try:
            record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
            ours = isinstance(record, dict) and record.get("digest") == job.digest
            noted = record.pop("checksum", None) if ours else None
            whole = ours and noted == checksum_of(record)
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
        if ours and record.get("schema") in OLDER:
            return None  # and it is made again in its place
        if not ours or record.get("schema") != SCHEMA:
            raise StoreError(
                f"{path}: not a record of this store (schema {SCHEMA}, digest "
                f"{job.digest}). Move it away, and it is made again"
            )
        if not whole:
            raise StoreError(f"{path}: damaged: its checksum is another. Delete it, and it is made again")
        return dict(record)


def _number(path: Path) -> int:
    """What stands in a file; 0 if that is no number, or there is none."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")

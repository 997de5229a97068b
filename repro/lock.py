"""Locks between processes: a file that one of them holds, with a line in it that says who that is.

The system lets go of a lock when its holder dies, however it dies. It has the call for that (`flock`) on
Linux and macOS, and on shared disks that pass it on.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

LONGEST = 300  # characters of what a holder does
HELD = (BlockingIOError, PermissionError)  # some shared disks say EACCES where others say EAGAIN


@contextmanager
def hold(path: Path, what: str = "") -> Iterator[bool]:
    """Hold a lock, and say at once whether nobody else did. `what` its holder does is for those who wait.

    The file is there while the lock is held, and stays where the holder is killed. Links are not followed.
    Raises OSError where there can be no lock.
    """
    descriptor = _locked(path)
    if descriptor is None:
        yield False
        return
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{what[:LONGEST]} (process {os.getpid()} on {socket.gethostname()})".encode())
        yield True
    finally:
        with suppress(OSError):
            if _is_at(path, descriptor):
                path.unlink()  # while it is held: who opened it before finds that it is no longer there
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # forked processes may have it open too
        os.close(descriptor)


def holder(path: Path) -> str | None:
    """Who holds a lock, in words; None if nobody does. Raises OSError where that cannot be known."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except HELD:
        said = os.read(descriptor, 10 * LONGEST).decode(errors="replace")
        return said or "another process"  # which has had it for no longer than an instant
    finally:
        os.close(descriptor)
    return None


def mark(file: IO[Any]) -> None:
    """Hold an open file until it is closed: so it can be told from what killed processes have left."""
    with suppress(OSError):  # where there are no locks, nothing is removed either
        fcntl.flock(file, fcntl.LOCK_EX)


def remove_if_left(path: Path) -> None:
    """Remove a file unless somebody who lives has marked it."""
    with suppress(OSError), path.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _locked(path: Path) -> int | None:
    """The descriptor of a lock's file, which is held now; None if another has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with ExitStack() as undone:
            undone.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except HELD:
                return None
            except OSError as error:
                raise OSError(error.errno, f"it cannot be locked: {error.strerror}", str(path)) from error
            if os.fstat(descriptor).st_nlink > 1:
                raise OSError(errno.EMLINK, "it is a link to another file", str(path))
            if _is_at(path, descriptor):
                undone.pop_all()
                return descriptor


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        there = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return os.path.samestat(there, os.fstat(descriptor))

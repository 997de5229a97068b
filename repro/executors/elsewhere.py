"""What a worker on another machine must have in common with who asks it: code, torch, and the store's folder.

That its data are the same, each job sees to, by the fingerprint that it carries.
"""

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from repro import source
from repro.errors import ReproError
from repro.job import torch_version
from repro.store import Key, Store

SETTINGS = "REPRO_"  # how the environment variables begin that go along


class Common(NamedTuple):
    """What must be the same in both processes."""

    code: str  # a digest of the harness's files, and of those of packages that add to it
    torch: str


class Asker(NamedTuple):
    """Who asks, as a worker hears of it."""

    common: Common
    token: str  # the name of a lock in the store that the asker holds
    settings: Mapping[str, str]


@cache
def common() -> Common:
    """That of this process."""
    return Common(source.of_packages(), torch_version())


@contextmanager
def asking(store: Store) -> Iterator[Asker]:
    """Hold a lock in the store: who sees it held, sees the same folder."""
    token = f"asks-{secrets.token_hex(8)}"
    with store.hold(token, "asks others to work"):
        settings = {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}
        yield Asker(common(), token, settings)


def check(asker: Asker, here: Common, store: Store) -> None:
    """Raises `ReproError` for a worker whose outcome would not be that of the asker."""
    host = socket.gethostname()
    if here.code != asker.common.code:
        raise ReproError(
            f"the worker on {host} has other code of repro, or of a package that adds to it, than where the "
            "command runs: install the same on all machines, and begin anew"
        )
    if here.torch != asker.common.torch:
        raise ReproError(
            f"the worker on {host} has torch {here.torch}, and where the command runs there is "
            f"{asker.common.torch}: install the same on all machines"
        )
    if not store.lock_file(asker.token).exists():
        raise ReproError(
            f"the worker on {host} sees another folder as {store.root}, or none: put the store on a disk "
            "that all machines share, under one path (REPRO_HOME)"
        )
    if store.holder(Key("", asker.token)) is None:
        raise ReproError(
            f"the disk of {store.root} does not pass on to {host} who holds a lock, so that work would be "
            "done twice: mount it with locks (flock), or put the store on another (REPRO_HOME)"
        )

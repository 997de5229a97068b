"""Processes that do not outlive the one that started them, and run nothing of its script.

Imports no torch.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from types import ModuleType

from repro.interrupt import deaf


def follow_the_parent() -> None:
    """Ctrl-C reaches the whole group; the parent hears it and ends the pool. If it is killed, end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def forked_off(*modules: str) -> BaseContext:
    """Starts processes by forking one that has imported these modules, and has done nothing else: to import
    torch takes three seconds, and 300 MB that are shared then. Where there is no forking, they are spawned.

    That one imports from where this process does, and from nowhere else: by itself it would look into the
    current folder first.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*modules])
    resource_tracker.ensure_running()  # by itself, for it lets signals through once it has started
    with deaf(), _surroundings(PYTHONSAFEPATH="1", PYTHONPATH=os.pathsep.join(sys.path)):
        forkserver.ensure_running()
    return context


@contextmanager
def _surroundings(**changed: str) -> Iterator[None]:
    """What is started meanwhile has these environment variables, too."""
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def without_the_script() -> Iterator[None]:
    """What is started meanwhile does not run the caller's script again, as `multiprocessing` would have it.

    No job needs anything of it, and a script that calls `repro.run` at its top would start itself without
    end.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script

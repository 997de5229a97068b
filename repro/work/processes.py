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
from types import ModuleType


def follow_the_parent() -> None:
    """Ctrl-C reaches the whole group; the parent hears it and ends the pool. If it is killed, end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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

"""Processes that do not outlive the one that started them. Imports no torch."""

import multiprocessing
import os
import signal
import threading


def follow_the_parent() -> None:
    """Ctrl-C reaches the whole group; the parent hears it and ends the pool. If it is killed, end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

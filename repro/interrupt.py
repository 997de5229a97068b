"""Ctrl-C. A terminal sends it to every process of a command, and one that is still importing shows a
traceback of wherever it was. So processes start deaf, and hear once they know what to do about it.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # what a shell says of a command that Ctrl-C has ended
GOES_ON = "interrupted: trials that are done are kept, and a run goes on from there"


@contextmanager
def deaf() -> Iterator[None]:
    """Processes that are started meanwhile are deaf until they `hear`. This one hears at the end: a signal
    that another thread of it gets is kept until then, too, so that no process is started and not noted.
    """
    handler, kept = signal.getsignal(signal.SIGINT), list[tuple[int, FrameType | None]]()
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if is_main and callable(handler):
        signal.signal(signal.SIGINT, lambda *told: kept.append(told))
    try:
        yield
    finally:
        if is_main and callable(handler):
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if kept and callable(handler):
            handler(*kept[0])


def hear() -> None:
    """From now on. Who has been told to end already does so, without a word, unless it ignores that."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if signal.SIGINT in signal.sigpending() and not ignored:
        os._exit(INTERRUPTED)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

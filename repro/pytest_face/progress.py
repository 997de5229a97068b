"""How far a run is, shown where the terminal is."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TextIO

from repro.places import KEPT

if TYPE_CHECKING:
    from repro.pytest_face.run import Run
    from repro.report.progress import Line
    from repro.suite import Suite

LOGGED_EVERY = 20.0  # seconds between two lines of a log
RENEWED_EVERY = 0.5  # and until that of a terminal is written anew


class Progress:
    """In the controller of pytest-xdist, or in the one process there is."""

    def __init__(self, run: "Run"):
        self.run, self.config = run, run.config
        self._display, self._shown = ExitStack(), False

    def start(self, claims: "Callable[[], list[tuple[Suite, str]]]") -> None:
        """Once. `claims` are those that there are to decide."""
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if self._shown or self.run.is_worker or terminal is None or sys.__stdout__ is None:
            return
        if self.config.getoption("collectonly"):
            return
        from repro import streams
        from repro.report import progress

        self._shown = True
        streams.adapt(sys.__stdout__)
        if terminal.verbosity < 0:
            return
        # Nothing is captured at this moment: a copy of standard output keeps on reaching the terminal.
        copy = os.fdopen(os.dup(sys.__stdout__.fileno()), "w", errors=streams.OTHER_SIGNS)
        stream = self._display.enter_context(copy)
        if stream.isatty():
            show, every = self.line(stream).show, RENEWED_EVERY
        else:
            every = LOGGED_EVERY

            def show(stand: progress.Stand | None) -> None:
                if stand is not None and not stand.is_before:
                    print(f"\n  {stand}", file=stream, flush=True)

        looks = progress.Progress(self.run.store())
        display = self._display.enter_context(progress.Display(looks, show, every))
        display.doing("reading suites")
        if self.config.getoption("executor") == "local":  # a cluster is not started for an estimate
            session, kept = self.run.session(), self.run.root / KEPT
            display.begin(self.run.store(), lambda: session.course(claims(), kept))

    def line(self, stream: TextIO) -> "Line":
        """A line below the one that pytest is writing, which is gone whenever pytest goes on."""
        from repro.report.progress import Line

        writer = self.config.get_terminal_writer()
        original = writer.write
        line = Line(stream, lambda: writer.fullwidth, lambda: writer.width_of_current_line)

        def write(message: str, **options: Any) -> None:
            with line.lock:
                line.erase()
                original(message, **options)
                writer.flush()

        self._display.callback(setattr, writer, "write", original)
        setattr(writer, "write", write)  # noqa: B010
        return line

    def close(self) -> None:
        self._display.close()

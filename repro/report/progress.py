"""Where long work stands, for whoever waits: a thread that reads the store, so it sees the work of all
processes.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from repro.format import duration, printable
from repro.store import Store


def describe(states: list[dict[str, Any]]) -> str:
    """One line about what processes and running trials say of themselves; empty if nothing is going on."""
    processes = [state for state in states if "wanted" in state]
    running = [state for state in states if "step" in state]
    wanted = {name for state in processes for name in state["wanted"]}
    finished = {name for state in processes for name in state["finished"]}
    if len(wanted) == len(finished) and not running:
        return ""
    parts = [f"{len(finished)} of {len(wanted)} trials and numbers done"]
    for state in running:
        rate = f", {state['images_per_second']:,.0f} images/s" if state["images_per_second"] else ""
        left = f", {duration(state['seconds_left'])} left" if state["seconds_left"] is not None else ""
        who = printable(f"{state['model']} seed {state['seed']}")
        parts.append(f"{who}: step {state['step']}/{state['steps']}{rate}{left}")
    waits = {printable(text) for state in states for text in state.get("waits", ())}
    return "; ".join([*parts, *sorted(waits)])


class Display:
    """Tells `write` every `every` seconds while there is something to tell."""

    def __init__(self, store: Store, write: Callable[[str], None], every: float):
        self.store, self.write, self.every = store, write, every
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Display":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self.ended.wait(self.every):
            line = describe(self.store.running())
            if line:
                self.write(line)


def to_terminal(stream: TextIO | None = None) -> tuple[Callable[[str], None], float]:
    """A line that renews itself on a terminal; a line now and then in a log. With how often, in seconds."""
    stream = stream or sys.stderr
    if not stream.isatty():
        return (lambda line: print(f"{time.strftime('%H:%M:%S')} {line}", file=stream, flush=True)), 30.0
    return (lambda line: print(f"\r\033[K{line}", end="", file=stream, flush=True)), 0.5

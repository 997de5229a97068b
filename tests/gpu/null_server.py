"""Commands on null GPUs, by a process that starts all of theirs as forks of one with torch imported.

A worker of its own interpreter takes six seconds of CPU before its first step.
"""

import ctypes
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerContext
from typing import Any

from kit import forked


class Workers(ForkServerContext):
    """What a command starts has its environment, as a spawned process has, and its GPUs."""

    def __init__(self, environment: Mapping[str, str]):
        super().__init__()
        self.environment = environment

    def Process(  # type: ignore[override]
        self, *, target: Callable[..., object], args: tuple[Any, ...] = (), **options: Any
    ) -> Any:
        arguments = (self.environment, target, *args)
        return forked.context().Process(target=work, args=arguments, **options)


def work(environment: Mapping[str, str], target: Callable[..., object], *arguments: object) -> None:
    os.environ.update(environment)
    see_gpus()
    target(*arguments)


def see_gpus() -> None:
    ctypes.CDLL("libcuda.so.1").null_open_ledger()


def begin() -> None:
    """In the process of a command."""
    see_gpus()
    workers = Workers(dict(os.environ))
    multiprocessing.get_context = lambda _: workers  # type: ignore[assignment]


def serve() -> None:
    """One command a line, until there are no more."""
    for line in sys.stdin:
        asked = json.loads(line)
        done = forked.command(*asked["arguments"], cwd=asked["cwd"], env=asked["env"], begin=begin)
        sys.stdout.write(json.dumps([done.returncode, done.stdout, done.stderr]) + "\n")
        sys.stdout.flush()

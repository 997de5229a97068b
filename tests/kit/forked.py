"""Processes that start with torch imported: a fresh interpreter needs four seconds of CPU for it."""

import gc
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess

IMPORTED = (
    "repro.work.execute",
    "repro.runner",
    "repro.executors.local",
    "repro.training.loop",
    "repro.tasks.classification",
    "repro.models.resnet",
    "torch._dynamo",
    "torch._inductor",
    "datasets",
    "pyarrow.parquet",
    "torchvision",
)
ANEW = ("repro", "kit", "anyio")  # imported by a command itself, from where its own path has them
TESTS = str(Path(__file__).parents[1])  # on the path of tests alone


@cache
def context() -> ForkServerContext:
    """Starts processes by forking one that has imported all that, and done nothing else."""
    forked = get_context("forkserver")
    forked.set_forkserver_preload([*IMPORTED])
    return forked


def command(
    *arguments: object,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    begin: Callable[[], None] | None = None,
) -> "CompletedProcess[str]":
    """What `python -m` does with the arguments, and all that it says. `begin` is called before, there."""
    asked = [*map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        for file in files:
            file.touch()
        where, environment = str(cwd or Path.cwd()), dict(os.environ if env is None else env)
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        arguments_there = (asked, where, environment, cores, [*map(str, files)], begin)
        process = context().Process(target=_run, args=arguments_there)
        process.start()
        process.join()
        assert process.exitcode is not None
        return CompletedProcess(asked, process.exitcode, *(file.read_text() for file in files))


def _run(
    arguments: Sequence[str],
    cwd: str,
    environment: Mapping[str, str],
    cores: set[int],
    files: Sequence[str],
    begin: Callable[[], None] | None,
) -> None:
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    if begin is not None:
        begin()
    for name in [name for name in sys.modules if name.partition(".")[0] in ANEW]:
        del sys.modules[name]
    gc.freeze()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = dict.fromkeys([cwd, *filter(None, paths), *(path for path in sys.path if path != TESTS)])
    sys.argv[:] = ["-m", *arguments[1:]]
    tempfile.tempdir = None
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)

"""Faults of other people's code (a model, a probe, a data set): where in it they are, for whoever wrote it.

They become errors that are shown without the harness's own frames, and that any process can pass on.
"""

import traceback
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from importlib.metadata import distributions
from itertools import chain
from types import FrameType

from repro.errors import ReproError

HARNESS = __name__.partition(".")[0]
FRAMES = 6  # of the innermost calls
LINES = 10  # of a message: compilers' fill screens


class Fault(ReproError):
    """Code that a catalogue names has raised something that nobody expected."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Raises `Fault` in the place of whatever is raised. Errors that a user can mend stay as they are, with
    the calls in other people's code that led to them.
    """
    try:
        yield
    except (Fault, BrokenExecutor):  # a process that has died is tried again
        raise
    except ReproError as error:
        cause = error.__cause__ or error.__context__
        theirs = _written(_calls(cause, others())) if cause else ""  # to look for packages takes 2 ms
        if not theirs:
            raise
        raise Fault(f"{error}{theirs}") from error
    except (Exception, SystemExit) as error:  # a plugin that exits would take the run with it
        calls = _calls(error, others()) or _calls(error, {HARNESS})
        raise Fault(f"{what}: {_said(error)}{_written(calls)}") from error


def is_of_others(error: BaseException) -> bool:
    """Whether it was raised in other people's code, or in what that called."""
    return bool(_calls(error, others()))


def _said(error: BaseException) -> str:
    """Its kind and its message, as the end of a traceback has them."""
    said = "".join(traceback.format_exception_only(error)).rstrip().splitlines()
    return "\n".join([*said[:LINES], "…"] if len(said) > LINES else said)


def _calls(error: BaseException | None, packages: set[str]) -> traceback.StackSummary:
    """The innermost calls in some packages. Those of libraries are left out: the fault is in who calls."""
    calls = traceback.walk_tb(error.__traceback__ if error else None)
    of_them = [call for call in calls if _module(call[0]).partition(".")[0] in packages]
    return traceback.StackSummary.extract(call for call in of_them[-FRAMES:] if _module(call[0]) != __name__)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def others() -> set[str]:
    """The packages of other people that add to the catalogues."""
    points = chain.from_iterable(installed.entry_points for installed in distributions())
    ours = (point for point in points if point.group.startswith(f"{HARNESS}."))
    return {point.module.partition(".")[0] for point in ours} - {HARNESS}


def _written(calls: traceback.StackSummary) -> str:
    """A line or two each, with a line break before."""
    text = ""
    for call in calls:
        text += f'\n  File "{call.filename}", line {call.lineno}, in {call.name}'
        text += f"\n    {call.line}" if call.line else ""
    return text

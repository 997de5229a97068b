"""Standard streams that cannot show every sign, or that are closed."""

import codecs
import os
import sys
from contextlib import suppress
from io import TextIOWrapper, UnsupportedOperation
from typing import TextIO

INSTEAD = {"∞": "inf", "×": "x", "±": "+-", "µ": "u", "½": "1/2", "…": "...", "→": "->", "✓": "+", "✗": "x"}
OTHER_SIGNS = "repro.other_signs"


def _other_signs(error: UnicodeError) -> tuple[str, int]:
    """In the place of what an encoding lacks something that every one has."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    shown = (INSTEAD.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in missing)
    return "".join(shown), error.end


codecs.register_error(OTHER_SIGNS, _other_signs)


def adapt(stream: object) -> None:
    """From now on a stream shows other signs where it lacks some."""
    if isinstance(stream, TextIOWrapper):  # not what an editor or a notebook puts in its place
        stream.reconfigure(errors=OTHER_SIGNS)


def give_up(stream: TextIO) -> None:
    """What is left to be written to a stream goes nowhere: else Python tries it again at its end."""
    with suppress(UnsupportedOperation):  # not one of the system
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def prepare() -> None:
    """Make the standard streams such that whatever is written to them neither fails nor ends up in a file.

    The number of a closed one goes to the next file that is opened: that had better not be one of the store.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115
            os.set_inheritable(nowhere.fileno(), True)
            setattr(sys, name, nowhere)
    adapt(sys.stdout)
    adapt(sys.stderr)

"""Marks in a Markdown page, between which `repro keep` writes: comments, each a line of its own.

The first says at which profile claims are shown, `at gpu`, and which of them, `of suite: claim, …`; by
default all at cpu.
"""

import re
from collections.abc import Callable

from repro.errors import ReproError

START, END = "<!-- made by repro keep -->", "<!-- to here -->"
FIRST = re.compile(r"<!-- made by repro keep(?P<what>.*)-->")
WHAT = re.compile(r"(?: at (?P<at>[\w-]+))?(?: of (?P<of>[\w-]+: [\w-]+(?:, [\w-]+: [\w-]+)*))? ")
Way = Callable[[re.Match[str]], str]  # what is made of a mark


def fill(page: str, made: Way) -> str:
    """The page with what stands between each two marks replaced by what is made of the first. Raises
    `ReproError` with the number of the line where a mark is wrong.
    """
    lines, filled, at = page.split("\n"), list[str](), 0
    while at < len(lines):
        filled.append(lines[at])
        if first := FIRST.fullmatch(lines[at].strip()):
            mark = WHAT.fullmatch(first["what"])
            if mark is None:
                may = "may have `at PROFILE` and `of SUITE: CLAIM, …` in it"
                raise ReproError(f"{at + 1}: a mark is '{START}', which {may}")
            until = next((i for i in range(at + 1, len(lines)) if is_mark(lines[i])), None)
            if until is None or lines[until].strip() != END:
                raise ReproError(f"{at + 1}: '{END}' is missing, which ends what is made here")
            try:
                filled += [made(mark), lines[until]]
            except ReproError as error:
                raise ReproError(f"{at + 1}: {error}") from None
            at = until
        at += 1
    return "\n".join(filled)


def is_mark(line: str) -> bool:
    return line.strip() == END or FIRST.fullmatch(line.strip()) is not None

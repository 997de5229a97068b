"""YAML read with positions, so that an error can say FILE:LINE:COL.

The data is built from the parser's events, without recursion, so that no nesting can bring the process down, and with the
scalars of YAML 1.2: `1e-4` is a number; `no`, `012`, `1:30` and dates are text. Duplicate keys, tags, anchors and
aliases are errors.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from repro.errors import ReproError

Location = tuple[str | int, ...]

MAX_DEPTH = 32  # a suite nests 6 deep
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}


class Problem(NamedTuple):
    line: int
    column: int
    message: str


class DocumentError(ReproError):
    """All that is wrong with one file, a line each: `FILE:LINE:COL: message`."""

    def __init__(self, path: Path, problems: Iterable[Problem]):
        self.path, self.problems = path, sorted(set(problems))
        super().__init__("\n".join(f"{path}:{p.line}:{p.column}: {p.message}" for p in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.problems)


@dataclass
class Document:
    """What a YAML file says, and where it says it. Lines and columns count from 1."""

    path: Path
    data: Any = None
    keys: dict[Location, tuple[int, int]] = field(default_factory=dict)
    values: dict[Location, tuple[int, int]] = field(default_factory=dict)
    plain: set[Location] = field(default_factory=set)  # one-line scalars: a column inside them is a column in the file

    def problem(self, location: Location, message: str, *, at_key: bool = False, offset: int = 0) -> Problem:
        """A problem at a location, or at the nearest place above it that the file has."""
        while location and location not in self.values:
            location = location[:-1]
        places = self.keys if at_key and location in self.keys else self.values
        line, column = places.get(location, (1, 1))
        return Problem(line, column + (offset if location in self.plain else 0), message)


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of an error about an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}" if known else ""


def scalar(text: str, quoted: bool) -> Any:
    """The value of a scalar by the core schema of YAML 1.2 (without octal, hexadecimal, .inf and .nan)."""
    if quoted:
        return text
    if text.lower() in CONSTANTS and text in (text.lower(), text.capitalize(), text.upper()):
        return CONSTANTS[text.lower()]
    if INTEGER.fullmatch(text):
        return int(text) if len(text) < 19 else text
    if FLOAT.fullmatch(text) and abs(float(text)) < float("inf"):
        return float(text)
    return text


def read(path: Path) -> Document:
    """Read a file. Raises `DocumentError` with every duplicate key, tag and alias in it, or the first syntax error."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DocumentError(path, [Problem(line, 1, f"not UTF-8 text: {error.reason}")]) from None
    except OSError as error:
        raise ReproError(f"{path}: cannot be read: {error.strerror}") from None
    document, problems = Document(path), list[Problem]()
    try:
        _build(document, yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.append(Problem(line, column, f"not YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:
        problems.append(Problem(1, 1, f"not YAML: {' '.join(str(error).split())}"))
    if problems:
        raise DocumentError(path, problems)
    return document


class _Level:
    """One open mapping or sequence."""

    def __init__(self, data: dict[str, Any] | list[Any], location: Location):
        self.data, self.location = data, location
        self.key: str | None = None

    def place(self) -> Location:
        """Where the next value goes."""
        return (*self.location, len(self.data) if isinstance(self.data, list) else str(self.key))

    def put(self, value: Any) -> None:
        if isinstance(self.data, list):
            self.data.append(value)
        else:
            self.data[str(self.key)], self.key = value, None


def _build(document: Document, events: Iterable[Any], problems: list[Problem]) -> None:
    levels: list[_Level] = []
    documents = 0
    for event in events:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                problems.append(Problem(line, column, "a second document; a file holds one suite"))
                return
        elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            problems.append(Problem(line, column, "anchors and aliases are not supported; write the value out"))
            return
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            levels.pop()
        elif isinstance(event, yaml.ScalarEvent | yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if event.tag is not None:
                problems.append(Problem(line, column, f"tag '{event.tag}' is not supported; write the plain value"))
            if not _take(document, levels, event, (line, column), problems):
                return
            if len(levels) > MAX_DEPTH:
                problems.append(Problem(line, column, f"nested more than {MAX_DEPTH} deep"))
                return
    if not documents:
        problems.append(Problem(1, 1, "the file is empty"))


def _take(document: Document, levels: list[_Level], event: Any, position: tuple[int, int], problems: list[Problem]) -> bool:
    """Take one key or value in; a container opens a level. False where reading cannot go on."""
    is_scalar = isinstance(event, yaml.ScalarEvent)
    if levels and isinstance(levels[-1].data, dict) and levels[-1].key is None:  # a key
        level = levels[-1]
        if not is_scalar:
            problems.append(Problem(*position, "a key must be plain text"))
            return False
        level.key = event.value
        place = level.place()
        if place in document.keys:
            first = document.keys[place][0]
            problems.append(Problem(*position, f"duplicate key '{event.value}' (first on line {first})"))
        document.keys[place] = position
        return True
    place = levels[-1].place() if levels else ()
    document.values[place] = position
    value: Any
    if is_scalar:
        value = scalar(event.value, quoted=event.style in ("'", '"', "|", ">"))
        if event.start_mark.line == event.end_mark.line:
            document.plain.add(place)
    else:
        value = [] if isinstance(event, yaml.SequenceStartEvent) else {}
    if levels:
        levels[-1].put(value)
    else:
        document.data = value
    if not is_scalar:
        levels.append(_Level(value, place))
    return True

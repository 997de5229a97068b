"""YAML read with positions, so that an error can say FILE:LINE:COL.

The data is built from the parser's events, without recursion, so that no nesting can bring the process down,
and with the scalars of YAML 1.2: `1e-4` is a number; `no`, `012`, `1:30` and dates are text. Duplicate keys,
tags, anchors and aliases are errors. What is no YAML is said in words of our own, whatever parser is
installed.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from repro.errors import ReproError

Location = tuple[str | int, ...]

MAX_DEPTH = 32  # a suite nests 6 deep
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")  # longer ones are floats
FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)?\.[0-9]+|(0|[1-9][0-9]*)\.?)([eE][-+]?[0-9]+)?")
FORBIDDEN = re.compile(
    "[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # YAML 1.2, section 5.1
SURROGATE = re.compile("[\ud800-\udfff]")
TOP_KEY = re.compile(r"""^(["']?)(\w+)\1[ ]*:""", re.MULTILINE)
WORD = re.compile(r"[^\W\d_]+|\d+")  # of a name: `resnet50` has two
# What the field also says, without strokes, and the words for it here; the first that is known at a place
OTHERWISE = {
    "accuracy": ("test_error",),
    "testaccuracy": ("test_error",),
    "trainaccuracy": ("train_error",),
    "loss": ("train_loss",),
    "iou": ("miou",),
    "epochs": ("steps",),
    "epoch": ("steps",),
    "iterations": ("steps",),
    "learningrate": ("lr", "optimizer"),
    "lr": ("optimizer",),
    "momentum": ("optimizer",),
    "weightdecay": ("optimizer",),
    "wd": ("weight_decay", "optimizer"),
    "layers": ("depth",),
    "dataset": ("data",),
    "net": ("model",),
    "name": ("suite",),
    "cuda": ("gpu",),
}
CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML was built with it


class Problem(NamedTuple):
    path: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {_on_one_line(self.message)}"


class Finding(NamedTuple):
    """What is wrong, and where below what was looked at."""

    location: Location
    message: str
    at_key: bool = False


class DocumentError(ReproError):
    """All that is wrong with a file, and with those that it names, a line each: `FILE:LINE:COL: message`."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


@dataclass
class Document:
    """What a YAML file says, and where it says it. Lines and columns count from 1."""

    path: Path
    data: Any = None
    keys: dict[Location, tuple[int, int]] = field(default_factory=dict)
    values: dict[Location, tuple[int, int]] = field(default_factory=dict)
    texts: dict[Location, int] = field(
        default_factory=dict
    )  # the column where the text of a one-line scalar starts
    duplicates: list[Problem] = field(default_factory=list)  # the later one of two equal keys is in `data`

    def problem(
        self, location: Location, message: str, *, at_key: bool = False, offset: int | None = None
    ) -> Problem:
        """A problem at a location, or at the nearest place above it that the file has; `offset` counts within
        a text.
        """
        while location and location not in self.values:
            location = location[:-1]
        places = self.keys if at_key and location in self.keys else self.values
        line, column = places.get(location, (1, 1))
        if offset is not None and location in self.texts:
            column = self.texts[location] + offset
        return Problem(self.path, line, column, message)


def _on_one_line(message: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    return next(iter(_meant(name, sorted(known))), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of an error about an unknown name: the nearest known ones, three at most, or all of them."""
    known = sorted(known)
    *others, last = [f"'{one}'" for one in _meant(name, known)] or [""]
    if last:
        return f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
    return f"; known: {', '.join(known)}" if known else ""


def _meant(name: str, known: list[str]) -> list[str]:
    """The first that there is of: the same but for capitals and strokes; the word that is used here for it;
    up to three that have all its words; what is much like it; up to three whose words it all has; what is
    a little like it.
    """
    letters, words = _letters(name), _words(name)
    alike = {_letters(one): one for one in known}

    def like(least: float) -> list[str]:
        return [alike[one] for one in difflib.get_close_matches(letters, alike, n=1, cutoff=least)]

    def sharing(share: Callable[[set[str]], bool]) -> list[str]:
        return difflib.get_close_matches(name, [one for one in known if share(_words(one))], cutoff=0.0)

    return (
        [alike[one] for one in alike if one == letters]
        or [one for one in OTHERWISE.get(letters, ()) if one in known][:1]
        or sharing(lambda of: bool(words) and words <= of)
        or like(0.85)
        or sharing(lambda of: bool(of) and of <= words)
        or like(0.6)
    )


def _letters(name: str) -> str:
    """And digits, whatever stands between them."""
    return "".join(_in_order(name))


def _words(name: str) -> set[str]:
    return set(_in_order(name))


def _in_order(name: str) -> list[str]:
    return WORD.findall(name.lower())


def scalar(text: str, quoted: bool) -> Any:
    """The value of a scalar by the core schema of YAML 1.2 (without octal, hexadecimal, .inf and .nan)."""
    if quoted:
        return text
    if text.lower() in CONSTANTS and text in (text.lower(), text.capitalize(), text.upper()):
        return CONSTANTS[text.lower()]
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text) and abs(float(text)) < float("inf"):
        return float(text)
    return text


def read(path: Path) -> Document:
    """Read a file. Raises `DocumentError` with the first syntax error, or every tag, anchor and alias in
    it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", errors="replace")
        problem = Problem(path, *_position(before, len(before)), "not UTF-8 text")
        raise DocumentError([problem]) from None
    except (OSError, ValueError) as error:
        raise ReproError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    forbidden = FORBIDDEN.search(text)
    if forbidden:
        message = f"not YAML: the character U+{ord(forbidden[0]):04X} is not allowed"
        raise DocumentError([Problem(path, *_position(text, forbidden.start()), message)])
    try:
        document, problems = _parse(path, text, FAST)
    except yaml.YAMLError:  # libyaml also gives up where a limit of its own is reached: once more without it
        document, problems = _parse_slowly(path, text)
    if problems:
        raise DocumentError([*problems, *document.duplicates])
    return document


def top_keys(path: Path, among: Iterable[str]) -> set[str]:
    """The keys at the top of a file, as far as it can be read; none, if it holds not one of these words.

    So whoever looks for a few files among many need not parse them all.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return set()
    # Of UTF-16 this leaves the keys: what cannot be read is told by whoever reads it.
    text = content.replace(b"\0", b"").decode("utf-8-sig", errors="replace").lstrip("\ufffd")
    if not any(word in text for word in among):
        return set()
    return set(_top_keys(text))


def _top_keys(text: str) -> Iterator[str]:
    """Of every document in it. Behind what is no YAML, those that begin a line."""
    events: Iterable[Any] = yaml.parse(text, Loader=FAST)
    depth, nodes, in_mapping, line = 0, 0, False, 0
    try:
        for event in events:
            line = event.end_mark.line
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if not isinstance(event, yaml.NodeEvent):
                continue
            if depth == 0:
                nodes, in_mapping = 0, isinstance(event, yaml.MappingStartEvent)
            if depth == 1:
                if in_mapping and nodes % 2 == 0 and isinstance(event, yaml.ScalarEvent):
                    yield event.value
                nodes += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
    except yaml.YAMLError:
        rest = "\n".join(text.split("\n")[line:])
        yield from (found[2] for found in TOP_KEY.finditer(rest))


def _parse(path: Path, text: str, loader: Any) -> tuple[Document, list[Problem]]:
    """Raises `yaml.YAMLError` where the text is no YAML."""
    document, problems = Document(path), list[Problem]()
    _build(document, yaml.parse(text, Loader=loader), problems)
    return document, problems


def _parse_slowly(path: Path, text: str) -> tuple[Document, list[Problem]]:
    """The same by PyYAML's own parser, with what is no YAML among the problems."""
    try:
        return _parse(path, text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        index = error.problem_mark.index if error.problem_mark else 0
        return Document(path), [_syntax(path, text, index, error.context_mark)]


def _syntax(path: Path, text: str, index: int, within: Any) -> Problem:
    """What does not fit at a character; `within` is the mark where what holds it begins, or None."""
    line, column = _position(text, index)
    begin = (within.line + 1, within.column + 1) if within else (line, column)
    inside = "" if begin == (line, column) else f" in what begins at {begin[0]}:{begin[1]}"
    match text[index : index + 1]:
        case "":
            said = f"the file ends{inside}"
        case "\t":
            said = "a tab, where only blanks may be"
        case "@" | "`" | "%" as reserved:
            said = f"a text that begins with '{reserved}' must be in quotes"
        case ":":
            said = f"':' does not fit{inside or ' here'}; text with ': ' in it must be in quotes"
        case "\n" | "\r":
            said = f"the line ends{inside}"
        case other:
            said = f"'{other}' does not fit{inside or ' here'}"
    return Problem(path, line, column, f"not YAML: {said}")


def _position(text: str, index: int) -> tuple[int, int]:
    """Line and column of a character."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


class _Level:
    """One open mapping or sequence."""

    def __init__(self, data: dict[str, Any] | list[Any], location: Location):
        self.data, self.location = data, location
        self.key: str | None = None
        self.lines: dict[str, int] = {}  # where each key stands first

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
        position = event.start_mark.line + 1, event.start_mark.column + 1
        here = (document.path, *position)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                problems.append(Problem(*here, "a second document; a file holds one suite"))
                return
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            levels.pop()
        elif isinstance(event, yaml.NodeEvent):
            if event.anchor is not None:
                message = "anchors and aliases are not supported; write the value out"
                problems.append(Problem(*here, message))
            half = SURROGATE.search(getattr(event, "value", ""))
            if half:
                message = f"the escape \\u{ord(half[0]):04x} is half of a character"
                problems.append(Problem(*here, message))
            tag = getattr(event, "tag", None)
            if tag is not None:
                problems.append(Problem(*here, f"tag '{tag}' is not supported; write the plain value"))
            if not _take(document, levels, event, position, problems):
                return
            if len(levels) > MAX_DEPTH:
                problems.append(Problem(*here, f"nested more than {MAX_DEPTH} deep"))
                return
    if not documents:
        problems.append(Problem(document.path, 1, 1, "the file is empty"))


def _take(
    document: Document, levels: list[_Level], event: Any, position: tuple[int, int], problems: list[Problem]
) -> bool:
    """Take one key or value in; a container opens a level. False where reading cannot go on."""
    is_scalar = not isinstance(event, yaml.CollectionStartEvent)
    text = getattr(event, "value", "")  # that of an alias is of no account
    if levels and isinstance(levels[-1].data, dict) and levels[-1].key is None:  # a key
        level = levels[-1]
        if not is_scalar:
            problems.append(Problem(document.path, *position, "a key must be plain text"))
            return False
        level.key = text
        place = level.place()
        if text in level.lines:
            message = f"duplicate key '{text}' (first on line {level.lines[text]})"
            document.duplicates.append(Problem(document.path, *position, message))
        level.lines.setdefault(text, position[0])
        document.keys[place] = position
        return True
    place = levels[-1].place() if levels else ()
    document.values[place] = position
    value: Any
    if is_scalar:
        quotes = 2 * (getattr(event, "style", None) in ("'", '"'))
        value = scalar(text, quoted=getattr(event, "style", None) in ("'", '"', "|", ">"))
        start, end = event.start_mark, event.end_mark
        if (
            start.line == end.line and end.index - start.index == len(text) + quotes
        ):  # nothing folded, nothing escaped
            document.texts[place] = position[1] + quotes // 2
    else:
        value = [] if isinstance(event, yaml.SequenceStartEvent) else {}
    if levels:
        levels[-1].put(value)
    else:
        document.data = value
    if not is_scalar:
        levels.append(_Level(value, place))
    return True

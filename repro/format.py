"""Numbers, intervals, durations, names and tables, as text, Markdown and HTML."""

import json
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

Interval = tuple[float | None, float | None]


def printable(text: str) -> str:
    """Text on one line. Whatever could move the cursor or turn the writing round is shown as JSON shows it:
    a name that somebody made up forges no other line.
    """
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def broken(line: str, width: int) -> list[str]:
    """A line in parts of so many cells at most, the further ones further to the right; a word stays whole."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def table(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns aligned with two blanks between; those numbered in `right` to the right."""
    rows = [list(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def figure(value: float | None) -> str:
    """Four significant digits, without noise behind them."""
    if value is None:
        return "no value"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 1e4 and float(value).is_integer() else f"{value:.4g}"


def counted(count: int, noun: str) -> str:
    """`1 suite`, `2 suites`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def interval(ends: Interval | None) -> str:
    if ends is None:
        return ""
    low, high = ends
    return f"[{'-∞' if low is None else figure(low)}, {'∞' if high is None else figure(high)}]"


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in ascending order, such as seeds: `0 to 4`, `3`, `0 to 4, 20 to 26`."""
    runs: list[list[int]] = []
    for one in numbers:
        if runs and one == runs[-1][-1] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def size(count: float) -> str:
    """Bytes, to three digits: `512 B`, `171 MB`, `3.4 GB`."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, int(math.log10(count)) // 3) if count >= 1 else 0
    return f"{count / 1000**power:.3g} {units[power]}"


def duration(seconds: float) -> str:
    seconds = round(seconds)
    return (
        f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        if seconds >= 3600
        else f"{seconds // 60}:{seconds % 60:02}"
    )


def verbatim(text: str) -> str:
    """Text that somebody made up, in Markdown: no link, HTML, mention or other line comes of it."""
    text = printable(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, blank = "`" * (longest + 1), " " if text.strip("` ") != text else ""
    return f"{fence}{blank}{text}{blank}{fence}" if text else ""


def markdown_table(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """The first row is the head; the columns numbered in `right` are aligned to the right."""
    head, *body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    columns = range(head.replace("\\|", "").count("|") - 1)
    ruler = "".join(" --: |" if column in right else " --- |" for column in columns)
    return "\n".join([head, f"|{ruler}", *body])


class Style(NamedTuple):
    """How tables are written, and names that somebody made up."""

    table: Callable[[Iterable[Sequence[str]], Sequence[int]], str]
    name: Callable[[str], str]


TEXT = Style(table, printable)
MARKDOWN = Style(markdown_table, verbatim)


def html_table(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table for notebooks; the first row is its head. Text is escaped."""
    head, *body = [[escape(cell) for cell in row] for row in rows]

    def row(cells: Sequence[str], kind: str) -> str:
        aligned = ("right" if i in right else "left" for i in range(len(cells)))
        made = (
            f'<{kind} style="text-align: {side}">{cell}</{kind}>'
            for side, cell in zip(aligned, cells, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    lines = "".join(row(cells, "td") for cells in body)
    return f"<table><thead>{row(head, 'th')}</thead><tbody>{lines}</tbody></table>"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th … 11th … 21st."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"

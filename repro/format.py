"""Numbers, intervals, durations and tables, as text and as HTML."""

import math
from collections.abc import Iterable, Sequence
from html import escape

Interval = tuple[float | None, float | None]


def table(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns aligned with two blanks between; those numbered in `right` to the right."""
    rows = [list(row) for row in rows]
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


def duration(seconds: float) -> str:
    seconds = round(seconds)
    return (
        f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        if seconds >= 3600
        else f"{seconds // 60}:{seconds % 60:02}"
    )


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

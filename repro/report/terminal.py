"""Verdicts on a terminal: a table that fits its width, in colours, under the suites that claims are of."""

from collections.abc import Mapping
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from repro.format import printable
from repro.result import RIGHT, ClaimResult, verdict_rows

GAP = 2  # cells between columns
WORD = 12  # cells that a verdict needs, to be broken between words only
DISPENSABLE = (
    "time",
    "interval",
    "seeds",
    "margin",
)  # columns that a narrow terminal does without, in this order


def verdicts(claims: Mapping[str, ClaimResult], width: int, *, colour: bool = True) -> str:
    """The verdict table in so many cells. `claims` are by the name to show: `FILE::CLAIM`, or the claim's."""
    head, *rows = verdict_rows({name.rpartition("::")[2] + f"::{name}": one for name, one in claims.items()})
    shown = [[printable(cell) for cell in (row[0].partition("::")[0], *row[1:])] for row in rows]
    widths = [max(len(row[i]) for row in (head, *shown)) for i in range(len(head))]
    columns = list(range(len(head)))

    def room() -> int:
        """For verdicts, which alone are broken."""
        return width - sum(widths[i] + GAP for i in columns if i != 1)

    for name in DISPENSABLE:
        if room() < min(WORD, widths[1]):
            columns.remove(head.index(name))
    widths[1] = max(1, min(widths[1], room()))
    console = Console(
        file=StringIO(), width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    before = None
    table = _table(head, columns, widths)
    with console.capture() as captured:
        for (name, claim), row in zip(claims.items(), shown, strict=True):
            suite = name.rpartition("::")[0]
            if suite != before and suite:
                _print(console, table)
                table = _table(head, columns, widths, headed=before is None)
                console.print(Text(printable(suite), style="bold"), no_wrap=True, overflow="ellipsis")
            before = suite
            table.add_row(*(Text(row[i], style=_style(claim) if i == 1 else "") for i in columns))
        _print(console, table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _table(head: tuple[str, ...], columns: list[int], widths: list[int], *, headed: bool = True) -> Table:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_header=headed, header_style="dim")
    for i in columns:
        side = "right" if i in RIGHT else "left"
        table.add_column(
            head[i],
            justify=side,  # type: ignore[arg-type]
            width=widths[i],
            no_wrap=i != 1,
            overflow="fold" if i == 1 else "ellipsis",
        )
    return table


def _print(console: Console, table: Table) -> None:
    if table.row_count:
        console.print(table)


def _style(claim: ClaimResult) -> str:
    if claim.as_expected:
        return "green"
    return "yellow" if claim.is_tolerated(strict=False) else "bold red"

"""Results for other tools: tables as CSV, Parquet, Markdown and LaTeX, or what trackers of experiments read.

In a table what has no value is empty, what diverged infinite. CSV ends up in spreadsheets, which take a text
that starts with = + - @ for a formula: such texts get a ' in front, as OWASP advises. Parquet holds them as
they are. Markdown and LaTeX are for people: few columns, four digits; the LaTeX wants the package booktabs.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

from repro.errors import ReproError
from repro.format import counted, markdown_table, printable, verbatim
from repro.report import tidy, trackers
from repro.report.tidy import Row
from repro.result import Result

Format = Literal["csv", "parquet", "markdown", "latex", "tensorboard", "wandb", "mlflow"]
What = Literal["numbers", "verdicts"]
FORMATS: tuple[str, ...] = get_args(Format)
WHATS: tuple[str, ...] = get_args(What)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBERS = ("seeds", "margin", "interval", "mean", "sd", "lowest", "highest")  # columns aligned to the right
IN_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "∞": r"$\infty$",
        "–": "--",
    }
)


def export(results: Sequence[Result], to: Format, out: Path, what: What | None = None) -> str:
    """Write them and say what was written: by default numbers as CSV and Parquet, verdicts as Markdown and
    LaTeX, and both for trackers. Raises `ReproError` if a tracker is not installed, or `out` cannot be
    written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if to in trackers.TRACKERS:
            return trackers.TRACKERS[to](results, out, what)
        if to in ("markdown", "latex"):
            return _for_people(results, to, out, what or "verdicts")
        return _whole(results, to, out, what or "numbers")
    except OSError as error:
        raise ReproError(f"{out}: cannot be written: {error.strerror or error}") from None


def _whole(results: Sequence[Result], to: Format, out: Path, what: What) -> str:
    columns, found = (tidy.NUMBERS, tidy.numbers) if what == "numbers" else (tidy.VERDICTS, tidy.verdicts)
    rows = list(found(results))
    (_csv if to == "csv" else _parquet)(columns, rows, out)
    return _written(out, results, len(rows), what)


def _for_people(results: Sequence[Result], to: Format, out: Path, what: What) -> str:
    rows = tidy.for_people(results) if what == "verdicts" else tidy.summary(results)
    right = [i for i, column in enumerate(rows[0]) if column in NUMBERS]
    text = latex_table(rows, right) if to == "latex" else _markdown(rows, right)
    out.write_text(text + "\n", encoding="utf-8")
    return _written(out, results, len(rows) - 1, "verdicts" if what == "verdicts" else "measurements")


def _written(out: Path, results: Sequence[Result], many: int, of: str) -> str:
    if of == "verdicts":
        return f"{out}: {counted(many, 'verdict')}"
    return f"{out}: {many} {of} of {_count(results)}"


def _count(results: Iterable[Result]) -> str:
    trials, timings = (
        sum(len(getattr(result, what)) for result in results) for what in ("trials", "timings")
    )
    return f"{trials} trials" + (f" and {timings} timings" if timings else "")


def _csv(columns: Sequence[str], rows: Iterable[Row], out: Path) -> None:
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def harmless(text: str) -> str:
    """The text, with a ' in front if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _parquet(columns: Sequence[str], rows: Sequence[Row], out: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    of_type = {int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_(), str: pyarrow.string()}
    arrays = {
        name: pyarrow.array([row[i] for row in rows], of_type[tidy.TYPES.get(name, str)])
        for i, name in enumerate(columns)
    }
    parquet.write_table(pyarrow.table(arrays), out)


def _markdown(rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    """Names and sources are other people's words: they stand as code, and do nothing."""
    head, *body = rows
    numbers = {*right, *(i for i, column in enumerate(head) if column == "verdict")}
    cells = [[cell if i in numbers else verbatim(cell) for i, cell in enumerate(row)] for row in body]
    return markdown_table([head, *cells], right)


def latex_table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A tabular with the rules of booktabs; the first row is its head."""
    head, *body = (" & ".join(latex(cell) for cell in row) + r" \\" for row in rows)
    columns = "".join("r" if i in right else "l" for i in range(len(rows[0])))
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    return "\n".join([begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", end])


def latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return printable(text).translate(IN_LATEX)

"""Results for other tools: one tidy table of trials and timings, or TensorBoard's event files.

The table has a row for each number: suite, profile, run, finished, arm, seed, digest, kind (metric, cost or
timing), name, value. The arm of a timing has what is special about it, as in `vgg16(batch_size=8)`, and its
seed is the round's number. What has no value is empty, what diverged infinite. CSV ends up in spreadsheets,
which take a text that starts with = + - @ for a formula: such texts get a ' in front, as OWASP advises.
Parquet holds them as they are.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from repro.errors import ReproError
from repro.result import Result

Format = Literal["csv", "parquet", "tensorboard"]
FORMATS: tuple[str, ...] = get_args(Format)
COLUMNS = ("suite", "profile", "run", "finished", "arm", "seed", "digest", "kind", "name", "value")
FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = tuple[str, str, str, str, str, int, str, str, str, float | None]


def rows(results: Iterable[Result]) -> Iterable[Row]:
    for result in results:
        for trial in result.trials:
            of_trial = (
                result.suite,
                result.profile,
                result.id,
                result.finished,
                trial.arm,
                trial.seed,
                trial.digest,
            )
            yield from (
                (*of_trial, "metric", name, value) for name, value in sorted(trial.measurements.items())
            )
            yield from ((*of_trial, "cost", name, value) for name, value in sorted(trial.cost.items()))
        for timing in result.timings:
            of_timing = (
                result.suite,
                result.profile,
                result.id,
                result.finished,
                timing.name,
                timing.seed,
                timing.digest,
            )
            numbers = {
                **timing.measurements,
                "matmul_peak_flops_per_second": timing.matmul_peak_flops_per_second,
            }
            yield from ((*of_timing, "timing", name, value) for name, value in sorted(numbers.items()))


def export(results: Sequence[Result], to: Format, out: Path) -> str:
    """Write them and say what was written. Raises `ReproError` if TensorBoard is not installed or `out`
    cannot be written.
    """
    if to == "tensorboard":
        return _tensorboard(results, out)
    table = list(rows(results))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        (_csv if to == "csv" else _parquet)(table, out)
    except OSError as error:
        raise ReproError(f"{out}: cannot be written: {error.strerror or error}") from None
    return f"{out}: {len(table)} numbers of {_count(results)}"


def _count(results: Iterable[Result]) -> str:
    trials, timings = (
        sum(len(getattr(result, what)) for result in results) for what in ("trials", "timings")
    )
    return f"{trials} trials" + (f" and {timings} timings" if timings else "")


def _csv(table: Iterable[Row], out: Path) -> None:
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in table)


def harmless(text: str) -> str:
    """The text, with a ' in front if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _parquet(table: Sequence[Row], out: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    types = {"seed": pyarrow.int64(), "value": pyarrow.float64()}
    columns = {
        name: pyarrow.array([row[i] for row in table], types.get(name, pyarrow.string()))
        for i, name in enumerate(COLUMNS)
    }
    parquet.write_table(pyarrow.table(columns), out)


def _tensorboard(results: Sequence[Result], out: Path) -> str:
    """Runs of TensorBoard with scalars: `<suite>/<profile>/<run id>/<arm>-<seed>` of a trial its curves, and
    `…/<name>-round-<number>` of a timing the seconds of each pass, and its measurements at the round's
    number."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ReproError("TensorBoard is not installed: pip install tensorboard") from None
    points = 0
    for result in results:
        curves: dict[str, Mapping[str, Iterable[tuple[int, float | None]]]] = {
            f"{trial.arm}-{trial.seed}": trial.curves for trial in result.trials
        }
        for timing in result.timings:
            of_round = {name: [(timing.seed, value)] for name, value in timing.measurements.items()}
            curves[f"{timing.name}-round-{timing.seed}"] = {
                "pass_seconds": enumerate(timing.seconds),
                **of_round,
            }
        for run, scalars in curves.items():
            writer: Any = SummaryWriter(str(out / result.suite / result.profile / result.id / run))
            for name, curve in scalars.items():
                for step, value in curve:
                    writer.add_scalar(name, float("nan") if value is None else value, step)
                    points += 1
            writer.close()
    return f"{out}: {points} points of {_count(results)}; tensorboard --logdir {out} shows them"

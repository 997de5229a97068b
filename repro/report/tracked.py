"""What a tracker of experiments is told of a result: a run for each trial, net in a round of timing and net
that was only looked at, and one for each claim.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from repro.job import digest
from repro.report import tidy
from repro.result import Result, TimingResult

Kind = Literal["trial", "timing", "net", "claim"]
Key = tuple[str, int | None, bool]  # name, seed, and whether it was timed
Curves = dict[str, list[tuple[int, float]]]  # (step, value) by name; NaN where there is no value


class Tracked(NamedTuple):
    result: Result
    kind: Kind
    name: str  # `a-0`; `a(batch_size=8)-round-3`; `a` of what is the same for all seeds; of a claim its own
    seed: int | None
    settings: dict[str, Any]  # what it was, as JSON holds it
    numbers: dict[str, float | None]  # None where there is no value
    curves: Curves

    @property
    def group(self) -> str:
        return f"{self.result.suite}/{self.result.profile}/{self.result.id}"

    @property
    def digest(self) -> str:
        """The same for the same run of the same result, so that it can be told from what is there already."""
        return digest([self.group, self.kind, self.name])[:16]


def tracked(results: Iterable[Result], what: str | None = None) -> Iterator[Tracked]:
    """All of it, or `numbers` or `verdicts` alone."""
    for result in results:
        if what != "verdicts":
            yield from _nets(result)
        if what != "numbers":
            yield from _claims(result)


def scalars(curves: Curves) -> list[tuple[int, dict[str, float]]]:
    """Curves as what is there at each step, in order."""
    found: dict[int, dict[str, float]] = {}
    for name, curve in curves.items():
        for step, value in curve:
            found.setdefault(step, {})[name] = value
    return sorted(found.items())


def _nets(result: Result) -> Iterator[Tracked]:
    curves: dict[Key, Curves] = {
        (trial.arm, trial.seed, False): {name: _finished(curve) for name, curve in trial.curves.items()}
        for trial in result.trials
    }
    clocked: dict[Key, TimingResult] = {(one.name, one.seed, True): one for one in result.timings}
    for key, timing in clocked.items():
        curves[key] = {"pass_seconds": list(enumerate(timing.seconds))}
    numbers: dict[Key, dict[str, float | None]] = {key: {} for key in curves}
    for arm_name, number, _, kind, quantity, value in tidy.measured(result):
        numbers.setdefault((arm_name, number, kind == "timing"), {})[quantity] = value
    for key, values in numbers.items():
        name, seed, timed = key
        arm = result.arms.get(name.partition("(")[0])
        settings: dict[str, Any] = {"arm": name, "seed": seed, **(arm.model_dump(mode="json") if arm else {})}
        if timed:
            settings |= {"timing": clocked[key].timing, "region": clocked[key].region}
        yield Tracked(
            result=result,
            kind="timing" if timed else "trial" if key in curves else "net",
            name=name if seed is None else f"{name}-round-{seed}" if timed else f"{name}-{seed}",
            seed=seed,
            settings=settings,
            numbers=values,
            curves=curves.get(key, {}),
        )


def _claims(result: Result) -> Iterator[Tracked]:
    for row in tidy.verdicts([result]):
        of = {name: cell for name, cell in zip(tidy.VERDICTS, row, strict=True) if name not in tidy.OF_RUN}
        numbers = {name: _number(of[name]) for name in of if name in tidy.TYPES}
        texts = {name: cell for name, cell in of.items() if name not in tidy.TYPES and cell}
        yield Tracked(result, "claim", str(of["claim"]), None, texts, numbers, {})


def _number(cell: tidy.Cell) -> float | None:
    return None if cell is None or isinstance(cell, str) else float(cell)


def _finished(curve: Sequence[tuple[int, float | None]]) -> list[tuple[int, float]]:
    return [(step, math.nan if value is None else value) for step, value in curve]

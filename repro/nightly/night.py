"""What tonight's results say by themselves, beside those that stood before: alarms, problems and notes.

- An alarm is of the code, certain on the night itself, and needs no measuring again: a claim, an arm or a
  timing of a suite that ran completely has gone; all seeds of an arm end with the same numbers, and did not.
- A problem is of the run, which is no fair sample of the code: a whole suite is missing that was measured on
  the last day (its file is gone, or the run was cut short); a suite ran without some of its claims (they
  could not be decided); an arm that is listed has no trials or timings, and had some. Where
  `repro run --hours` left a suite for another night, that is none.
- A note is neither: a machine that the history does not know. Its timings are compared with no other's.

A number that has no value now, and had one, is a suspect of `watch`, as every metric that jumped is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from repro.archive import Key
from repro.environment import device_of
from repro.nightly.compare import alike, missing
from repro.result import Result


def alarms(stood: Mapping[Key, Result], tonight: Iterable[Result]) -> Iterator[str]:
    for result in tonight:
        last = stood.get(key(result))
        if last is None:
            continue
        if result.complete:
            for name in missing(last, result):
                yield f"{name}: gone, {last.id} has it"
        for name in alike(last, result):
            yield f"{name} ended with the same numbers, in {last.id} they did not"


def problems(
    past: Sequence[Result],
    stood: Mapping[Key, Result],
    tonight: Sequence[Result],
    left: Collection[str] = (),
) -> Iterator[str]:
    """`past` is in the order of time, of the profiles of tonight; suites that were `left` for want of time
    are not missed.
    """
    last_day = past[-1].finished[:10] if past else ""
    then = {key(result) for result in past if result.finished[:10] == last_day}
    for suite, profile in sorted(then - {key(result) for result in tonight}):
        if suite in left:
            continue
        yield f"{suite} ({profile}): measured on {last_day}, but not tonight"
    for result in tonight:
        if not result.complete and result.suite not in left:
            yield f"{place(result)}: {result.id} holds only some of the suite's claims"
        last = stood.get(key(result))
        if last is None:
            continue
        for what, before, now in (
            ("trials", last.trials, result.trials),
            ("timings", last.timings, result.timings),
        ):
            lost = {one.arm for one in before} & result.arms.keys() - {one.arm for one in now}
            if lost and result.suite not in left:
                yield f"{place(result)}: no {what} of {', '.join(sorted(lost))}, which {last.id} has"


def notes(past: Iterable[Result], tonight: Iterable[Result]) -> Iterator[str]:
    known: dict[Key, set[frozenset[str]]] = {}
    for result in past:
        known.setdefault(key(result), set()).add(_devices(result))
    for result in tonight:
        seen = known.get(key(result), set())
        if seen and _devices(result) not in seen:
            here = ", ".join(sorted(_devices(result)))
            there = "; ".join(sorted(", ".join(sorted(device)) for device in seen))
            yield f"{place(result)}: a machine that the history does not know: {here}, not {there}"


def key(result: Result) -> Key:
    return result.suite, result.profile


def place(result: Result) -> str:
    return f"{result.suite} ({result.profile})"


def _devices(result: Result) -> frozenset[str]:
    return frozenset(
        device_of(kind) + (f" (driver {kind['driver']})" if kind["driver"] else "")
        for kind in result.environment.key
    )

"""The history of each measurement over nights, and the evidence for a step in it.

What counts is what was measured anew. A metric counts once for each trial's digest: a trial repeated is
bit-identical on a CPU, and its seed is no fresh one on a GPU. So while code stays the same, only fresh seeds
add to the history of metrics. A cost counts once for each training, or round of timing; runs are comparable
while the conditions that it was measured under are equal. An arm defined otherwise, or timed in another way,
starts a new history.
"""

import math
from collections.abc import Sequence

import numpy as np

from repro.nightly.changes import FEWEST, step_evidence, untied
from repro.nightly.measured import COSTS, conditions, measured, sign
from repro.result import Result

EPOCH = 30  # nights: evidence starts afresh after as many, from what has become history by then

Name = tuple[str, str, str, str]  # suite, profile, arm (or the name of what was timed), quantity
Nights = list[list[float]]


def observations(results: Sequence[Result]) -> dict[Name, tuple[Nights, list[str]]]:
    """Of the results of one suite and profile, in their order: what each night measured anew, and the nights'
    run ids.

    The last result says which measurements there are. Values are signed: larger is worse, where it is known
    which way that is; of costs the mean logarithm of a night.
    """
    last = results[-1]
    ways = {(one.name, one.way) for one in measured(last)}
    found: dict[Name, tuple[Nights, list[str]]] = {}
    seen: set[tuple[str, str, str, float | None]] = set()
    for result in results:
        night: dict[Name, list[float]] = {}
        for one in measured(result):
            if (one.name, one.way) not in ways or result.arms.get(one.arm) != last.arms.get(one.arm):
                continue
            for quantity, value in one.quantities.items():
                cost = quantity in COSTS
                once = (one.name, one.digest, quantity, value if cost else None)
                comparable = not cost or conditions(result, quantity) == conditions(last, quantity)
                if once not in seen and comparable and not math.isnan(value):
                    seen.add(once)
                    name = (result.suite, result.profile, one.name, quantity)
                    night.setdefault(name, []).append((sign(result, quantity) or 1) * value)
        for name, values in night.items():
            nights, runs = found.setdefault(name, ([], []))
            nights.append([sum(values) / len(values)] if name[3] in COSTS else values)
            runs.append(result.id)
    return {name: series for name, series in found.items() if series[1][-1] == last.id}


def evidence(nights: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """(that it has become worse, that it has become better) at the end of each night of the epoch that the
    last one is in.

    The first 10 nights are history; every 30 nights after them an epoch ends. A step may have begun in this
    or the one before.
    """
    epoch = (len(nights) - 1 - FEWEST) // EPOCH
    first = FEWEST + EPOCH * epoch
    ends = np.cumsum([len(night) for night in nights])
    starts = [
        int(ends[night - 1]) for night in range(max(FEWEST, first - EPOCH), min(first + EPOCH, len(nights)))
    ]
    to_come = [int(ends[-1])] * (first + EPOCH - len(nights))
    ranks = untied([value for night in nights for value in night], np.random.default_rng(0))
    up, down = step_evidence(ranks, starts + to_come)
    return [(float(up[end - 1]), float(down[end - 1])) for end in ends[first:]]

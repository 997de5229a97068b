"""What a pass through each net takes, timed alone on the machine: a table, and how it went by round."""

from collections.abc import Iterable, Mapping, Sequence

from repro.catalogue import CLOCKS
from repro.result import TimingResult
from repro.site.arms import apart, flat
from repro.site.element import Child, Markup, element
from repro.site.series import Place, series_chart
from repro.site.tables import facts, number, spread, table

SHOWN = {"bytes": ("MiB", 2.0**20)}  # by unit: the one that is shown, and how large that is
MOST_TICKS = 12  # of rounds
HOW = (
    "Each round times every net once, in a process of its own with the machine to itself. The median over "
    "rounds, and from the lowest to the highest."
)


def by_net(timings: Iterable[TimingResult]) -> dict[str, list[TimingResult]]:
    """By the name of what was timed, in the order of the rounds."""
    found: dict[str, list[TimingResult]] = {}
    for timing in sorted(timings, key=lambda timing: timing.seed):
        found.setdefault(timing.name, []).append(timing)
    return found


def timings(found: Mapping[str, Sequence[TimingResult]], units: Mapping[str, str]) -> Markup:
    """Of one net at least. `units` are by clock."""
    firsts = [rounds[0] for rounds in found.values()]
    differing, common = apart([{"region": first.region, **flat(first.timing, "")} for first in firsts])
    clocks = [name for name in CLOCKS.targets if any(name in first.measurements for first in firsts)]
    shown = {name: SHOWN.get(units[name], (units[name], 1.0)) for name in clocks}
    rows = []
    for i, (name, rounds) in enumerate(found.items()):
        cells = [
            spread([t.measurements[name] / size for t in rounds if name in t.measurements])
            for name, (_, size) in shown.items()
        ]
        own: list[Child] = [
            element("td", ", ".join(f"{path} {row[i]}" for path, row in differing.items()), class_="own")
        ]
        rows.append(
            [
                element("th", name, scope="row"),
                number(len(rounds), str(len(rounds))),
                *cells,
                *(own if differing else []),
            ]
        )
    columns = [f"{clock.replace('_', ' ')}, {unit}" for clock, (unit, _) in shown.items()]
    head = ("net", "rounds", *columns, *(["timed with"] if differing else []))
    region, rest = common.pop("region", None), ", ".join(f"{path} {value}" for path, value in common.items())
    return element(
        "div",
        element("p", HOW, class_="note"),
        table(head, rows, caption="What was timed", right=range(1, 2 + len(shown))),
        facts([("timed", region), ("all with", rest or None)]),
        _by_round(found),
    )


def _by_round(found: Mapping[str, Sequence[TimingResult]]) -> Markup | None:
    latencies = {
        name: {
            timing.seed: timing.measurements["latency"]
            for timing in rounds
            if "latency" in timing.measurements
        }
        for name, rounds in found.items()
    }
    rounds = sorted({number for values in latencies.values() for number in values})
    if len(rounds) < 2:
        return None
    every = -(-len(rounds) // MOST_TICKS)
    places = [
        Place(
            f"round {number}",
            "" if i % every else str(number),
            {name: values[number] for name, values in latencies.items() if number in values},
        )
        for i, number in enumerate(rounds)
    ]
    names = [name for name, values in latencies.items() if values]
    note = "A pass of a batch: the median of each process's passes. Log scale."
    return series_chart("Latency by round", names, places, each="round", y="latency, ms", note=note, log=True)

"""Charts of cost: what a suite's arms reach against what they compute, how fast nets are from run to run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from repro.errors import ReproError
from repro.expectation import parse
from repro.format import figure
from repro.result import ClaimResult
from repro.site.archive import Scale
from repro.site.axis import covering
from repro.site.element import Markup
from repro.site.page import moment_text
from repro.site.plot import LINE, Plot, chart, circle
from repro.site.series import LETTER, Place, series_chart
from repro.site.suite_page import SIZES, of_arm
from repro.site.tables import number, table

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 420, 30, 226
SMALLEST, LARGEST = 4.0, 16.0  # radii of bubbles
RUNS = 60


@dataclass(frozen=True)
class Bubble:
    """An arm: means over its seeds."""

    arm: str
    value: float
    low: float
    high: float
    seeds: int
    sizes: dict[str, float]  # params and macs, where they are known

    def says(self, metric: str) -> str:
        spread = (
            f" ({figure(self.low)} to {figure(self.high)} over {self.seeds} seeds)" if self.seeds > 1 else ""
        )
        sizes = "; ".join(f"{SIZES[key]} {size:,.0f}" for key, size in self.sizes.items())
        return f"{self.arm}: {metric} {figure(self.value)}{spread}; {sizes}"


def main_metric(scale: Scale) -> str | None:
    """The first metric of trained nets that its claims use, else the first that is an error, else any."""
    measured = {name for trial in scale.trials for name in trial.measurements}
    used = [name for latest in scale.claims.values() for name in _named(latest.claim)]
    return next(
        (
            name
            for name in [*used, *sorted(measured, key=lambda name: ("error" not in name, name))]
            if name in measured
        ),
        None,
    )


def bubbles(scale: Scale, metric: str) -> list[Bubble]:
    trials, found = scale.trials, list[Bubble]()
    for arm in scale.arms:
        measured = [trial.measurements.get(metric) for trial in trials if trial.arm == arm]
        values = [value for value in measured if value is not None]
        sizes = {key: of[0] for key in SIZES if (of := of_arm(trials, arm, key)) and of[0] > 0}
        if values and sizes:
            found.append(Bubble(arm, sum(values) / len(values), min(values), max(values), len(values), sizes))
    return found


def bubble_chart(found: Sequence[Bubble], metric: str, across: str) -> Markup | None:
    """`metric` against `across` (params or macs); the area of a bubble grows with the other of the two."""
    shown = [bubble for bubble in found if across in bubble.sizes]
    if not shown:
        return None
    other = next(key for key in SIZES if key != across)
    x = covering(
        [bubble.sizes[across] for bubble in shown], LEFT, RIGHT, log=True, room=0.12, title=SIZES[across]
    )
    y = covering([v for b in shown for v in (b.low, b.high)], BOTTOM, TOP, room=0.12, title=metric)
    plot = Plot(x, y, WIDTH, HEIGHT)
    plot.grid()
    most = max((bubble.sizes.get(other, 0.0) for bubble in shown), default=0.0)
    taken: list[tuple[float, float, float]] = []
    for bubble in sorted(shown, key=lambda bubble: -bubble.sizes.get(other, 0.0)):
        at_x, at_y = x.at(bubble.sizes[across]), y.at(bubble.value)
        radius = max(SMALLEST, LARGEST * (bubble.sizes.get(other, 0.0) / most) ** 0.5 if most else SMALLEST)
        plot.line([(bubble.sizes[across], bubble.low), (bubble.sizes[across], bubble.high)], "line range")
        plot.spot(bubble.says(metric), circle(at_x, at_y, radius, "bubble"))
        _name(plot, bubble.arm, at_x, at_y, radius, taken)
    rows = [
        [
            b.arm,
            number(b.value),
            f"{figure(b.low)} to {figure(b.high)}",
            number(b.sizes[across], f"{b.sizes[across]:,.0f}"),
        ]
        for b in shown
    ]
    head = ("arm", metric, "over seeds", SIZES[across])
    values = table(head, rows, caption=f"{metric} against {SIZES[across]}", right=(1, 2, 3))
    says = f"{metric} of {len(shown)} arms against {SIZES[across]}"
    note = f"Line: lowest to highest seed. Area: {SIZES[other]}." if most else "Line: lowest to highest seed."
    return chart(f"{metric} by {SIZES[across]}", plot.svg(says), values, note)


def training_chart(scale: Scale) -> Markup | None:
    """Images a second of each arm in training, the median over its seeds, in the last runs."""
    rates = [
        _medians((trial.arm, trial.cost.images_per_second) for trial in run.glance.trials)
        for run in scale.runs[-RUNS:]
    ]
    return _rates_chart(scale, "in training", rates, list(scale.arms), "The median over seeds.", log=False)


def timing_chart(scale: Scale) -> Markup | None:
    """Images a second of each net that was timed, the median over rounds, in the last runs."""
    rates = [
        _medians((timing.name, timing.measurements.throughput) for timing in run.glance.timings)
        for run in scale.runs[-RUNS:]
    ]
    names = list(dict.fromkeys(name for found in reversed(rates) for name in found))
    return _rates_chart(scale, "timed alone", rates, names, "The median over rounds.", log=True)


def _rates_chart(
    scale: Scale,
    how: str,
    rates: Sequence[Mapping[str, float]],
    names: Sequence[str],
    note: str,
    *,
    log: bool,
) -> Markup | None:
    known = [name for name in names if any(name in found for found in rates)]
    if not known:
        return None
    runs = [run.glance for run in scale.runs[-RUNS:]]
    moments = [moment_text(run.finished) for run in runs]
    return series_chart(
        f"{scale.suite} at {scale.profile}, {how}",
        known,
        [
            Place(moment, moment[:10] if i == 0 < len(runs) - 1 else "", of)
            for i, (moment, of) in enumerate(zip(moments, rates, strict=True))
        ],
        each="run",
        y="images/s",
        note=(
            f"{note} A dotted line: another device, driver, precision or torch; "
            "rates are not comparable across it."
        ),
        breaks=[i for i in range(1, len(runs)) if runs[i].environment.key != runs[i - 1].environment.key],
        log=log,
    )


def _medians(named: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for name, rate in named:
        if rate is not None:
            found.setdefault(name, []).append(rate)
    return {name: median(rates) for name, rates in found.items()}


def _named(claim: ClaimResult) -> list[str]:
    try:
        return [measurement.name for measurement in parse(claim.expect).measurements]
    except ReproError:
        return []


def _name(
    plot: Plot, text: str, x: float, y: float, radius: float, taken: list[tuple[float, float, float]]
) -> None:
    """Beside its bubble, where no other name is: right, left, above, below; else nowhere."""
    length, gap = len(text) * LETTER, radius + 5
    for left, at in (
        (x + gap, y + 4),
        (x - gap - length, y + 4),
        (x - length / 2, y - gap),
        (x - length / 2, y + gap + 9),
    ):
        inside = left >= LEFT and left + length <= plot.width and TOP <= at <= BOTTOM
        if inside and all(
            abs(at - row) >= LINE or left + length < start or end < left for start, end, row in taken
        ):
            taken.append((left, left + length, at))
            plot.text(left, at, text, "name")
            return

"""Training curves as small multiples: a panel an arm, its seeds as a band, all arms in grey behind."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from repro.catalogue import PROBES, looks_at_curves
from repro.format import figure
from repro.result import TrialResult
from repro.site.axis import Axis, covering
from repro.site.element import Child, Markup, element
from repro.site.glossary import named, term
from repro.site.plot import Plot, chart
from repro.site.tables import table

WIDTH, HEIGHT = 288, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 276, 28, 158
BESIDE = 9  # pixels from an open dot to the end
PREFIXES = BATCH, TRAIN, TEST = "batch_", "train_", "test_"  # of one quantity, drawn together
BATCHES = "the images that each step trains on"
SPOTS, ROWS = 16, 10  # steps that tell their values, and those in the table
MANY = 12  # arms; of more, half as many steps tell their values, or a page would be too long to load
POINTS, BEHIND = 64, 24  # steps that a line goes through, and one that is drawn behind others


@dataclass(frozen=True)
class Curve:
    """Over the seeds of an arm, by step: (mean, lowest, highest, seeds)."""

    rows: Mapping[int, tuple[float, float, float, int]]
    name: str

    @property
    def while_training(self) -> bool:
        return self.name.startswith(BATCH)

    @property
    def is_line(self) -> bool:
        """Else it is a dot: what was measured once, after the last step."""
        return len(self.rows) > 1

    @property
    def look(self) -> str:
        """How it is drawn, for the legend."""
        if self.is_line:
            return "dashed" if self.while_training else "bold"
        return "open dot" if self.name.startswith(TRAIN) else "dot"

    def line(self, most: int = POINTS) -> list[tuple[float, float]]:
        return [(step, self.rows[step][0]) for step in _some(list(self.rows), most)]

    @property
    def band(self) -> list[tuple[float, float, float]]:
        return [(step, *self.rows[step][1:3]) for step in _some(list(self.rows), POINTS)]

    def says(self, step: int) -> str:
        mean, low, high, seeds = self.rows[step]
        return figure(mean) if seeds == 1 else f"{figure(mean)} ({figure(low)} to {figure(high)})"


Arms = dict[str, dict[str, Curve]]  # by arm, then by the curve's name


def drawn(arms: Sequence[str], trials: Sequence[TrialResult]) -> dict[str, Arms]:
    """All curves of the trials, by quantity. What was measured only after the last step is no curve."""
    return {
        quantity: found
        for quantity, found in quantities(arms, trials).items()
        if any(curve.is_line for curves in found.values() for curve in curves.values())
    }


def panels(curves: Mapping[str, Arms], units: Mapping[str, str]) -> Markup:
    """`curves` are by quantity, `units` by metric."""
    return element("div", [_quantity(name, _unit(name, units), found) for name, found in curves.items()])


def of_claim(all_: Mapping[str, Arms], arms: Collection[str], metrics: Sequence[str]) -> dict[str, Arms]:
    """The curves of some arms, in what they are compared by, in that order; else in their loss.

    Of a quantity that is what is measured, first, and the batches that were trained on.
    """
    wanted = dict.fromkeys(quantity for metric in metrics if (quantity := _nearest(metric, all_)))
    found: dict[str, Arms] = {}
    for quantity in wanted or {"loss"} & all_.keys():
        of_arms = {arm: _asked(curves, metrics) for arm, curves in all_[quantity].items() if arm in arms}
        if of_arms:
            found[quantity] = of_arms
    return found


def explained(shown: Mapping[str, Arms], metrics: Sequence[str]) -> str:
    """Why curves of other things than what is measured are shown; empty where they are not."""
    every = [curve for arms in shown.values() for curves in arms.values() for curve in curves.values()]
    lines, dots = ({curve.name for curve in every if curve.is_line is line} for line in (True, False))
    instead = [
        f"{name}, of {BATCHES}" if name.startswith(BATCH) else name for name in sorted(lines - {*metrics})
    ]
    once = [name for name in metrics if name in dots - lines]
    read = [name for name in metrics if name in PROBES.targets and looks_at_curves(name)]
    others = [name for name in metrics if name not in {*lines, *dots, *read}]
    said = [
        _sentence(once, "measured once, after the last step: the dots at the end"),
        _sentence(read, "read off a curve of the training"),
        _sentence(others, "measured once for each net, without a curve"),
    ]
    if not instead or not any(said):
        return ""
    return " ".join(filter(None, [*said, f"What is drawn over the steps is {'; and '.join(instead)}."]))


def _sentence(names: Sequence[str], what: str) -> str:
    if not names:
        return ""
    *first, last = names
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"{listed} {'are' if first else 'is'} {what}."


def _nearest(metric: str, all_: Mapping[str, Arms]) -> str | None:
    """The quantity that a metric is of, or that its name ends with: `error` of `mean_lesion_error`."""
    return next((name for name in (quantity_of(metric), metric.rpartition("_")[2]) if name in all_), None)


def _asked(curves: Mapping[str, Curve], metrics: Sequence[str]) -> dict[str, Curve]:
    """Those of the metrics, and of batches; all where none is of the metrics."""
    first = {name: curves[name] for name in metrics if name in curves}
    others = {name: curve for name, curve in curves.items() if curve.while_training or not first}
    return first | others


def quantity_of(name: str) -> str:
    """`error` of `test_error`."""
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def quantities(arms: Sequence[str], trials: Sequence[TrialResult]) -> dict[str, Arms]:
    """`batch_error` and `test_error` are curves of one quantity, the error. Diverged values are left out.

    What was measured of the training images after the last step is beside them: `train_error`.
    """
    values: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        for name, points in (trial.curves | _ends(trial)).items():
            for step, value in points:
                if value is not None and math.isfinite(value):
                    values[name, trial.arm][step].append(value)
    found: dict[str, Arms] = {}
    for name, arm in sorted(
        values, key=lambda key: (key[0], arms.index(key[1]) if key[1] in arms else len(arms))
    ):
        rows = {
            step: (sum(v) / len(v), min(v), max(v), len(v)) for step, v in sorted(values[name, arm].items())
        }
        curve = Curve(rows, name)
        found.setdefault(quantity_of(name), {}).setdefault(arm, {})[name] = curve
    return found


def _ends(trial: TrialResult) -> dict[str, list[tuple[int, float | None]]]:
    """What a trial measured of the training images, of the quantities that it has curves of."""
    known = {quantity_of(name) for name in trial.curves}
    last = max((points[-1][0] for points in trial.curves.values() if points), default=0)
    return {
        name: [(last, value)]
        for name, value in trial.measurements.items()
        if name.startswith(TRAIN) and name not in trial.curves and quantity_of(name) in known
    }


def _unit(quantity: str, units: Mapping[str, str]) -> str:
    """That of a metric, or of the metrics that are drawn together as one quantity."""
    return next(
        (units[name] for name in (quantity, *(prefix + quantity for prefix in PREFIXES)) if name in units), ""
    )


def _quantity(name: str, unit: str, arms: Arms) -> Markup:
    unit = f" ({unit})" if unit else ""
    lows, highs = (
        [row[k] for curves in arms.values() for c in curves.values() for row in c.rows.values()]
        for k in (1, 2)
    )
    bottom, usual = min(lows), sorted(highs)[int(0.95 * (len(highs) - 1))]
    top = min(max(highs), usual + (usual - bottom or 1.0))  # a spike must not flatten everything else
    y = covering([bottom, top], BOTTOM, TOP, title=f"{name}{unit}")
    last = max(step for curves in arms.values() for c in curves.values() for step in c.rows)
    x = Axis(0, max(last, 1), LEFT, RIGHT, title="step")
    drawn = [
        chart(arm, _panel(arm, arms, x, y, f"all-{name}", first=i == 0).svg(_says(arm, name, arms[arm])))
        for i, arm in enumerate(arms)
    ]
    cut = " What lies beyond the upper edge is drawn at it." if top < max(highs) else ""
    kinds = sorted({(curve.look, curve.name) for curves in arms.values() for curve in curves.values()})
    legend = [
        (f"; {look}: " if i else f"{look.capitalize()}: ", _linked(name))
        for i, (look, name) in enumerate(kinds)
    ]
    grey = " Grey: all arms." if len(arms) > 1 else ""
    note = f". Lines: the mean over seeds. Band: from the lowest to the highest seed.{grey}{cut}"
    return element(
        "section",
        element("h3", f"{name}{unit}"),
        element("p", legend, note, class_="note"),
        element("div", drawn, class_="multiples"),
        element("details", element("summary", f"Values of {name}"), _table(name, arms)),
        class_="quantity",
    )


def _linked(name: str) -> Child:
    """The name of a curve, as a link to what it is where that is known."""
    return term("batch_error, batch_loss", name) if name.startswith(BATCH) else named(name)


def _panel(arm: str, arms: Arms, x: Axis, y: Axis, all_arms: str, *, first: bool) -> Plot:
    """The lines of all arms, in grey, are drawn by the first panel under the name `all_arms`, for all."""
    plot = Plot(x, y, WIDTH, HEIGHT)
    plot.grid(
        [(tick, text) for tick, text in ((t, f"{t:,.0f}") for t in x.ticks(3)) if float(tick).is_integer()]
    )
    if first and len(arms) > 1:
        plot.lines([_main(curves).line(BEHIND) for curves in arms.values()], "line behind", id_=all_arms)
    elif len(arms) > 1:
        # With the class, since rules that name what is around it do not reach into a copy.
        plot.add("use", href=f"#{all_arms}", class_="line behind")
    steps, most = set[int](), SPOTS if len(arms) <= MANY else SPOTS // 2
    for curve in curves_of(arms[arm]):
        band = curve.band
        kind = "line training" if curve.while_training else "line"
        steps |= set(_some(list(curve.rows), most))
        if len(band) > 1:
            plot.band(band, "band faint" if curve.while_training else "band")
            plot.line(curve.line(), kind)
            continue
        ((step, low, high),) = band  # measured once, after the last step
        is_open = curve.look == "open dot"
        place = step - is_open * BESIDE * x.high / (RIGHT - LEFT)  # or it would lie on the other dot
        plot.line([(place, low), (place, high)], "line range")
        plot.dot(place, curve.line()[0][1], "dot open" if is_open else "dot")
    plot.slices([(step, _told(arm, step, arms)) for step in sorted(steps)])
    return plot


def curves_of(curves: Mapping[str, Curve]) -> list[Curve]:
    """Those of training first, so that the others lie on top."""
    return sorted(curves.values(), key=lambda curve: not curve.while_training)


def _main(curves: Mapping[str, Curve]) -> Curve:
    """What stands for an arm behind another: its test curve, where that is more than a point."""
    return max(curves.values(), key=lambda curve: (curve.is_line, not curve.while_training))


def _told(arm: str, step: int, arms: Arms) -> str:
    known = [f"{name} {curve.says(step)}" for name, curve in arms[arm].items() if step in curve.rows]
    return f"step {step:,}: {'; '.join(known)}"


def _says(arm: str, name: str, curves: Mapping[str, Curve]) -> str:
    ends = [f"{key} ends at {curve.says(max(curve.rows))}" for key, curve in curves.items()]
    return f"{name} of {arm} over the steps: {'; '.join(ends)}"


def _table(name: str, arms: Arms) -> Markup:
    columns = [(f"{arm}: {key}", curve) for arm, curves in arms.items() for key, curve in curves.items()]
    steps = sorted({step for _, curve in columns for step in _some(list(curve.rows), ROWS)})
    rows = [
        [f"{step:,}", *(curve.says(step) if step in curve.rows else "–" for _, curve in columns)]
        for step in steps
    ]
    head = ("step", *(text for text, _ in columns))
    return table(
        head, rows, caption=f"{name}: mean (lowest to highest seed)", right=range(len(head)), sortable=False
    )


def _some(steps: Sequence[int], most: int) -> list[int]:
    """Evenly spread, with the last one."""
    return list(steps[::-1][:: -(-len(steps) // most) or 1][::-1])

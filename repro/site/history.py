"""Metrics, margins and costs over runs, as lines."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean, median
from typing import TypeVar

from repro.site.archive import LightClaim, LightResult, LightTrial, Scale
from repro.site.element import Markup, element, markup
from repro.site.page import moment_text
from repro.site.series import Place, series_chart

RECENT, OLDER = 12, 12  # runs that a chart shows: all of the last ones, and at most so many before them
MOST = 8  # lines of a chart; the first arms, where there are more
COMPARABLE = "A dotted line: another device, driver, precision or torch; times are not comparable across it."
COSTS = {  # by the key in a trial's cost: the title, what one of its unit is, and the unit
    "seconds": ("Training time", 1.0, "s"),
    "images_per_second": ("Speed of training", 1.0, "images/s"),
    "peak_memory_bytes": ("Peak memory", 2.0**20, "MiB"),
}

Values = Mapping[str, float]  # by the line's name


def claim_history(scale: Scale, name: str) -> list[Markup]:
    """What a claim measured and its margin, run by run; nothing of one run."""
    asked = [claim for run in scale.runs if (claim := run.glance.claims.get(name))]
    if len(asked) < 2 or not asked[-1].evidence.interval:
        return []
    by_metric: dict[str, list[str]] = {}
    for measured in asked[-1].values:
        by_metric.setdefault(measured.partition("(")[0], []).append(measured)

    def of_claim(look: Callable[[LightClaim], Values]) -> Callable[[LightResult], Values]:
        return lambda run: look(of) if (of := run.claims.get(name)) else {}

    charts = [
        _chart(scale, "Margin", "margin", of_claim(lambda claim: _known({"margin": claim.evidence.estimate})))
    ]
    for metric, names in by_metric.items():
        charts.append(_chart(scale, metric, metric, of_claim(partial(_means, names))))
    return [element("div", *charts, class_="pair")]


def suite_history(scale: Scale) -> list[Markup]:
    """What each arm reached, and what that took, run by run; nothing of one run."""
    if len(scale.runs) < 2:
        return []
    arms, count = list(scale.arms)[:MOST], len(scale.arms)
    first = element("p", f"The first {MOST} of {count} arms.", class_="note") if count > MOST else None
    metrics = dict.fromkeys(name for trial in scale.trials for name in trial.measurements)

    def of_trials(
        read: Callable[[LightTrial], float | None], middle: Callable[[list[float]], float]
    ) -> Callable[[LightResult], Values]:
        def values(run: LightResult) -> Values:
            found: dict[str, list[float]] = {}
            for trial in run.trials:
                if trial.arm in arms and (value := read(trial)) is not None:
                    found.setdefault(trial.arm, []).append(value)
            return {arm: middle(of) for arm, of in found.items()}

        return values

    charts = [_chart(scale, name, name, of_trials(partial(_measured, name), fmean)) for name in metrics]
    for key, (title, one, unit) in COSTS.items():
        read = of_trials(partial(_cost, key, one), median)
        charts.append(
            _chart(scale, title, unit, read, note=f"The median over seeds. {COMPARABLE}", timed=True)
        )
    charts.append(_timed(scale))
    found = [chart for chart in charts if chart]
    return [markup(first), element("div", found, class_="pair")] if found else []


def _timed(scale: Scale) -> Markup | None:
    def values(run: LightResult) -> Values:
        found: dict[str, list[float]] = {}
        for timing in run.timings:
            if (rate := timing.measurements.get("throughput")) is not None:
                found.setdefault(timing.name, []).append(rate)
        return {name: median(rates) for name, rates in found.items()}

    note = f"The median over rounds. {COMPARABLE}"
    return _chart(scale, "Timed alone", "images/s", values, note=note, log=True, timed=True)


def _chart(
    scale: Scale,
    title: str,
    unit: str,
    read: Callable[[LightResult], Values],
    *,
    note: str = "The mean over the seeds of each run.",
    log: bool = False,
    timed: bool = False,
) -> Markup | None:
    measured = [(run.glance, values) for run in scale.runs if (values := read(run.glance))]
    if not measured:
        return None
    chosen, one_in = thinned(measured)
    runs, of_runs = zip(*chosen, strict=True)
    names = list(dict.fromkeys(name for values in reversed(of_runs) for name in values))
    dated = {0, len(runs) - RECENT} if one_in > 1 else {0} if len(runs) > 1 else set()
    places = [
        Place(moment := moment_text(run.finished), moment[:10] if i in dated else "", values)
        for i, (run, values) in enumerate(chosen)
    ]
    if one_in > 1:
        note += f" All of the last {RECENT} runs, and one in {one_in} of the {len(measured) - RECENT} before."
    breaks = [i for i in range(1, len(runs)) if runs[i].environment.key != runs[i - 1].environment.key]
    return series_chart(
        title, names[:MOST], places, each="run", y=unit, note=note, breaks=breaks if timed else (), log=log
    )


Shown = TypeVar("Shown")


def thinned(runs: Sequence[Shown]) -> tuple[list[Shown], int]:
    """All of the last runs, and of those before them one in as many as leaves `OLDER` at most, with how many
    that is; so that a thousand nights can be read, and the newest ones one by one.
    """
    older, recent = list(runs[:-RECENT]), list(runs[-RECENT:])
    one_in = max(1, -(-len(older) // OLDER))
    return older[::-one_in][::-1] + recent, one_in


def _measured(name: str, trial: LightTrial) -> float | None:
    return trial.measurements.get(name)


def _cost(key: str, one: float, trial: LightTrial) -> float | None:
    cost = trial.cost.get(key)
    return None if cost is None else cost / one


def _means(names: Iterable[str], claim: LightClaim) -> Values:
    return _known({name: _mean(claim.values.get(name, ())) for name in names})


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _known(values: Mapping[str, float | None]) -> Values:
    return {name: value for name, value in values.items() if value is not None}

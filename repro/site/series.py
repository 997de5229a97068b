"""Lines of one quantity, with a name each, over places that follow one another: runs, or rounds of timing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from repro.site.axis import Axis, covering, label
from repro.site.element import Markup
from repro.site.plot import Plot, chart
from repro.site.tables import number, table

WIDTH, HEIGHT = 440, 270
LEFT, TOP, BOTTOM = 62, 30, 226
LETTER = 6.6  # pixels of a letter, about
LONGEST = 24  # letters that are kept free for names


class Place(NamedTuple):
    says: str  # which one it is
    tick: str  # "" for none
    values: Mapping[str, float]  # by the line's name


def series_chart(
    title: str,
    names: Sequence[str],
    places: Sequence[Place],
    *,
    each: str,
    y: str,
    note: str,
    breaks: Iterable[int] = (),
    log: bool = False,
) -> Markup:
    """`each` is what a place is, `y` the axis's title; at `breaks` a line says: not comparable."""
    values = [value for place in places for value in place.values.values()]
    room = LETTER * min(LONGEST, max(map(len, names))) + 10
    across = Axis(0.5, len(places) + 0.5, LEFT, WIDTH - room, title=f"{each}s, the last at right")
    plot = Plot(
        across, covering(values, BOTTOM, TOP, log=log, include=() if log else [0.0], title=y), WIDTH, HEIGHT
    )
    plot.grid([(i, place.tick) for i, place in enumerate(places, start=1) if place.tick])
    for i in breaks:
        plot.add("line", class_="decided", x1=across.at(i + 0.5), x2=across.at(i + 0.5), y1=TOP, y2=BOTTOM)
    for name in names:
        plot.line([(i, place.values.get(name)) for i, place in enumerate(places, start=1)], "line thin")
    plot.names(
        [(next(p.values[name] for p in reversed(places) if name in p.values), name, "name") for name in names]
    )
    for name in names:
        known = [(i, place.values[name]) for i, place in enumerate(places, start=1) if name in place.values]
        plot.dots(known, "dots")
    plot.slices([(float(i), _told(place)) for i, place in enumerate(places, start=1) if place.values])
    rows = [
        [place.says, *(number(place.values[n]) if n in place.values else "–" for n in names)]
        for place in places
    ]
    shown = table((each, *names), rows, caption=f"{title}: {y}", right=range(1, len(names) + 1))
    return chart(title, plot.svg(f"{y} of {len(names)} nets over {len(places)} {each}s"), shown, note)


def _told(place: Place) -> str:
    return f"{place.says}: " + "; ".join(
        f"{name} {label(float(f'{value:.3g}'))}" for name, value in place.values.items()
    )

"""A plot as SVG. Parts that say a value (`spot`) do so on hover and, once it has the focus, by arrow keys."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from repro.site.axis import Axis, label
from repro.site.element import Child, Markup, element

Point = tuple[float, float | None]
LINE = 13  # pixels from one label to the next


class Plot:
    """`width` by `height` in pixels of its own; shown at that size, or smaller where there is less room."""

    def __init__(self, x: Axis, y: Axis, width: int, height: int):
        self.x, self.y, self.width, self.height = x, y, width, height
        self.parts: list[Markup] = []
        self.spots: list[Markup] = []

    def grid(self, x_ticks: Sequence[tuple[float, str]] | None = None) -> None:
        """Lines across, numbers at both axes, and what they count."""
        left, right, bottom = self.x.start, self.x.end, self.y.start
        for tick in self.y.ticks(4):
            at = _px(self.y.at(tick))
            self.add("line", class_="grid", x1=left, x2=right, y1=at, y2=at)
            self.text(left - 7, self.y.at(tick) + 4, label(tick), "tick end")
        for tick, text in (
            x_ticks if x_ticks is not None else [(tick, label(tick)) for tick in self.x.ticks()]
        ):
            at = _px(self.x.at(tick))
            self.add("line", class_="grid mark", x1=at, x2=at, y1=bottom, y2=bottom + 4)
            self.text(self.x.at(tick), bottom + 17, text, "tick middle")
        self.text(left, self.y.end - 10, self.y.title, "axis")
        self.text(right, bottom + 33, self.x.title, "axis end")

    def add(self, name: str, *children: Child, **attributes: str | float | None) -> None:
        self.parts.append(element(name, *children, **attributes))

    def text(self, x: float, y: float, text: str, class_: str = "") -> None:
        self.add("text", text, x=_px(x), y=_px(y), class_=class_ or None)

    def level(self, y: float, class_: str) -> None:
        """A line across at a value."""
        at = _px(self.y.at(y))
        self.add("line", class_=class_, x1=self.x.start, x2=self.x.end, y1=at, y2=at)

    def line(self, points: Iterable[Point], class_: str) -> None:
        """With a gap where a value is None."""
        self.lines([points], class_)

    def lines(self, each: Iterable[Iterable[Point]], class_: str, id_: str | None = None) -> None:
        """As one path, which other plots of the page may use by its name."""
        path = list[str]()
        for points in each:
            pen = "M"
            for x, y in points:
                if y is None or math.isnan(y):
                    pen = "M"
                    continue
                path.append(f"{pen}{_px(self.x.at(x))},{_px(self.y.at(y))}")
                pen = "L"
        if path:
            self.add("path", id_=id_, class_=class_, d="".join(path))

    def band(self, rows: Sequence[tuple[float, float, float]], class_: str) -> None:
        """Between the lows and the highs of (x, low, high)."""
        edge = [(x, high) for x, _, high in rows] + [(x, low) for x, low, _ in reversed(rows)]
        if edge:
            self.add(
                "path",
                class_=class_,
                d="M" + "L".join(f"{_px(self.x.at(x))},{_px(self.y.at(y))}" for x, y in edge) + "Z",
            )

    def dot(self, x: float, y: float, class_: str, radius: float = 3.5) -> None:
        self.add("circle", class_=class_, cx=_px(self.x.at(x)), cy=_px(self.y.at(y)), r=_px(radius))

    def dots(self, points: Iterable[tuple[float, float]], class_: str) -> None:
        """As one path of points, which have the width of its line."""
        each = "".join(f"M{_px(self.x.at(x))},{_px(self.y.at(y))}h0" for x, y in points)
        self.add("path", class_=class_, d=each)

    def spot(self, says: str, *drawn: Markup) -> None:
        """What says a value where the pointer meets it."""
        self.spots.append(
            element("g", element("title", says), drawn, class_="spot", tabindex=-1 if self.spots else 0)
        )

    def slices(self, says: Sequence[tuple[float, str]]) -> None:
        """Spots of full height, each reaching halfway to its neighbours on the x axis."""
        places = [self.x.at(x) for x, _ in says]
        edges = [self.x.start, *((a + b) / 2 for a, b in pairwise(places)), self.x.end]
        top, bottom = self.y.end, self.y.start
        for (_, text), place, (left, right) in zip(says, places, pairwise(edges), strict=True):
            self.spot(
                text,
                element("line", class_="guide", x1=_px(place), x2=_px(place), y1=top, y2=bottom),
                element(
                    "rect",
                    class_="slice",
                    x=_px(left),
                    y=top,
                    width=_px(max(0.0, right - left)),
                    height=bottom - top,
                ),
            )

    def names(self, ends: Sequence[tuple[float, str, str]]) -> None:
        """Names of lines at the right edge, by (value, name, class), moved apart where they would overlap."""
        lowest = self.y.start
        rows = sorted(((self.y.at(value), name, class_) for value, name, class_ in ends), reverse=True)
        for i, (place, name, class_) in enumerate(rows):
            place = min(place, lowest - LINE * (i > 0))
            lowest = place
            self.text(self.x.end + 6, place + 4, name, class_)

    def svg(self, says: str) -> Markup:
        """`says` tells in a sentence what is drawn, for who cannot see it."""
        return element(
            "svg",
            self.parts,
            self.spots,
            class_="plot",
            viewBox=f"0 0 {self.width} {self.height}",
            width=self.width,
            height=self.height,
            role="group",
            aria_label=says,
        )


def circle(x: float, y: float, radius: float, class_: str) -> Markup:
    """In pixels, as a part of a spot."""
    return element("circle", class_=class_, cx=_px(x), cy=_px(y), r=_px(radius))


def chart(title: Child, plot: Markup, values: Markup | None = None, note: Child = None) -> Markup:
    """A plot under its title, with its values as a table for who wants or needs them."""
    return element(
        "figure",
        element("figcaption", title),
        plot,
        element("p", note, class_="note") if note else None,
        element("details", element("summary", "Values"), values) if values else None,
        class_="chart",
    )


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

"""The table at the end of a benchmark run: how this project compares, in ratios, with what they should be."""

import statistics
from collections.abc import Callable

import pytest

ROWS = pytest.StashKey[list[tuple[str, ...]]]()
HEADER = ("what", "median", "quartiles", "rounds", "target", "")


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Put a row into the table: a figure per round, and what the median should be at least, or at most."""

    def row(
        what: str,
        figures: list[float],
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        middle = statistics.median(figures)
        low, _, high = statistics.quantiles(figures, n=4) if len(figures) > 1 else (middle,) * 3
        target, met = "", True
        if at_least is not None:
            target, met = f"at least {at_least}{unit}", middle >= at_least
        if at_most is not None:
            target, met = f"at most {at_most}{unit}", middle <= at_most
        cells = (what, f"{middle:.2f}{unit}", f"{low:.2f} to {high:.2f}", str(len(figures)), target)
        request.config.stash.setdefault(ROWS, []).append((*cells, "" if met else "MISSED"))

    return row


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = [HEADER, *config.stash.get(ROWS, [])]
    if len(rows) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminalreporter.section("comparison (paired in turns; × is how many times faster)")
    for cells in rows:
        terminalreporter.write_line(
            "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        )

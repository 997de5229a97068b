"""The hours that a run may take, with `--hours`: which suites there is time for, and when it is over."""

import math
import time
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from repro.places import RESULTS
from repro.pytest_face.items import ClaimItem

if TYPE_CHECKING:
    from repro.errors import ReproError
    from repro.plan.rota import Rota
    from repro.pytest_face.run import Run


class Hours:
    """Workers of pytest-xdist are given turns and end, or they might collect otherwise than each other."""

    def __init__(self, run: "Run"):
        self.run = run
        self.given: dict[str, Any] = getattr(run.config, "workerinput", {})
        self.number: float | None = run.config.getoption("hours")
        self.until = self.given.get("repro_until") or time.time() + 3600 * (self.number or math.inf)
        self.late: set[str] = set()  # suites with claims that there was no time for
        self.damaged: list[ReproError] = []  # of earlier results

    @property
    def are_over(self) -> bool:
        return time.time() > self.until

    @property
    def is_planned(self) -> bool:
        """Whether it has been found out here which suites there is time for."""
        return "rota" in self.__dict__

    @property
    def left(self) -> dict[str, str]:
        """Suites that there was no time for, or not for all of, and why; known where it is planned."""
        from repro.plan import rota

        if not self.is_planned or self.number is None:
            return {}
        found = dict(self.rota.left)
        for suite in sorted(self.late):
            found |= rota.over(suite, self.number)
        return found

    @cached_property
    def rota(self) -> "Rota":
        """Which suites there is time for, of all that are named. Earlier results that cannot be read end
        nothing: they are told.
        """
        from repro.plan import rota
        from repro.reading import load_all
        from repro.suite_files import suite_files

        assert self.number is not None
        options, session = self.run.options, self.run.session()
        asked = [
            (suite, options.names(suite))
            for suite in load_all(suite_files(self.run.named)).values()
            if options.profile in suite.profiles
        ]
        at_once = options.at_once(session.experiment(suite).device for suite, _ in asked)
        folder = self.run.config.getoption("earlier") or self.run.root / RESULTS
        past = rota.earlier(folder, self.damaged.append)
        return rota.rota(session.due(asked, past, at_once), self.number)

    def for_worker(self) -> dict[str, Any]:
        """What a worker is given."""
        return {"repro_turns": [*self.rota.turns], "repro_until": self.until} if self.number else {}

    def arrange(self, items: list[pytest.Item]) -> None:
        """Suites in their turn, without those that there is no time for."""
        claims = [item for item in items if isinstance(item, ClaimItem)]
        if not self.number or not claims:
            return
        given: Iterable[str] | None = self.given.get("repro_turns")
        turns = {suite: i for i, suite in enumerate(given if given is not None else self.rota.turns)}
        left = [item for item in claims if item.suite.suite not in turns]
        self.run.config.hook.pytest_deselected(items=left)
        kept = sorted(
            (item for item in claims if item.suite.suite in turns), key=lambda item: turns[item.suite.suite]
        )
        items[:] = [*kept, *(item for item in items if not isinstance(item, ClaimItem))]

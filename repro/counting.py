"""A count of an architecture, as a job. Imports no torch."""

from typing import Any, ClassVar

from repro.job import Job, Needs, written
from repro.recipe import Named


class Counting(Job):
    """A count of an architecture."""

    kind: ClassVar[str] = "numbers"

    measure: str
    options: dict[str, Any]
    model: Named
    data: Named | None  # for the numbers of channels and classes

    @property
    def label(self) -> str:
        return f"{written(self.model)}, {self.measure}"

    @property
    def needs(self) -> Needs:
        return Needs(places=0)

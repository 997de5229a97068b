"""What plans have found out before, remembered in the store: it takes minutes for all suites, and stays true.

.repro/plans/<digest>.json   by what was asked; the name is that of the code that finds it out
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from repro.job import code_of, digest
from repro.store import Key, Store, StoreError

FINDS = "repro.plan.arms:asked"
MOST = 5000  # figures that are remembered, those that were asked for last


class Known:
    """Figures by what they are of. Those that are new are remembered by `keep`."""

    def __init__(self, store: Store):
        self.store, self.key = store, Key("plans", digest(code_of(FINDS)))
        self._known: dict[str, Any] = self._remembered()
        self._is_new = False

    def get(self, question: Mapping[str, Any], find: Callable[[], Any]) -> Any:
        """What was found before, or is now: plain data."""
        key = digest(question)
        if key in self._known:
            self._known[key] = self._known.pop(key)  # behind those that are asked for less
        else:
            self._known[key], self._is_new = find(), True
        return self._known[key]

    def keep(self) -> None:
        """A store that cannot be written to ends no plan."""
        if self._is_new:
            last = dict([*self._known.items()][-MOST:])
            self._is_new = False
            with suppress(StoreError):
                self.store.write(self.key, {"known": last})

    def _remembered(self) -> dict[str, Any]:
        try:
            record = self.store.read(self.key)
        except StoreError:  # it is torn, or another has written it
            return {}
        return dict(record["known"]) if record else {}

"""What a process says of where it stands, for whoever looks on."""

import os
import secrets
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from repro.store import Store, StoreError


class Status:
    """Shown from its first word until it is closed, or its process dies."""

    def __init__(self, store: Store):
        self.store, self.name = store, f"process-{os.getpid()}-{secrets.token_hex(4)}"
        self._held = ExitStack()
        self._speaks = False

    def tell(self, progress: Mapping[str, Any]) -> None:
        if not self._speaks:
            with suppress(StoreError):  # a full or read-only disk
                self._speaks = self._held.enter_context(self.store.hold(self.name))
        if self._speaks:
            self.store.tell(self.name, progress)

    def close(self) -> None:
        if self._speaks:
            self.store.tell(self.name, {})
            self._held.close()
            self._speaks = False

"""The ledger: what papers claim, each with an id that suites refer to. It stands beside the suites."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from repro.errors import ReproError

LEDGER = "ledger.json"


@cache
def read_ledger(path: Path) -> Mapping[str, Any]:
    """Its entries, by id. Raises `ReproError`, naming the file, if it is not one."""
    try:
        return {entry["id"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReproError(f"{path}: not a ledger: {error}") from None

"""Which release of the harness this is, installed or run from its sources. Imports no torch."""

import tomllib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

UNKNOWN = "unknown"


def version(beside: Path = Path(__file__).parents[1]) -> str:
    """Of the installed package; of sources that are not, what pyproject.toml beside them says."""
    try:
        return installed("repro")
    except PackageNotFoundError:
        return _written(beside / "pyproject.toml")


def _written(file: Path) -> str:
    try:
        project = tomllib.loads(file.read_text())["project"]
        return str(project["version"]) if project["name"] == "repro" else UNKNOWN
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return UNKNOWN

"""Where results lie in a project's folder: what runs write, and what is kept under version control."""

from pathlib import Path

RESULTS = Path("results")
RUNS = RESULTS / "runs"
KEPT = RESULTS / "kept"

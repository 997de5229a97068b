"""The command `repro`. It holds no logic: each command reads its options, calls what does the work, and ends
with a code.
"""

from repro.cli import nightly, plan, results, store, suites
from repro.cli.group import main

__all__ = ["main", "nightly", "plan", "results", "store", "suites"]

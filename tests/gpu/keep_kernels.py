"""Writes kernels.md anew, from the null GPU: `python tests/gpu/keep_kernels.py`."""

import sys
import tempfile
from pathlib import Path

from kernels import TABLE, as_text, measured
from null_gpu import lacking

if __name__ == "__main__":
    if why := lacking():
        sys.exit(why)
    with tempfile.TemporaryDirectory() as folder:
        TABLE.write_text(as_text(measured(Path(folder))))

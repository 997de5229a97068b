"""What a step of each arm costs the host and the GPU, measured and kept."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from null_gpu import GIB, HERE, ROOT, Gpus, build

TABLE = HERE / "kernels.md"
COLUMNS = ("kernels", "to_device", "to_host", "waits")
ROW = re.compile(r"^\| (\S+ \S+ \S+) \| (\S+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)

Costs = dict[str, dict[str, Any]]  # by suite, scale and arm


def release() -> str:
    """Of torch, whose operators are other kernels in another one."""
    return torch.__version__.partition("+")[0]


def measured(folder: Path) -> Costs:
    """On the GPU that is here, or else on one that computes nothing."""
    if torch.cuda.is_available():
        path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
        command = [sys.executable, str(HERE / "arms.py")]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    else:
        done = Gpus(folder, build(folder), 1, 80 * GIB).python(HERE / "arms.py")
    assert done.returncode == 0, done.stderr
    found: Costs = json.loads(done.stdout)
    return found


def as_text(costs: Costs) -> str:
    """The table."""
    head = f"""# A step of every arm on a GPU

Kernels, copies to the GPU and to the host, and waits for it, in one step of the training loop, of torch
{release()} on the GPU of `null/`, where a convolution, its bias, a gradient and a product are a kernel each.
Arms whose steps have the same operators stand here once. Made by `python tests/gpu/keep_kernels.py`;
`test_arms_on_gpu.py` holds steps to it.

| suite, scale, arm | precision | kernels | to the GPU | to the host | waits |
| --- | --- | --- | --- | --- | --- |
"""
    rows = [
        " | ".join(map(str, (name, row["precision"], *(row[what] for what in COLUMNS))))
        for name, row in costs.items()
    ]
    return head + "".join(f"| {row} |\n" for row in rows)


def kept() -> Costs:
    """What the table says."""
    return {
        name: {"precision": precision, **dict(zip(COLUMNS, map(int, counts), strict=True))}
        for name, precision, *counts in ROW.findall(TABLE.read_text())
    }


def kept_with() -> str:
    """The release of torch that the table was made with."""
    found = re.search(r"torch\s+(\d+\.\d+\.\d+)", TABLE.read_text())
    assert found is not None
    return found[1]

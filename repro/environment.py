"""What a result says of where it was made: no host and no user name. Imports no torch."""

import os
import platform
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Annotated, NotRequired

from pydantic import ConfigDict, PositiveInt, StringConstraints, with_config
from typing_extensions import TypedDict

from repro.release import version

Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]


@with_config(ConfigDict(extra="forbid", strict=True))
class Conditions(TypedDict):
    """What must be equal for timings to be compared."""

    device: str
    driver: str | None
    torch: str
    precision: str
    per_gpu: NotRequired[PositiveInt]  # trials that shared a GPU, where several did


def device_of(where: Conditions) -> str:
    """A device, and how many trials shared it."""
    return where["device"] + (f" shared by {where['per_gpu']} trials" if "per_gpu" in where else "")


@with_config(ConfigDict(extra="forbid", strict=True))
class Facts(TypedDict):
    """Free facts: they do not decide whether two results can be compared."""

    repro: str
    commit: Commit | None
    dirty: bool | None
    python: str
    system: str
    cpu: str
    cores: PositiveInt | None


REGISTER = ":(exclude,glob)**/results/register.jsonl"  # for git


@cache
def cpu_name() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


@cache
def gpu_names() -> tuple[str, ...]:
    """The models of the NVIDIA GPUs, as their driver for Linux lists them."""
    listed = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    found = (re.search(r"^Model:\s*(.+)$", path.read_text(), re.MULTILINE) for path in listed)
    return tuple(match[1].strip() for match in found if match)


def machine(device: str) -> tuple[str, ...]:
    """This machine, as far as timings go: the CPU, and the GPUs if they are what is timed."""
    return (cpu_name(), *(gpu_names() if device == "cuda" else ()))


def facts(folder: Path) -> Facts:
    """Of the code in a folder, and of this machine."""
    found = commit(folder)
    # What is appended to the register by a run is no change of its code.
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", REGISTER)
    return {
        "repro": version(),
        "commit": found,
        "dirty": bool(changed) if found else None,
        "python": platform.python_version(),
        "system": platform.system(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
    }


@cache
def commit(folder: Path) -> str | None:
    """The commit of the code in a folder; None if it is under no version control."""
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

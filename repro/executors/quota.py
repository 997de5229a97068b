"""How many cores and how much memory a container, or a job of a cluster, may use: Linux's control groups.

Both versions are asked, wherever they are mounted, and with a process's own group those around it: of all
quotas the smallest counts. What stands in the files is said in proc(5), cgroups(7) and, in Linux's own
documentation, cgroup-v2 and sched-bwc.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import psutil

PROCESS = Path("/proc/self")


def quota(process: Path = PROCESS) -> float:
    """Cores whose time may be used; infinite without a quota, and where there is no Linux."""
    return _least(process, "cpu", _quota)


def memory(process: Path = PROCESS) -> int:
    """Bytes that may be used: the machine's, or the limit of a control group that is below it."""
    return int(min(psutil.virtual_memory().total, _least(process, "memory", _limit)))


def _least(process: Path, controller: str, read: Callable[[Path], float]) -> float:
    with suppress(OSError, ValueError):
        mounts = (process / "mountinfo").read_text().splitlines()
        groups = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
        folders = [folder for mount in mounts for folder in _folders(mount, groups, controller)]
        return min(map(read, folders), default=math.inf)
    return math.inf


def _folders(mount: str, groups: list[list[str]], controller: str) -> Iterator[Path]:
    """A process's own group and those around it, if such are mounted there."""
    about, _, of_system = mount.partition(" - ")
    root, point = about.split()[3:5]
    kind, *_, options = of_system.split()
    for _, controllers, path in groups:
        version_2 = kind == "cgroup2" and not controllers
        version_1 = kind == "cgroup" and all(controller in of.split(",") for of in (controllers, options))
        if version_1 or version_2:
            below = PurePosixPath(path)
            inner = below.relative_to(root) if below.is_relative_to(root) else PurePosixPath()
            yield from (Path(point) / outer for outer in (inner, *inner.parents))


def _quota(folder: Path) -> float:
    """That of one group."""
    with suppress(OSError, ValueError, ZeroDivisionError):  # without a quota: "max", or -1
        if (folder / "cpu.max").exists():
            used, period = (folder / "cpu.max").read_text().split()
        else:
            used, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if int(used) > 0:
            return int(used) / int(period)
    return math.inf


def _limit(folder: Path) -> float:
    """The memory of one group."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # without a limit: "max", or more than any machine has
            return int((folder / name).read_text())
    return math.inf

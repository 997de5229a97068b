"""Where trials run."""

from typing import Any

EXECUTORS = ("local", "ray")
SHARES = 16  # of a GPU, at most: as many trials can be on it at once


def executor(name: str = "local", jobs: int | None = None, per_gpu: int = 1) -> Any:
    """The executor of a name, for `jobs` trials at once (local: as many as cores, if not given), and so many
    on a GPU.
    """
    if name == "ray":
        from repro.executors.ray import Ray

        return Ray(per_gpu=per_gpu)
    from repro.executors.local import local

    return local(jobs, per_gpu)

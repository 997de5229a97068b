"""Where trials run."""

from typing import Any

EXECUTORS = ("local", "ray")


def executor(name: str = "local", jobs: int | None = None) -> Any:
    """The executor of a name, for `jobs` trials at once (local: as many as cores, if not given)."""
    if name == "ray":
        from repro.executors.ray import Ray

        return Ray()
    from repro.executors.local import local

    return local(jobs)

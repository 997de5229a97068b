"""A test harness for the claims of the papers that made computer vision.

    import repro

    results = repro.run("suites/classification/resnet_degradation.yaml", profile="cpu")
    results[0].claims["degradation"].verdict

`run` decides the claims of suites. `load` reads one suite, and `check` finds the mistakes in some; `read`
reads a result, and `decide` says what paired differences are evidence of. What a user can mend is raised
as `ReproError`. Importing this imports no torch.
"""

from typing import TYPE_CHECKING, Any

from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.api import check, decide, load, read, run

    __version__: str

__all__ = ["ReproError", "__version__", "check", "decide", "load", "read", "run"]


def __getattr__(name: str) -> Any:
    """What is asked for is imported then: a command starts as fast as before."""
    if name == "__version__":
        from repro.release import version

        return version()
    if name in __all__:
        from repro import api

        return getattr(api, name)
    raise AttributeError(f"module 'repro' has no attribute '{name}'")

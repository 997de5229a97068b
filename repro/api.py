"""The harness from Python: `repro.run("suites/…yaml")` decides claims and gives their results."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from repro import checking, result
from repro.document import DocumentError
from repro.errors import ReproError
from repro.evidence import decide
from repro.executors import executor
from repro.format import table
from repro.outcome import Decided
from repro.result import RIGHT, ClaimResult, Result, verdict_rows
from repro.runner import Runner
from repro.session import Session
from repro.store import Store, home
from repro.suite import Device, Suite
from repro.suite_files import suite_files
from repro.tuning import PILOT

__all__ = ["Results", "check", "decide", "load", "read", "run"]


def check(suites: str | Path | Iterable[str | Path]) -> list[str]:
    """Everything that is wrong with suites (files or folders), a `FILE:LINE:COL: message` each."""
    found = checking.check_all(_paths(suites))
    return [str(DocumentError([problem])) for problem in found.problems]


def load(suite: str | Path) -> Suite:
    """Read a suite's file. Raises `DocumentError` with all that is wrong with it."""
    return checking.load(Path(suite))


def read(path: str | Path) -> Result:
    """Read a result's JSON file. Raises `ReproError` if it is none."""
    return result.read(Path(path))


class NothingRan(ReproError):
    """No claim was asked."""


class Results(list[Result]):
    """Results, shown as a table of their claims in a notebook."""

    def _repr_html_(self) -> str:
        return "".join(result._repr_html_() for result in self)

    def __str__(self) -> str:
        claims = {f"{result.suite}: {name}": result.claims[name] for result in self for name in result.claims}
        return table(verdict_rows(claims), right=RIGHT)


def run(
    suites: str | Path | Iterable[str | Path],
    profile: str = "cpu",
    *,
    only: str | None = None,
    device: Device | None = None,
    seeds_max: int | None = None,
    first_seed: int = 0,
    pilot: bool = False,
    fresh: bool = False,
    jobs: int | None = None,
    where: Literal["local", "ray"] = "local",
    results: str | Path | None = None,
    decided: Callable[[Path, str, ClaimResult], None] = lambda *_: None,
    kept: Callable[[Path], None] = lambda _: None,
) -> Results:
    """Decide the claims of suites (files or folders) at a profile, and give a result for each suite.

    `only` claims whose name contains the text; `pilot` uses seeds from 1000 up, which never judge; `fresh`
    trains everything again; `jobs` are the trials at once, as many as cores if not given. With `results`, a
    folder, each result is written there with its pictures. `decided` hears of each claim, `kept` of each
    file.

    Raises `DocumentError` for suites with mistakes, `NothingRan` where no claim is asked, and `ReproError`
    where something is missing.
    """
    loaded = [(path, load(path)) for path in suite_files(_paths(suites))]
    asked = [(path, suite, _names(suite, profile, only)) for path, suite in loaded]
    if not any(names for _, _, names in asked):
        known = sorted({name for _, suite in loaded for name in suite.profiles})
        like = f" like {only!r}" if only else ""
        raise NothingRan(
            f"nothing to run: no claim{like} at profile '{profile}' (profiles: {', '.join(known)})"
        )
    store = Store(home()).anew() if fresh else Store(home())
    session = Session(
        Runner(store, executor(where, jobs)),
        profile,
        device=device,
        seeds_max=seeds_max,
        first_seed=PILOT if pilot else first_seed,
    )
    found = Results()
    try:
        for path, suite, names in asked:
            claims = dict[str, Decided]()
            for name in names:
                claims[name] = session.decide(suite, name)
                decided(path, name, claims[name].claim)
            if claims:
                folder = None if pilot or results is None else Path(results)
                made = session.keep(suite, str(path), claims, Path.cwd(), folder)
                found.append(made)
                if folder is not None:
                    kept(folder / made.path)
    finally:
        session.close()
    return found


def _paths(given: str | Path | Iterable[str | Path]) -> list[Path]:
    return [Path(given)] if isinstance(given, str | Path) else [Path(path) for path in given]


def _names(suite: Suite, profile: str, only: str | None) -> list[str]:
    return [name for name, _ in suite.claims_at(profile) if only is None or only in name]

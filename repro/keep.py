"""Keep results under version control: what runs wrote, in the place of what was kept of the same claims."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from repro.archive import (
    Damaged,
    Key,
    RunKey,
    Standing,
    files,
    find,
    judges,
    last_seed,
    raised,
    read_all,
    run_key,
    standings,
)
from repro.errors import ReproError
from repro.format import printable
from repro.result import Result
from repro.store import write_atomically
from repro.suite import PILOT

Found = Mapping[Path, Result]


class NothingToKeep(ReproError):
    """No suite was run completely, and no result was named."""


def keep(
    names: Sequence[str], runs: Path, kept: Path, *, dirty: bool = False, damaged: Damaged = raised
) -> list[str]:
    """Copy results, with the folders beside them, to `<kept>/<suite>/<profile>/`, and remove there what no
    claim stands on any more. Gives what was done, a line each.

    `names` are looked up below `runs`; without any it is what stands of each suite that was run completely.
    What is no result there is left out where that is `damaged`; none may be among what is kept. Raises
    `ReproError`, before anything is touched, where results do not count: of a commit with changes (unless
    `dirty`), of pilots, of some claims of a suite of which nothing complete is kept, and those named that are
    older than what is kept. Raises `NothingToKeep` where there are none.
    """
    chosen = _named(names, runs, damaged) if names else _complete(runs, damaged)
    held = read_all(files(kept))
    keys = {(result.suite, result.profile) for result in chosen.values()}
    after = standings([*held.values(), *chosen.values()])
    after = {key: standing for key, standing in after.items() if key in keys}
    used = _used(after)
    older = [path for path, result in chosen.items() if run_key(result) not in used]
    refused = [f"{path}: {why}" for path, result in chosen.items() for why in _refusals(result, dirty)]
    refused += [
        f"{suite} ({profile}): only some of its claims, and nothing complete of it is kept"
        for (suite, profile), standing in after.items()
        if not standing.complete
    ]
    if names:
        refused += [f"{path}: older than what is kept" for path in older]
    if refused:
        raise ReproError("\n".join(map(printable, refused)))
    if not chosen:
        where = f"no result in {', '.join(names)}" if names else f"no suite was run completely below {runs}"
        raise NothingToKeep(f"nothing to keep: {where}")
    return [
        *(f"not kept, older than what is: {path}" for path in older),
        *_add({path: result for path, result in chosen.items() if path not in older}, held, kept),
        *_remove(
            {path: result for path, result in held.items() if (result.suite, result.profile) in keys}, used
        ),
    ]


def _named(names: Iterable[str], runs: Path, damaged: Damaged) -> dict[Path, Result]:
    found: dict[Path, Result] = {}
    for name in names:
        found |= find(name, runs, damaged)
    return found


def _complete(runs: Path, damaged: Damaged) -> dict[Path, Result]:
    found = read_all(files(runs), damaged)
    complete = {key: standing for key, standing in standings(found.values()).items() if standing.complete}
    used = _used(complete)
    return {path: result for path, result in found.items() if run_key(result) in used}


def _used(standing: Mapping[Key, Standing]) -> set[RunKey]:
    """The runs that claims stand on."""
    return {run_key(result) for each in standing.values() for result in each.results}


def _refusals(result: Result, dirty: bool) -> Iterable[str]:
    """Why a result does not count."""
    commit = result.commit
    if not dirty and not commit:
        yield "made by no commit; --dirty keeps it all the same"
    elif not dirty and commit and result.environment.facts["dirty"]:
        yield f"made by commit {commit[:10]} with uncommitted changes; delete it, or keep it with --dirty"
    if not judges(result):
        yield f"rests on seed {last_seed(result)}; those from {PILOT} up judge nothing"


def _add(chosen: Found, held: Found, kept: Path) -> Iterable[str]:
    known = {run_key(result) for result in held.values()}
    for path, result in chosen.items():
        if run_key(result) in known:
            yield f"kept already: {path}"
            continue
        target = kept / result.suite / result.profile / f"{result.id}.json"
        beside = path.parent / result.id
        if beside.is_dir():
            shutil.copytree(beside, target.with_suffix(""), dirs_exist_ok=True)
        write_atomically(target, path.read_bytes(), remedy="")
        yield f"kept: {target} ({len(result.claims)} claims, {len(result.pictures)} pictures)"


def _remove(held: Found, used: set[RunKey]) -> Iterable[str]:
    for path, result in held.items():
        if run_key(result) not in used:
            shutil.rmtree(path.parent / result.id, ignore_errors=True)
            path.unlink()
            yield f"removed, no claim stands on it any more: {path}"

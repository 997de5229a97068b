"""Old and new code side by side, in turns: the second of the two steps to an alarm.

Each turn runs both once, in an order drawn at random, each in a process and with a store of its own, on the
same fresh seeds: so rounds of timing are taken anew, too. If the code makes no difference the sign of a
turn's difference is a fair coin, whatever the noise and however the machine drifts from turn to turn: the
test is exact. What 12, 16 and 20 turns confirm, in percent of 300 simulations, both sides with noise:

    slower by 5 % at a noise of 2 %             97 100 100   (as one of ten suspects   0  94  99)
    an error worse by 1 sd, 1 seed a turn       14  31  46                          (  0   6  14)
    the same, 5 seeds a turn                    87  99 100                          (  0  85  98)
"""

import math
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from repro.archive import load
from repro.errors import ReproError
from repro.nightly.changes import Floats, holm, sign_flips
from repro.nightly.compare import Base
from repro.nightly.history import EPOCH
from repro.nightly.measured import COSTS, measured, sign
from repro.nightly.watch import Suspect
from repro.result import Result

Turn = tuple[Sequence[Result], Sequence[Result]]  # of base and of new

LEVEL = 0.05 / EPOCH  # of one confirmation
FIRST_SEED = 2000  # fresh ones: neither those that judge (from 0) nor those of pilots (from 1000)


class Decision(Base):
    """What turns side by side say of one measurement. The difference of a cost is a share of the base."""

    suite: str
    profile: str
    arm: str
    quantity: str
    way: Literal["worse", "better"]
    turns: int
    difference: float | None
    p: float = Field(description="exact, one-sided, after Holm's correction for all suspects")
    confirmed: bool


def decide(suspects: Sequence[Suspect], turns: Sequence[Turn]) -> list[Decision]:
    """Of turns that ran the base and the new code once each, on the same seeds. A turn is the unit: either
    side is a process.

    Raises `ReproError` if a turn did not measure a suspect.
    """
    rng, drafts = np.random.default_rng(0), list[tuple[Suspect, Floats, float]]()
    for suspect in suspects:
        base, new = np.array([[_mean(side, suspect) for side in turn] for turn in turns]).T
        with np.errstate(invalid="ignore"):
            rises = np.where(base == new, 0.0, new - base)
        worse = sign(_of(turns[0][1], suspect)[0], suspect.quantity) * rises
        drafts.append((suspect, rises, sign_flips(worse if suspect.way == "worse" else -worse, rng)))
    adjusted = holm([p for _, _, p in drafts])
    settled = zip(drafts, adjusted, strict=True)
    return [_decision(suspect, rises, p) for (suspect, rises, _), p in settled]


def _of(results: Sequence[Result], suspect: Suspect) -> list[Result]:
    """Those of its suite at its profile. Raises `ReproError` if there are none."""
    found = [
        result for result in results if (result.suite, result.profile) == (suspect.suite, suspect.profile)
    ]
    if not found:
        raise ReproError(f"a turn did not run {suspect.suite} ({suspect.profile})")
    return found


def _mean(results: Sequence[Result], suspect: Suspect) -> float:
    values = [
        one.quantities[suspect.quantity]
        for result in _of(results, suspect)
        for one in measured(result)
        if one.name == suspect.arm and not math.isnan(one.quantities.get(suspect.quantity, math.nan))
    ]
    if not values:
        raise ReproError(
            f"a turn did not measure {suspect.quantity}({suspect.arm}) of {suspect.suite} ({suspect.profile})"
        )
    return sum(values) / len(values)


def _decision(suspect: Suspect, rises: Floats, p: float) -> Decision:
    mean = float(rises.mean())
    share = math.expm1(mean) if suspect.quantity in COSTS else mean
    return Decision(
        suite=suspect.suite,
        profile=suspect.profile,
        arm=suspect.arm,
        quantity=suspect.quantity,
        way=suspect.way,
        turns=rises.size,
        difference=share if math.isfinite(mean) else None,
        p=p,
        confirmed=p <= LEVEL,
    )


def fewest_turns(suspects: int) -> int:
    """Fewer could not confirm even the clearest of so many suspects."""
    return math.ceil(math.log2(suspects / LEVEL))


def take_turns(
    commands: tuple[str, str],
    files: Mapping[str, Path],
    suspects: Sequence[Suspect],
    turns: int,
    seeds: int,
    folder: Path,
    rng: np.random.Generator,
    say: Callable[[str], None],
) -> list[Turn]:
    """Run the suites of the suspects. `commands` are the `repro` of two installations, base and new; `files`
    are by suite.

    Raises `ReproError` if a run fails: what cannot be run is no regression.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ReproError(
            f"{folder}: not empty: results of other runs would be taken for those of these turns"
        )
    wanted = sorted({(suspect.profile, suspect.suite) for suspect in suspects})
    unknown = {suite for _, suite in wanted} - files.keys()
    if unknown:
        raise ReproError(f"no file of suite {', '.join(sorted(unknown))} among those given")
    taken = list[Turn]()
    for turn in range(turns):
        sides: dict[int, list[Result]] = {}
        for side in rng.permutation(2).tolist():
            say(f"turn {turn + 1} of {turns}: {commands[side]}")
            place = folder / f"{turn:03}" / ("base", "new")[side]
            for profile, suite in wanted:
                _run(
                    [commands[side], "run", str(files[suite]), "--profile", profile],
                    FIRST_SEED + turn * seeds,
                    seeds,
                    place,
                )
            sides[side] = load(str(place / "results"), folder)
        taken.append((sides[0], sides[1]))
    return taken


def _run(command: Sequence[str], first_seed: int, seeds: int, place: Path) -> None:
    """Exit code 1 is fine: some claim is not as expected, which so few seeds cannot show. Raises `ReproError`
    on others.
    """
    store = place / "store"
    options = ["--first-seed", first_seed, "--seeds-max", seeds, "--jobs", 1, "--results", place / "results"]
    arguments = [*command, *map(str, options)]
    environment = {**os.environ, "REPRO_HOME": str(store)}
    try:
        ended = subprocess.run(
            arguments, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise ReproError(f"{command[0]}: cannot be run: {error.strerror}") from None
    finally:
        shutil.rmtree(store, ignore_errors=True)
    if ended.returncode not in (0, 1) or not (place / "results").is_dir():
        raise ReproError(
            f"{shlex.join(arguments)}: ended with {ended.returncode}: {ended.stderr.strip()[-500:]}"
        )

"""The register: every formulation of every claim that judging seeds have been shown, in their order.

Who words a claim anew after its verdict, and judges it on the same seeds, chooses among chances. That is
allowed, and it is told: `results/register.jsonl` has a line for each formulation, appended with its first
verdict, and another when it is shown further seeds. A formulation is what is judged: the expectation, the
level, the task, and the arms with nothing left open. One that differs from an earlier one in its thresholds
alone, numbers that are added or that something is multiplied with, is told apart. Where it is one number that
moves that is harmless: higher margins never lose a verdict, so that a claim that is false at one threshold is
reproduced at that one or at bolder ones with probability alpha at most, however many are tried.

A claim is known by its suite, profile and name. One that gets another name, and is the same in all else,
keeps its history; one that is renamed and worded anew at once begins a new one.
"""

import json
import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from repro.errors import ReproError
from repro.evidence import Verdict
from repro.expectation import Expectation
from repro.expression import Expression, Measurement, Number, evaluate
from repro.job import digest
from repro.lock import hold
from repro.result import ArmResult, Formulation, Moment
from repro.store import write_atomically
from repro.suite import PILOT, Name

MOMENT = 0.01  # seconds between two tries to hold the register
AGAIN = "No verdict is given that does not stand there. What is trained is kept: mend this, and run again"
RESTORE = "version control has the file as it was"


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def _can_judge(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len({*seeds}) < len(seeds):
        raise ValueError("a seed is there twice")
    if max(seeds) >= PILOT:
        raise ValueError(f"seeds from {PILOT} up are of pilots, and never judge")
    return seeds


class Entry(BaseModel):
    """A formulation of a claim, with its first verdict over these seeds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    suite: Name
    profile: Name
    claim: Name
    expect: Annotated[str, Field(min_length=1)]
    formulation: Digest
    apart_from_thresholds: Digest
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1), AfterValidator(_can_judge)]
    verdict: Verdict
    at: Moment
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")] | None

    @property
    def subject(self) -> tuple[str, str, str]:
        return self.suite, self.profile, self.claim


class Register:
    """The file of a project. Several processes may note verdicts at once. Raises `ReproError`, with the
    remedy, where it cannot be read or written.
    """

    def __init__(self, path: Path):
        self.path = path

    def entries(self) -> list[Entry]:
        """In their order; none if there is no file."""
        try:
            lines = self.path.read_text(encoding="utf-8-sig").split("\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ReproError(f"{self.path}: cannot be read ({error.strerror}). {AGAIN}") from None
        except UnicodeDecodeError:
            raise ReproError(f"{self.path}: not UTF-8 text; {RESTORE}") from None
        return [self._entry(number, line) for number, line in enumerate(lines, start=1) if line.strip()]

    def note(self, entry: Entry) -> None:
        """Append one whose formulation has not judged all of these seeds yet."""
        if _is_known(entry, self.entries()):
            return  # nothing need be writable for that
        with self._held() as there:
            entries = self.entries()
            if not _is_known(entry, entries):
                entries.append(entry)
            lines = [json.dumps(one.model_dump(mode="json")) for one in entries]
            write_atomically(there, "".join(f"{line}\n" for line in lines).encode(), AGAIN)

    def formulation(self, of: Entry) -> Formulation:
        """Which formulation of its claim on its seeds one is that has been noted."""
        entries = self.entries()
        names = _names(of, entries)
        earlier = [entry for entry in entries if entry.subject in names and {*entry.seeds} & {*of.seeds}]
        kinds = list(dict.fromkeys(entry.apart_from_thresholds for entry in (*earlier, of)))
        same = [entry for entry in earlier if entry.apart_from_thresholds == of.apart_from_thresholds]
        moved = list(dict.fromkeys(entry.formulation for entry in (*same, of)))
        return Formulation(
            digest=of.formulation,
            number=kinds.index(of.apart_from_thresholds) + 1,
            thresholds=moved.index(of.formulation) + 1,
        )

    @contextmanager
    def _held(self) -> Iterator[Path]:
        """The file itself, where a link leads to: it is written, and its lock is beside it, so that a link
        stays one, and all that lead there wait for each other.
        """
        there = self.path.resolve()
        lock = there.with_name(f".{there.name}.lock")
        with ExitStack() as held:
            try:
                there.parent.mkdir(parents=True, exist_ok=True)
                while not held.enter_context(hold(lock, "the register")):
                    time.sleep(MOMENT)
            except OSError as error:
                raise ReproError(f"{self.path}: cannot be written ({error.strerror}). {AGAIN}") from None
            yield there

    def _entry(self, number: int, line: str) -> Entry:
        try:
            return _parsed(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ReproError(
                f"{self.path}:{number}: no entry of a register: {first['msg']}; mend the line; {RESTORE}"
            ) from None


@lru_cache(2**14)
def _parsed(line: str) -> Entry:
    """Claim after claim looks at all lines."""
    return Entry.model_validate_json(line)


def formulate(
    expectation: Expectation,
    alpha: float,
    task: str | None,
    arms: Mapping[str, ArmResult],
    timing: Mapping[str, Any],
) -> dict[str, str]:
    """What names a formulation, with its thresholds and apart from them: fields of an entry. `arms` are those
    that the claim uses, `timing` is how what it times is timed.
    """
    judged = {
        "alpha": alpha,
        "task": task,
        "arms": {name: arm.model_dump(mode="json") for name, arm in arms.items()},
        "timing": dict(timing),
    }
    links = [str(link) for link in expectation.links]
    bare = [
        [link.relation.rstrip("="), *map(_apart_from_numbers, link.expressions)] for link in expectation.links
    ]
    return {
        "expect": " and ".join(links),
        "formulation": digest({**judged, "expect": links}),
        "apart_from_thresholds": digest({**judged, "expect": bare}),
    }


def _apart_from_numbers(expression: Expression) -> str | None:
    """What is left of an expression without its numbers, as `1.25 * b + 0.1` without them is `b`. None if
    nothing is; what turns it round (`1 - b`, `-2 * b`, `1 / b`) stays.
    """
    if isinstance(expression, Number):
        return None
    if isinstance(expression, Measurement):
        return str(expression)
    name, operands = expression.name, expression.operands
    bare = [_apart_from_numbers(operand) for operand in operands]
    known = [one for one in bare if one is not None]
    if len(known) != 1 or len(bare) != 2 or name not in ("+", "-", "*", "/"):
        return f"{name}({', '.join(known)})" if known else None
    number = evaluate(operands[bare.index(None)], lambda _: math.nan)
    is_first = bare[0] is None
    whole = f"/({known[0]})" if name == "/" and is_first else known[0]
    turned = is_first if name == "-" else number <= 0 if name in ("*", "/") else False
    return f"-({whole})" if turned else whole


def _is_known(entry: Entry, entries: Iterable[Entry]) -> bool:
    """Whether the formulation has judged all these seeds before."""
    same = [one for one in entries if (one.subject, one.formulation) == (entry.subject, entry.formulation)]
    return {*entry.seeds} <= {seed for one in same for seed in one.seeds}


def _names(of: Entry, entries: Collection[Entry]) -> set[tuple[str, str, str]]:
    """The claim by all names that it has had: one under another name that was once the same is this one."""
    names, before = {of.subject}, 0
    while len(names) > before:
        before = len(names)
        said = {one.formulation for one in entries if one.subject in names}
        names |= {one.subject for one in entries if one.formulation in said}
    return names

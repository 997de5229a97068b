"""Which commit did it: bisecting the commits between a good and a bad one by what a suite measures.

Each commit is checked out in a worktree of its own and run with this environment's Python and packages, the
worktree's code first on the path: nothing is installed, and the folder that one works in is not touched. Each
has a store of its own, so that all is trained by the commit's code. Its result is compared with that of the
good commit, on metrics alone. A commit that cannot be run is skipped. Git says which commit is next.
"""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from repro.archive import load
from repro.errors import ReproError
from repro.nightly.compare import Comparison, compare
from repro.nightly.measurements import Kind
from repro.result import Result

COMMAND = "from repro.cli import main; main(prog_name='repro')"
ENDED = (0, 1)  # of a run that leaves a result: 1 if a claim is not as expected

LookedFor = Literal["worse", "better", "changed"]
KINDS: Mapping[LookedFor, tuple[Kind, ...]] = {
    "worse": ("worse", "different", "lost"),
    "better": ("better", "different", "found"),
    "changed": ("changed", "untested", "worse", "better", "different", "lost", "found"),
}


class NothingFound(ReproError):
    """The commits do not tell: the bad one is no worse, or those that are left cannot be run."""


class CannotRun(ReproError):
    """A commit left no result that can be read."""


@dataclass(frozen=True)
class Bisection:
    """What is asked at each commit: `options` of `repro run` for the suite, a path in the repository; and
    which change makes a commit bad.
    """

    repository: Path
    suite: str
    options: Sequence[str]
    look_for: LookedFor
    say: Callable[[str], None]

    def first_bad(self, good: str, bad: str) -> tuple[str, Comparison]:
        """The commit's full name, and what it changed beside the good one.

        Raises `NothingFound` where the commits do not tell, and `ReproError` for names of no commits, or if
        the good one cannot be run.
        """
        good, bad = self._commit(good), self._commit(bad)
        if self._git("merge-base", good, bad) != good:
            raise ReproError(f"{good[:12]} does not come before {bad[:12]}")
        with self._worktree(bad) as tree:
            base = self._measured(tree, good)
            found = compare(base, self._measured(tree, bad), metrics=True)
            if not self._is_bad(found):
                raise NothingFound(
                    f"{bad[:12]} is not {self.look_for} than {good[:12]}: ask for more --seeds"
                )
            return self._narrowed(tree, good, bad, base, found)

    def _narrowed(
        self, tree: Path, good: str, bad: str, base: Sequence[Result], found: Comparison
    ) -> tuple[str, Comparison]:
        """`found` is what the bad commit has changed."""
        goods, skipped = [good], set[str]()
        while True:
            between = self._between(goods, bad)
            left = [commit for commit in between if commit not in skipped]
            if not left and between:
                names = ", ".join(commit[:12] for commit in (*between, bad))
                raise NothingFound(f"it is one of {names}; all but the last cannot be run")
            if not left:
                return bad, found
            commit, steps = left[0], math.ceil(math.log2(len(left) + 1))
            self.say(f"{self._title(commit)}: {len(between) + 1} left, about {steps} to run")
            try:
                compared = compare(base, self._measured(tree, commit), metrics=True)
            except CannotRun as error:
                self.say(f"  skipped: {error}")
                skipped.add(commit)
                continue
            is_bad = self._is_bad(compared)
            self.say("  bad" if is_bad else "  good")
            if is_bad:
                bad, found = commit, compared
            else:
                goods.append(commit)

    def _between(self, goods: Sequence[str], bad: str) -> list[str]:
        """The commits that may be the first bad one beside `bad`: the first halves them best."""
        listed = self._git("rev-list", "--bisect-all", bad, *(f"^{good}" for good in goods))
        return [line.split()[0] for line in listed.splitlines() if line.split()[0] != bad]

    def _is_bad(self, found: Comparison) -> bool:
        broken = bool(found.gone or found.alike) and self.look_for != "better"
        return broken or any(change.kind in KINDS[self.look_for] for change in found.measurements)

    def _measured(self, tree: Path, commit: str) -> list[Result]:
        """Raises `CannotRun`."""
        self._git("checkout", "--quiet", "--force", "--detach", commit, folder=tree)
        with tempfile.TemporaryDirectory() as made:
            results = Path(made, "results")
            command = [
                sys.executable,
                "-c",
                COMMAND,
                "run",
                self.suite,
                *self.options,
                "--results",
                str(results),
            ]
            environment = {
                "REPRO_DATA": str(self.repository / "data"),
                **os.environ,
                "PYTHONPATH": str(tree),
                "PYTHONDONTWRITEBYTECODE": "1",  # one second may see two commits, and size alone tells little
                "REPRO_HOME": str(Path(made, "store")),
            }
            ended = subprocess.run(
                command,
                cwd=tree,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            if ended.returncode not in ENDED or not results.is_dir():
                last = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[-1:]
                raise CannotRun(f"{commit[:12]}: ended with {ended.returncode}: {''.join(last)}")
            try:
                return load(str(results), results)
            except ReproError as error:
                raise CannotRun(f"{commit[:12]}: {error}") from None

    @contextmanager
    def _worktree(self, commit: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder, "tree")
            self._git("worktree", "add", "--quiet", "--detach", str(tree), commit)
            try:
                yield tree
            finally:
                self._git("worktree", "remove", "--force", str(tree))

    def _commit(self, name: str) -> str:
        return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", what=f"no commit '{name}'")

    def _title(self, commit: str) -> str:
        return f"{commit[:12]} {self._git('log', '-1', '--format=%s', commit)}"

    def _git(self, *arguments: str, folder: Path | None = None, what: str = "") -> str:
        return git(folder or self.repository, *arguments, what=what)


def git(folder: Path, *arguments: str, what: str = "") -> str:
    """What it says. Raises `ReproError`, with `what` is wrong, if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ReproError(f"git cannot be run: {error.strerror}") from None
    if done.returncode:
        raise ReproError(what or f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def repository_of(file: Path) -> tuple[Path, str]:
    """The repository that a file is in, and its path there. Raises `ReproError` if it is in none."""
    folder = file.resolve().parent
    top = Path(git(folder, "rev-parse", "--show-toplevel", what=f"{file}: in no git repository"))
    return top, file.resolve().relative_to(top.resolve()).as_posix()

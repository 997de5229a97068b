"""A run: claims are decided at a profile, and what came of it is kept. Both faces and `repro.run` use it."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from repro.contents import Contents
from repro.deciding import Deciding, about
from repro.errors import ReproError
from repro.evidence import MOST
from repro.experiment import Experiment
from repro.job import Job, digest
from repro.outcome import Decided, Outcome
from repro.plan.course import Course
from repro.plan.rota import Asked, Due, due
from repro.plan.steps import Step, steps
from repro.quantity import Quantity
from repro.register import Register
from repro.result import PictureResult, Result, TuningResult, write
from repro.runner import Runner
from repro.seeds import Seeds
from repro.store import write_atomically
from repro.suite import PILOT, Device, Suite
from repro.trial import Drawing
from repro.tuning import pilots, tune


class Session:
    """`first_seed` and `seeds_max` stand in for the seeds that suites say; a pilot begins with 1000 if it is
    not told. What judges is noted in the `register`, if there is one.
    """

    def __init__(
        self,
        runner: Runner,
        profile: str,
        *,
        device: Device | None = None,
        seeds_max: int | None = None,
        first_seed: int | None = None,
        pilot: bool = False,
        per_gpu: int = 1,
        register: Register | None = None,
    ):
        self.runner, self.profile, self.device = runner, profile, device
        self.per_gpu = per_gpu  # trials that share a GPU, as the runner has them do
        self.seeds_max = seeds_max
        self.first_seed = PILOT if pilot and first_seed is None else first_seed
        self.pilot, self.register = pilot, register
        self._experiments: dict[str, Experiment] = {}
        self._tunings: dict[Experiment, dict[str, TuningResult]] = {}

    def decide(self, suite: Suite, name: str) -> Decided:
        """Train what a claim needs and decide it. Raises `ReproError` if it cannot be measured here."""
        self.check_seeds(suite)
        deciding = self._deciding(suite, name)
        self._tune(deciding.experiment, deciding.quantities.values())
        return deciding.decide(self.register)

    def expect(self, asked: Iterable[tuple[Suite, str]]) -> None:
        """These claims will be decided, in this order: what they surely ask for is begun where a place is
        idle.
        """
        self.runner.coming = (job for suite, name in asked for job in self._sure(suite, name))

    def check_seeds(self, suite: Suite) -> None:
        """Raises `ReproError` where seeds of pilots would judge, those that arms are tuned on among them."""
        self.seeds(suite).check()

    def seeds(self, suite: Suite, most: int | None = None) -> Seeds:
        """Those that the suite's claims may take in this run, `most` at most."""
        first = suite.seeds.first if self.first_seed is None else self.first_seed
        most = most or min(self.seeds_max or suite.seeds.max, MOST)
        return Seeds(first, most, suite.evidence.alpha, self.pilot)

    def experiment(self, suite: Suite) -> Experiment:
        """The suite at the profile of this run."""
        key = digest(suite.model_dump(mode="json"))
        if key not in self._experiments:
            contents = Contents(self.runner.store)
            self._experiments[key] = Experiment(suite, self.profile, self.device, contents)
        return self._experiments[key]

    def steps(self, suite: Suite, name: str, most: int | None = None) -> Iterator[Step]:
        """The trials and rounds that a claim may take, of so many seeds at most. Raises `ReproError` if data
        is missing.
        """
        seeds = self.seeds(suite, most)
        first = seeds.take(seeds.most)[: seeds.looks[0]]
        return steps(self.experiment(suite), suite.claims[name], seeds.take(seeds.most), first)

    def course(self, asked: Iterable[tuple[Suite, str]], kept: Path) -> Course:
        """That of a run of claims, without those that cannot be measured. `kept` has kept results."""
        found = list[Step]()
        for suite, name in asked:
            with suppress(ReproError):
                found += self.steps(suite, name)
        return Course.of(found).after(kept, self.profile)

    def due(
        self, asked: Iterable[tuple[Suite, Sequence[str]]], earlier: Iterable[Result], at_once: int
    ) -> list[Due]:
        """Suites with what earlier results say of the names asked of each, so many trials at once."""
        found = list[Asked]()
        for suite, names in asked:
            of_suite = list[Step]()
            for name in names:
                with suppress(ReproError):
                    of_suite += self.steps(suite, name)
            found.append(Asked(suite.suite, names, of_suite))
        return due(found, self.profile, earlier, at_once)

    def command(self, file: str, claim: str | None = None) -> str:
        """What decides a suite's claims again, or one of them, as a user would type it."""
        options = {
            "-k": claim,
            "--profile": self.profile,
            "--device": self.device,
            "--seeds-max": self.seeds_max,
            "--first-seed": self.first_seed,
            "--per-gpu": None if self.per_gpu == 1 else self.per_gpu,
        }
        given = [f"{key} {shlex.quote(str(value))}" for key, value in options.items() if value is not None]
        return " ".join(["repro run", shlex.quote(file), *given])

    def keep(
        self, suite: Suite, file: str, decided: Mapping[str, Decided], here: Path, folder: Path | None
    ) -> Result:
        """Make a result of decided claims and write it with its pictures, if a folder is given; without them
        where they cannot be drawn.

        `FOLDER/<suite>/<profile>/<id>.json` and, beside it, `<id>/<picture>.png`. `here` is in the project
        whose commit is noted.
        """
        result = self._result(suite, file, decided, here)
        if folder is None:
            return result
        beside, pictures = (folder / result.path).parent, dict[str, PictureResult]()
        try:
            for name, content in self._pictures(suite, result).items():
                picture, png = suite.pictures[name], f"{result.id}/{name}.png"
                write_atomically(beside / png, content)
                pictures[name] = PictureResult(file=png, says=picture.says, arms=picture.arms)
        finally:
            result = result.model_copy(update={"pictures": pictures})
            write(result, folder)
        return result

    def close(self) -> None:
        self.runner.close()

    def _deciding(self, suite: Suite, name: str) -> Deciding:
        return Deciding(self.runner, self.experiment(suite), name, self.seeds(suite))

    def _sure(self, suite: Suite, name: str) -> list[Job]:
        """The jobs that a claim surely asks for. None if it cannot be measured, which is told in its turn."""
        try:
            self.check_seeds(suite)
            deciding = self._deciding(suite, name)
            experiment = deciding.experiment
            arms = dict.fromkeys(arm for quantity in deciding.quantities.values() for arm in quantity.trained)
            grid = suite.profiles[self.profile].tune
            if grid is None or arms.keys() <= experiment.chosen.keys():
                return deciding.first()
            return [*chain.from_iterable(chain(*(pilots(experiment, arm, grid) for arm in arms)))]
        except Exception:  # whatever it is, it is told in its turn
            return []

    def _tune(self, experiment: Experiment, quantities: Iterable[Quantity]) -> None:
        """Let the arms that are trained find out their recipes."""
        for quantity in quantities:
            for arm in quantity.trained:
                if arm not in experiment.chosen:
                    try:
                        tuning = tune(experiment, arm, self.runner)
                    except ReproError as error:
                        raise about(error, [arm]) from error
                    experiment.chosen[arm] = tuning.chosen if tuning else {}
                    if tuning:
                        self._tunings.setdefault(experiment, {})[arm] = tuning

    def _pictures(self, suite: Suite, result: Result) -> dict[str, bytes]:
        """The suite's pictures, as PNG files, of the first seed's nets, where all are trained with it."""
        experiment = self.experiment(suite)
        trained = {(trial.arm, trial.seed) for trial in result.trials}
        first = min((seed for _, seed in trained), default=0)
        drawings = dict[str, Drawing]()
        for name, picture in suite.pictures.items():
            arms = [trained for arm in picture.arms for trained in experiment.trained(arm)]
            if all((arm, first) in trained for arm in arms):
                drawings[name] = experiment.drawing(name, first)
        self.runner.ensure(drawings.values())
        return {
            name: self.runner.store.read_file(drawing, drawing.file) for name, drawing in drawings.items()
        }

    def _result(self, suite: Suite, file: str, decided: Mapping[str, Decided], here: Path) -> Result:
        experiment = self.experiment(suite)
        for name in decided:
            self._tune(experiment, experiment.quantities(suite.claims[name]))
        decided = {name: self._with_all_seeds(suite, name, one) for name, one in decided.items()}
        tunings, again = self._tunings.get(experiment, {}), self.command(file)
        return Outcome(experiment, decided, self.runner.store).result(file, tunings, again, here)

    def _with_all_seeds(self, suite: Suite, name: str, decided: Decided) -> Decided:
        """The same claim with the seeds that others have taken since it was decided."""
        seeds = decided.claim.evidence.seeds
        if not seeds or self._deciding(suite, name).there(len(seeds)) == len(seeds):
            return decided
        return self.decide(suite, name)

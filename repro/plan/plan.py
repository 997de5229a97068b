"""`repro plan`: what suites would take at a profile, suite by suite and all together."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from repro import environment
from repro.data.images import MissingData
from repro.errors import ReproError
from repro.executors import quota
from repro.executors.lease import cores, count
from repro.experiment import Experiment
from repro.faults import told
from repro.places import typed
from repro.plan import arms
from repro.plan.ahead import too_few
from repro.plan.amounts import MANY, Amount, Plan, SuitePlan, There, lacking, summed, together
from repro.plan.arms import PROCESS, Asked
from repro.plan.course import Course
from repro.plan.gpus import Gpu, crowded, gpu, like, shared
from repro.plan.known import Known
from repro.plan.steps import Step, steps
from repro.plan.supplies import Supply, supplies
from repro.recipe import Named
from repro.round import Round
from repro.state import devices
from repro.store import Store
from repro.suite import Device, Suite
from repro.training.footprint import CONTEXT, Footprint, part_of, with_margin
from repro.training.pace import Pace, pace
from repro.trial import TrialSpec
from repro.work.execute import give_back
from repro.work.room import placed

GIB = 2**30
Begins = Callable[[int, int, str], None]
KINDS: tuple[Device, ...] = ("cpu", "mps", "cuda")


class _Planned(Experiment):
    """Trials have names even where their data is missing."""

    def fingerprint(self, data: Named) -> str:
        try:
            return super().fingerprint(data)
        except MissingData:
            return "missing"


def plan(
    suites: Mapping[Path, Suite],
    profile: str,
    store: Store,
    *,
    device: str | None = None,
    hours: float | None = None,
    jobs: int | None = None,
    per_gpu: int = 1,
    begins: Begins = lambda *_: None,
) -> Plan:
    """Nothing is trained but some steps of each arm, to see how quick this machine is. `device` is a GPU to
    plan for instead, from `gpus`; then no trial counts as done. `per_gpu` trials share each. Before each arm
    `begins` is told how many are done, of how many, and which it is. Raises `ReproError` where nothing is
    asked.
    """
    asked_for = {path: suite for path, suite in suites.items() if any(suite.claims_at(profile))}
    if not asked_for:
        known = ", ".join(sorted({name for suite in suites.values() for name in suite.profiles}))
        raise ReproError(f"nothing to plan: no claim at profile '{profile}' (profiles: {known})")
    kinds = {suite.profiles[profile].device for suite in asked_for.values()}
    kind: Device = "cuda" if device else max(kinds, key=KINDS.index)
    planner = _Planner(profile, store, kind, gpu(device) if device else None, jobs, per_gpu, begins)
    courses, broken = dict[Path, Course](), list[str]()
    for path, suite in asked_for.items():
        try:
            courses[path] = planner.course(suite)
        except ReproError as error:
            broken.append(f"{typed(path)}: {error}")
    if not courses:
        raise ReproError("\n".join(broken))
    planner.wanted = len(
        {arms.arm_of(trial) for course in courses.values() for trial in _trials(course).values()}
    )
    try:
        rows = [planner.suite(path, asked_for[path], course) for path, course in courses.items()]
    finally:
        planner.known.keep()
    total, found = together([row.amount for row in rows]), tuple(planner.supplies.values())
    return Plan(
        profile=profile,
        there=planner.there,
        suites=tuple(rows),
        total=total,
        supplies=found,
        hours=hours,
        does_not_fit=(
            *broken,
            *(f"{row.file}: {problem}" for row in rows for problem in row.problems),
            *planner.too_few,
            *lacking(total, planner.there, found, hours),
        ),
    )


class _Planner:
    """Goes through suites in their order, and remembers trials, arms and supplies."""

    def __init__(
        self,
        profile: str,
        store: Store,
        kind: Device,
        device: Gpu | None,
        jobs: int | None,
        per_gpu: int,
        begins: Begins,
    ):
        self.profile, self.store, self.gpu = profile, store, device
        self.jobs, self.known, self.begins = jobs, Known(store), begins
        self.per_gpu = per_gpu if kind == "cuda" else 1
        self.wanted = 0  # arms that there are to look at
        self.seen: set[str] = set()
        self.asked: dict[str, Asked | ReproError] = {}
        self.supplies: dict[str, Supply] = {}
        self._names: dict[str, list[str]] = {}
        self.kind = kind
        self.too_few: list[str] = []  # arms that take more places than there are

    def course(self, suite: Suite) -> Course:
        return Course.of(self._steps(_Planned(suite, self.profile, "cuda" if self.gpu else None)))

    def suite(self, path: Path, suite: Suite, course: Course) -> SuitePlan:
        last = _trials(course)
        sure = [digest for digest, step in course.steps.items() if step.sure]
        first = [digest for digest in sure if digest in last]
        rounds = [job for digest in sure if isinstance(job := course.steps[digest].job, Round)]
        done = {digest for digest, trial in last.items() if not self.gpu and self.store.read(trial)}
        shared = self.seen & last.keys()
        problems = list[str]()
        alike = defaultdict[str, list[TrialSpec]](list)
        for trial in last.values():
            alike[arms.arm_of(trial)].append(trial)
        names = {digest: f"{suite.suite}: {step.arm}" for digest, step in course.steps.items()}
        of_arm = {
            arm: self._asked(arm, trials, names[trials[0].digest], problems) for arm, trials in alike.items()
        }
        of_trial = {trial.digest: of_arm[arm] for arm, trials in alike.items() for trial in trials}
        supplied = list(dict.fromkeys(name for trial in last.values() for name in self._supplied(trial)))
        new = [[digest for digest in some if digest not in done | shared] for some in (first, last)]
        self.seen |= last.keys()
        of_all = [one for one in of_trial.values() if one is not None]

        def total(digests: list[str], key: str) -> float | None:
            return summed([getattr(of_trial[digest], key, None) for digest in digests])

        def hours(digests: list[str]) -> float | None:
            """Trials on several places leave room for fewer at once."""
            by_places = defaultdict[int, list[str]](list)
            for digest in digests:
                by_places[last[digest].needs.places].append(digest)
            seconds = {places: total(some, "seconds") for places, some in by_places.items()}
            all_together = summed([of and of / self.at_once(places) for places, of in seconds.items()])
            return None if all_together is None else all_together / 3600

        arm_names = {step.arm: last[digest] for digest, step in course.steps.items() if digest in last}
        self.too_few += [
            f"{suite.suite}: arm '{name}' {too_few(trial.needs.places, self.places, self.kind)}"
            for name, trial in arm_names.items()
            if trial.needs.places > self.places
        ]
        disk = total(new[1], "kept_bytes")
        return SuitePlan(
            suite=suite.suite,
            file=typed(path),
            amount=Amount(
                trials=len(first),
                shared=len(shared & {*first}),
                done=len(done & {*first} - shared),
                missing=len(new[0]),
                flops=total(new[0], "flops"),
                hours=(hours(new[0]), hours(new[1])),
                **self._memory(of_all if len(of_all) == len(of_trial) else []),
                disk=None if disk is None else int(disk),
                rounds=len(rounds),
                timed=sum(len(one.nets) for one in rounds),
            ),
            supplies=tuple(supplied),
            problems=tuple(dict.fromkeys(problems)),
        )

    @property
    def places(self) -> int:
        """Cores or GPUs that there are."""
        return 1 if self.gpu else count(self.kind)

    def at_once(self, places: int = 1) -> int:
        """Trials that take so many. Of a GPU that is elsewhere nobody knows beside how many cores."""
        room = self.places * self.per_gpu // places
        return max(1, min(self.jobs or (room if self.gpu else cores()), room))

    @property
    def sharing(self) -> int:
        """Trials that share a GPU: as many as may, unless fewer run at once."""
        return min(self.per_gpu, -(-self.at_once() // self.places)) if self.kind == "cuda" else 1

    @cached_property
    def there(self) -> There:
        folder = next(path for path in (self.store.root, *self.store.root.parents) if path.exists())
        if self.gpu:
            name, memory = self.gpu.name, self.gpu.memory * GIB
        elif self.kind == "cuda" and torch.cuda.is_available():
            name, memory = torch.cuda.get_device_name(0), torch.cuda.mem_get_info(0)[1]
        else:
            name, memory = environment.cpu_name() if self.kind == "cpu" else f"no {self.kind} device", None
        return There(
            device=name,
            at_once=self.at_once(),
            device_memory=memory,
            host_memory=quota.memory(),
            disk=shutil.disk_usage(folder).free,
        )

    def _steps(self, experiment: Experiment) -> Iterator[Step]:
        suite = experiment.suite
        grid = suite.profiles[self.profile].tune
        if grid is not None:  # which of the values will be taken is not known: the first stand for it
            experiment.chosen = dict.fromkeys(suite.arms, grid.points[0])
        few, many = (range(suite.seeds.first, suite.seeds.first + count) for count in MANY)
        for _, claim in suite.claims_at(self.profile):
            yield from steps(experiment, claim, many, few)

    def _asked(self, arm: str, alike: Sequence[TrialSpec], name: str, problems: list[str]) -> Asked | None:
        """Of each of the trials of an arm."""
        trial = alike[0]
        if arm not in self.asked:
            self.begins(len(self.asked), self.wanted, name)
            known = None if self.gpu else self._recorded(alike)
            try:
                with told(trial.label):
                    found = arms.asked(trial, self._pace if known is None else _no_pace, self.known)
                self.asked[arm] = found if known is None else replace(found, seconds=known)
            except ReproError as error:
                self.asked[arm] = error
        kept = self.asked[arm]
        if isinstance(kept, ReproError):
            problems.append(str(kept))
            return None
        return kept

    def _recorded(self, alike: Sequence[TrialSpec]) -> float | None:
        """What trials of an arm took here; beside others, if they are to be, as far as that is known."""
        sharing = self.sharing if alike[0].needs.places == 1 else 1
        together = arms.recorded(self.store, alike, self.there.device, sharing)
        if together is not None or sharing == 1:
            return together
        alone = arms.recorded(self.store, alike, self.there.device)
        return None if alone is None else crowded(alone, 0.0, sharing)

    def _pace(self, spec: TrialSpec, found: Footprint | None) -> Pace | None:
        """None where nobody knows: without the device, and where the net does not go on it."""
        recipe = spec.recipe
        assert recipe is not None
        trials = self.sharing if recipe.places == 1 else 1  # several GPUs are taken whole
        if self.gpu and found is not None:
            return self.gpu.pace(found, recipe.precision, recipe.cuda_graph, trials)
        if self.gpu:
            return None
        there = (self.there.device_memory or 0) // self.per_gpu
        if spec.device == "cuda" and (found is None or CONTEXT + with_margin(found.memory) > there):
            return None
        part = part_of(spec)
        alone = arms.pace_of(part, self.there.device, self.known, lambda: _measured(part))
        kind = like(self.there.device)
        own = kind.work(found, recipe.precision) if kind and found else Pace(0.0, 0.0)
        return shared(alone, own, trials)

    def _supplied(self, trial: TrialSpec) -> list[str]:
        arm = arms.arm_of(trial) + str(trial.weights)
        if arm not in self._names:
            found = {supply.name: supply for supply in supplies(trial)}
            self.supplies = {**found, **self.supplies}
            self._names[arm] = list(found)
        return self._names[arm]

    def _memory(self, asked: list[Asked]) -> dict[str, Any]:
        """Of the largest of them. None is what is not known, or not asked for."""
        there, on_gpu = self.there.device_memory, self.kind != "cpu"
        nets = [(one.net_bytes, one.data_bytes) for one in asked if one.net_bytes is not None]
        if not asked or len(nets) < len(asked):
            return {"device_memory": None, "data_beside_the_net": None, "host_memory": None}
        wanted = [(CONTEXT + with_margin(net), data) for net, data in nets]
        part = there // self.per_gpu if on_gpu and there else 0  # of the GPU, for each that shares it
        beside = all(net + data <= part for net, data in wanted) if part else None
        host = max(
            (PROCESS + one.data_bytes + (0 if on_gpu else one.net_bytes or 0))
            * one.places
            * self.at_once(one.places)
            for one in asked
        )
        return {
            "device_memory": self.per_gpu * max(net for net, _ in wanted) if on_gpu else None,
            "data_beside_the_net": beside,
            "host_memory": host,
        }


def _trials(course: Course) -> dict[str, TrialSpec]:
    """By digest."""
    return {digest: step.job for digest, step in course.steps.items() if isinstance(step.job, TrialSpec)}


def _no_pace(spec: TrialSpec, found: Footprint | None) -> None:
    """Where it is known already how long a trial takes."""


def _measured(spec: TrialSpec) -> Pace:
    device = devices.resolve(spec.device)
    try:
        return pace(spec, placed(spec, arms.form_of(spec.data), device), device)
    finally:
        give_back(device)

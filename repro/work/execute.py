"""A job, done in this process and recorded: a trial trained, a number counted or probed, a picture drawn …"""

import gc
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_weights
from safetensors.torch import save as dump_weights
from torch import Tensor

from repro import environment
from repro.catalogue import COUNTS, DATASETS, PICTURES, PROBES, TREATMENTS, looks_at_curves, looks_at_weights
from repro.contents import Contents
from repro.contracts import DataSet
from repro.counting import Counting
from repro.data.images import ImageSet
from repro.errors import ReproError
from repro.faults import told
from repro.job import Job
from repro.proposals import Proposals
from repro.recipe import Named
from repro.round import Round
from repro.state import devices
from repro.state.memory import enough
from repro.state.net import State, build, make_model
from repro.state.randomness import own_default_stream, seed_default, stream
from repro.state.tf32 import as_fp32, products
from repro.store import Store, StoreError, remove_parts
from repro.training.checkpoint import EVERY, Checkpoint
from repro.training.fit import check_fit
from repro.training.loop import Progress, train
from repro.training.undrawn import Undrawn
from repro.trial import Drawing, Evaluating, Probing, Subject, TrialSpec
from repro.work.ranks import OfGroup, is_first, size, spread, together
from repro.work.room import SMALLER, placed
from repro.work.timing import time_round


def execute(
    job: Job,
    store: Store,
    *,
    places: tuple[int, ...] = (0,),
    checkpoint_every: float = EVERY,
    per_gpu: int = 1,
) -> bool:
    """Do a job that is not done yet, on these places of the device, which so many trials share if it is a
    GPU. False if another process is at it.
    """
    with store.take(job, job.label) as mine:
        if mine and store.read(job) is None:
            device = devices.resolve(job.needs.device, next(iter(places), 0))
            with only_its_own_garbage():
                try:
                    Work(store, device, checkpoint_every, places, per_gpu).do(job)
                finally:
                    give_back(device)
    return mine


@contextmanager
def only_its_own_garbage() -> Iterator[None]:
    """In the block nothing is looked through for garbage that was there before, and at its end there is none
    that the block has left. A trial looks, and to look through all that is imported takes 0.1 to 0.3 s.

    Where somebody else has frozen what was there, it is left to him.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()  # nets are in cycles
        gc.unfreeze()


def give_back(device: torch.device) -> None:
    """The device's memory, which others may hold it for next. What is in the machine's stays loaded."""
    if device.type == "cuda":
        gc.collect()  # nets are in cycles
        torch.cuda.empty_cache()


class Work:
    """Jobs on one device. Each method gives the record of its job."""

    def __init__(
        self,
        store: Store,
        device: torch.device,
        checkpoint_every: float = EVERY,
        places: tuple[int, ...] = (0,),
        per_gpu: int = 1,
    ):
        self.store, self.device, self.checkpoint_every = store, device, checkpoint_every
        self.places, self.per_gpu = places, per_gpu if device.type == "cuda" else 1
        self.ways: dict[type[Job], Callable[[Any], Mapping[str, Any]]] = {
            TrialSpec: self.train,
            Counting: self.count,
            Probing: self.probe,
            Evaluating: self.evaluate,
            Drawing: self.draw,
            Round: self.time,
        }

    def do(self, job: Job) -> None:
        """Do the job and record it; then nothing is left of what was only needed to go on after a kill.

        Raises `ReproError`, whatever the code does that the job names.
        """
        folder = self.store.folder(job)
        remove_parts(folder)
        try:
            enough_memory = enough(in_batches(job), self.device, SMALLER)
            proposals = Proposals(self.store).in_use()
            with told(job.label), own_default_stream(self.device), enough_memory, proposals:
                record = self.ways[type(job)](job)
        finally:
            self.store.tell(job.digest, {})
        self.store.write(job, record)
        Checkpoint.of(folder).remove()

    def train(self, spec: TrialSpec) -> Mapping[str, Any]:
        if spec.needs.places > 1:
            where = (self.store.root, self.store.since, self.checkpoint_every)
            return together(self.places, spec.device, _train, spec, *where)
        return self.trained(spec)

    def trained(self, spec: TrialSpec) -> Mapping[str, Any]:
        """The record of a trial, by each process that it is trained in; the first one keeps its weights."""
        assert spec.recipe is not None
        folder, recipe = self.store.folder(spec), spec.recipe
        checkpoint = OfGroup.of(folder, self.checkpoint_every, self.store.since, spec.digest)
        who = {"model": spec.label.rpartition(", seed ")[0], "seed": spec.seed}
        progress = Progress(lambda now: self.store.tell(spec.digest, {**now, **who}) if is_first() else None)
        progress.at(0, recipe, 0.0)
        with devices.flags(recipe.deterministic), products(recipe):
            state = self.fresh(spec)
            check_fit(state)
            with spread(state.model, self.device, spec.model.name) as net:
                trained = train(replace(state, model=net), checkpoint, progress)
        weights = dump_weights(_on_cpu(state.model.state_dict()))
        return {
            "files": self.store.write_file(spec, spec.file, weights) if is_first() else {},
            "spec": spec.model_dump(mode="json"),
            "measurements": trained.measurements,
            "trivial": state.trivial(),
            "curves": trained.curves,
            "cost": _of_all(trained.cost, self.per_gpu),
            "environment": {**devices.describe(self.device, recipe.precision), **self.sharing},
        }

    @property
    def sharing(self) -> dict[str, int]:
        """A condition of what trials cost, where several share a GPU."""
        return {"per_gpu": self.per_gpu} if self.per_gpu > 1 else {}

    def count(self, job: Counting) -> Mapping[str, Any]:
        count = COUNTS.bound(job.measure, job.options)
        if looks_at_weights(job.measure):
            seed_default(torch.device("cpu"), stream(0, "initialisation"))
            return {"value": float(count(make_model(job.model, job.data)))}
        with torch.device("meta"), Undrawn():
            return {"value": float(count(make_model(job.model, job.data)))}

    def probe(self, job: Probing) -> Mapping[str, Any]:
        given = {"curves": self.curves(job.subject.trial)} if looks_at_curves(job.measure) else {}
        with devices.flags(deterministic=True):
            look = PROBES.bound(job.measure, job.options)
            return {"value": float(look(self.state(job.subject), **given))}

    def evaluate(self, job: Evaluating) -> Mapping[str, Any]:
        recipe = job.subject.trial.recipe
        limit = recipe.evaluate.train_images if recipe and job.split == "train" else None
        with devices.flags(deterministic=True), products(recipe):
            return {"measurements": self.state(job.subject).evaluate(job.split, job.images or limit)}

    def draw(self, job: Drawing) -> Mapping[str, Any]:
        with devices.flags(deterministic=True):
            states = {arm: self.state(subject) for arm, subject in job.subjects.items()}
            image = PICTURES.bound(job.picture, job.options)(states)
        file = io.BytesIO()
        image.save(file, "png", optimize=True)
        files = self.store.write_file(job, job.file, file.getvalue())
        return {"files": files, "picture": job.picture, "arms": list(job.subjects)}

    def time(self, job: Round) -> Mapping[str, Any]:
        here = environment.machine(job.device)
        if job.machine != here:
            raise ReproError(
                f"{job.label} is of a machine with {', '.join(job.machine)}, and this one has "
                f"{', '.join(here)}: run the command where it is to be timed, with `--executor local`"
            )
        return time_round(job, self.store, self.device.index or 0)

    def state(self, subject: Subject) -> State:
        """A net as it is looked at: after training or before the first step; treated, if it is."""
        state, *others = map(self.untreated, (subject.trial, *subject.others))
        if subject.treatment is None:
            return state
        given = {"others": others} if others else {}
        treat = TREATMENTS.bound(subject.treatment.name, subject.treatment.options)
        treated: State = treat(state, **given)
        return treated

    def untreated(self, spec: TrialSpec) -> State:
        """The net that a trial ends with, or starts with if it has no recipe."""
        state = self.fresh(spec)
        if spec.recipe is not None:
            state.model.load_state_dict(self.weights(spec))
        return state

    def fresh(self, spec: TrialSpec) -> State:
        """The net of a trial before its first step."""
        start = self.weights(spec.start) if spec.start else None
        with Contents(self.store).in_use():
            data = images(spec.data, torch.device("cpu"), spec.fingerprint)
        return build(as_fp32(spec), placed(spec, data, self.device, self.per_gpu), self.device, start)

    def curves(self, spec: TrialSpec) -> dict[str, Any]:
        """Those of a finished trial. Raises `StoreError` if they are not, or no longer, there."""
        record = self.store.read(spec)
        if record is None:
            raise StoreError(f"{self.store.path(spec)}: the record has gone; run again")
        return dict(record["curves"])

    def weights(self, spec: TrialSpec) -> dict[str, Tensor]:
        """Those that a finished trial has left. Raises `StoreError` if they are not, or no longer, there."""
        return load_weights(self.store.read_file(spec, spec.file))


def _train(
    device: torch.device, spec: TrialSpec, root: Path, since: int, checkpoint_every: float
) -> Mapping[str, Any]:
    """In the process of a place."""
    store = Store(root, since)
    with own_default_stream(device), Proposals(store).in_use():
        return Work(store, device, checkpoint_every).trained(spec)


def _of_all(cost: Mapping[str, Any], per_gpu: int = 1) -> dict[str, Any]:
    """The cost of a trial, held against what all its places can do; where others share its GPU, that is not
    known: its peak was measured while they were at work.
    """
    peak, share = cost["matmul_peak_flops_per_second"], cost["share_of_matmul_peak"]
    if per_gpu > 1:
        return {**cost, "matmul_peak_flops_per_second": None, "share_of_matmul_peak": None}
    return {
        **cost,
        "matmul_peak_flops_per_second": peak * size(),
        "share_of_matmul_peak": None if share is None else share / size(),
    }


def in_batches(job: Job) -> str:
    """What a job is, and of what size its batches are: what memory depends on."""
    recipe = job.recipe if isinstance(job, TrialSpec) else None
    return f"{job.label}, batches of {recipe.batch_size}" if recipe else job.label


def _on_cpu(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in weights.items()}


def images(data: Named, device: torch.device, fingerprint: str | None = None) -> ImageSet:
    """A data set on a device; the last one stays loaded in the machine's memory.

    Raises `ReproError` where nothing can be learnt from it, and where it has another fingerprint, if one is
    given.
    """
    loaded = _images(data.model_dump_json(), fingerprint)
    return loaded if device.type == "cpu" else loaded.to(device)


@lru_cache(maxsize=1)
def _images(data: str, fingerprint: str | None) -> ImageSet:
    named = Named.model_validate_json(data)
    made: DataSet = DATASETS.load(named.name)(**named.options)
    with enough(f"data set '{named.name}'", "cpu", "Take fewer images, or smaller ones"):
        loaded = made.load()
    if fingerprint is not None and made.fingerprint() != fingerprint:
        raise ReproError(
            f"data set '{named.name}' has changed since the run began, or is another on this machine; run "
            "the same command again"
        )
    for doubt in loaded.doubts:
        raise ReproError(f"data set '{named.name}': {doubt}")
    return loaded

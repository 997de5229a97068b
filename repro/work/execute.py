"""A job, done in this process: a trial trained, a number measured or a picture drawn, and recorded."""

import io
from functools import lru_cache
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as dump_weights

from repro.catalogue import DATASETS, MEASURES, PICTURES, looks_at
from repro.data.images import ImageSet
from repro.errors import ReproError
from repro.recipe import Named
from repro.state import devices
from repro.state.net import State, build, make_model
from repro.state.randomness import own_default_stream, seed_default, stream
from repro.store import Store, StoreError, remove_parts, write_atomically
from repro.training.checkpoint import EVERY, Checkpoint
from repro.training.fit import check_fit
from repro.training.loop import Progress, train
from repro.trial import Drawing, Job, Number, Round, TrialSpec
from repro.work.timing import time_round


def execute(job: Job, store: Store, *, device_index: int = 0, checkpoint_every: float = EVERY) -> bool:
    """Do a job that is not done yet. False, at once, if another process is at it."""
    with store.claim(job.digest) as mine:
        if not mine:
            return False
        if isinstance(job, TrialSpec):
            if store.read(job.digest) is None:
                _train(job, store, devices.resolve(job.device, device_index), checkpoint_every)
        elif isinstance(job, Number):
            if store.read_number(job.digest) is None:
                store.write_number(
                    job.digest, _measure(job, store, devices.resolve(job.device, device_index))
                )
        elif isinstance(job, Round):
            if store.read(job.digest) is None:
                store.write(job.digest, time_round(job, store, device_index))
        elif store.read_picture(job.digest) is None:
            store.write_picture(job.digest, _draw(job, store, devices.resolve(job.device, device_index)))
    return True


def _train(spec: TrialSpec, store: Store, device: torch.device, checkpoint_every: float) -> None:
    assert spec.recipe is not None
    folder = store.folder(spec.digest)
    remove_parts(folder)
    checkpoint = Checkpoint(folder / "checkpoint.pt", checkpoint_every, store.newer_than, spec.digest)
    progress = Progress(
        lambda now: store.tell(spec.digest, {**now, "model": _label(spec), "seed": spec.seed})
    )
    progress.at(0, spec.recipe, 0.0)
    try:
        with devices.flags(spec.recipe.deterministic), own_default_stream(device):
            state = build(spec, images(spec.data, device), device)
            check_fit(state)
            trained = train(state, checkpoint, progress)
        weights = {
            name: tensor.detach().to("cpu", copy=True).contiguous()
            for name, tensor in state.model.state_dict().items()
        }
        write_atomically(folder / "weights.safetensors", dump_weights(weights))
        record: dict[str, Any] = {
            "spec": spec.model_dump(mode="json"),
            "measurements": trained.measurements,
            "curves": trained.curves,
            "cost": trained.cost,
            "environment": devices.describe(device, spec.recipe.precision),
        }
        store.write(spec.digest, record)
        checkpoint.remove()
    finally:
        store.tell(spec.digest, {})


def _label(spec: TrialSpec) -> str:
    return " ".join([spec.model.name, *(f"{key}={value}" for key, value in spec.model.options.items())])


def _measure(number: Number, store: Store, device: torch.device) -> float:
    measure = MEASURES.load(number.measure)
    with own_default_stream(device):
        if number.trial is None:
            if looks_at(number.measure) == "network":
                seed_default(torch.device("cpu"), stream(0, "initialisation"))
                return float(measure(make_model(number.model, number.data), **number.options))
            with torch.device("meta"):
                return float(measure(make_model(number.model, number.data), **number.options))
        with devices.flags(deterministic=True):
            return float(measure(state_of(number.trial, store, device), **number.options))


def _draw(drawing: Drawing, store: Store, device: torch.device) -> bytes:
    """A PNG file."""
    with own_default_stream(device), devices.flags(deterministic=True):
        states = {arm: state_of(trial, store, device) for arm, trial in drawing.trials.items()}
        image = PICTURES.load(drawing.picture)(states, **drawing.options)
    file = io.BytesIO()
    image.save(file, "png", optimize=True)
    return file.getvalue()


def state_of(spec: TrialSpec, store: Store, device: torch.device) -> State:
    """The net of a finished trial, or of one before its first step."""
    state = build(spec, images(spec.data, device), device)
    if spec.recipe is not None:
        path = store.folder(spec.digest) / "weights.safetensors"
        try:
            state.model.load_state_dict(load_weights(path.read_bytes()))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise StoreError(
                f"{path}: not the weights of its trial ({error}). Delete {path.parent}"
            ) from error
    return state


def images(data: Named, device: torch.device) -> ImageSet:
    """A data set on a device; the last one stays loaded."""
    return _images(data.model_dump_json(), device)


@lru_cache(maxsize=1)
def _images(data: str, device: torch.device) -> ImageSet:
    named = Named.model_validate_json(data)
    try:
        return DATASETS.load(named.name)(**named.options).load().to(device)
    except torch.OutOfMemoryError as error:
        raise ReproError(
            f"data set '{named.name}' does not fit into the memory of {device}: {error}"
        ) from error

"""Recipes that cannot be trained: said in one line, by the model, before anything is recorded."""

import os

import pytest
import torch
from kit import forked
from kit.tiny import RESNET, habits, spec

from repro.environment import machine
from repro.errors import ReproError
from repro.recipe import Named, Timing
from repro.round import Round, TimedNet
from repro.store import Store
from repro.training import cost
from repro.trial import fingerprint_of
from repro.work.execute import execute
from repro.work.room import SMALLER

pytestmark = pytest.mark.slow  # processes

SCENES = Named(name="scenes", size=64, train=8, test=4)
POOLED = Named(
    name="deeplab_v3",
    image_pool=True,
    trunk="vgg16",
    output_stride=4,
    widths=[8, 8, 8],
    depths=[1, 1, 1],
    batch_norm=True,
    width=8,
    fused=8,
    rates=[1, 1, 1],
    pointwise=False,
)


def pooled(batch_size):
    """A trial of a net whose image pooling leaves one number a channel and an image, which is normalised."""
    update = {"task": "segmentation", "model": POOLED, "data": SCENES, "fingerprint": fingerprint_of(SCENES)}
    return spec(steps=1, batch_size=batch_size).model_copy(update=update)


def refused(trial, store):
    """What is said of a trial that cannot be trained."""
    with pytest.raises(ReproError) as caught:
        execute(trial, store)
    assert store.read(trial) is None and store.running() == []
    return str(caught.value)


def test_a_batch_of_one_that_is_normalised_to_nothing_is_told(store):
    said = refused(pooled(batch_size=1), store)
    assert said.startswith("model 'deeplab_v3' cannot be trained on batches of 1×3×64×64: Expected more than")
    assert "\n" not in said
    execute(pooled(batch_size=2), store)


@pytest.mark.usefixtures("nets")
def test_a_net_that_looks_at_numbers_is_tried_with_a_batch_of_them(store):
    said = refused(spec(model=habits(peeks=True, fails="no such luck")), store)
    assert said.startswith("model 'habits' cannot be trained on batches of 16×1×7×7: no such luck")


def test_options_of_an_optimizer_that_do_not_go_together_are_told(store):
    said = refused(spec(optimizer={"momentum": 0, "nesterov": True}), store)
    assert said == "optimizer 'sgd': nesterov needs a momentum above 0, 0.9 say"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": -4}, "{'depth': 8, 'width': -4}: Trying to create tensor with negative dimension -4"),
        ({"depth": 9}, "{'depth': 9, 'width': 4}: depth must be 6n"),
    ],
)
def test_a_net_that_cannot_be_made_is_told_with_its_options(store, options, said):
    assert refused(spec(model={**RESNET, **options}), store).startswith(f"model 'cifar_resnet' with {said}")


def test_a_net_or_a_batch_that_does_not_fit_into_memory_is_told_with_the_remedy(store, monkeypatch):
    said = refused(spec(model={**RESNET, "width": 3 * 10**6}), store)  # 324 TB: no address space has them
    what = "cifar_resnet(depth=8, width=3000000), seed 0, batches of 16"
    assert said.startswith(f"{what}: the memory of 'cpu' is not enough")
    assert said.endswith(f" were wanted at once. {SMALLER}")
    monkeypatch.setattr(cost, "_counted", {})  # what this net costs cannot be counted without `backward`
    monkeypatch.setattr(torch.Tensor, "backward", lambda *_: torch.empty(2**60))
    said = refused(spec(), store)
    short = "the memory of 'cpu' is not enough, 4.29e+09 GiB"
    assert said.startswith(f"cifar_resnet(depth=8, width=4), seed 0, batches of 16: {short}")


def test_a_batch_to_be_timed_that_does_not_fit_into_memory_is_told(store):
    timing = Timing(batch_size=10**10, size=7)
    net = TimedNet(model=Named(**RESNET), data=spec().data, timing=timing)
    job = Round(nets={"net": net}, number=0, device="cpu", machine=machine("cpu"), code="c", torch="t")
    said = refused(job, store)
    assert said.startswith("timing model 'cifar_resnet' with 10000000000 images of 7×7: the memory of 'cpu'")
    assert said.endswith(" GiB were wanted at once. Take fewer images, or smaller ones")


@pytest.mark.parametrize("options", [{"size": 10**6}, {"train": 10**10}])
def test_data_that_does_not_fit_into_memory_is_told_before_it_is_made(store, options):
    data = Named(name="scenes", **{**SCENES.options, **options})
    update = {"task": "segmentation", "data": data, "fingerprint": fingerprint_of(data)}
    said = refused(spec().model_copy(update=update), store)
    assert said.startswith("data set 'scenes': the memory of 'cpu' is not enough, ")
    assert said.endswith(" TiB were wanted at once. Take fewer images, or smaller ones")


def compiled_without_a_compiler(folder):
    from torch._inductor import config

    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "cache")
    config.cpp.cxx = ("/nonexistent/g++",)
    config.compile_threads = 1  # no pool of compilers
    try:
        execute(spec(compile=True), Store(folder / "store"))
    except ReproError as error:
        (folder / "said").write_text(str(error))


@pytest.mark.journey
def test_a_compiler_that_is_missing_is_told_with_the_remedy(tmp_path):
    process = forked.context().Process(target=compiled_without_a_compiler, args=(tmp_path,))
    process.start()
    process.join()
    said = (tmp_path / "said").read_text()
    assert said.startswith("compile: true does not work here (InvalidCxxCompiler: No working C++ compiler")
    assert said.endswith("); install what is missing, or leave `compile` out of the recipe")

"""What a step takes, found out without a device."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from kit.tiny import spec, state

from repro.catalogue import DATASETS
from repro.data.blank import blank
from repro.data.outlines import Outline
from repro.experiment import Experiment
from repro.models import selective_search
from repro.places import SUITES
from repro.proposals import Proposals
from repro.reading import load
from repro.recipe import Named
from repro.state.net import build
from repro.training.batches import Batches
from repro.training.cost import arithmetic
from repro.training.footprint import BLOCK, Watch, footprint
from repro.training.pace import pace

GIB = 2**30


def test_memory_is_what_is_alive_at_once_and_views_are_nothing():
    watch, million = Watch(), 4 * 1000 * 1000
    with watch:
        first = torch.empty(1000, 1000, device="meta")
        second = first * 2
        del first
        third = second.view(-1) + 1
    whole = -(-million // BLOCK) * BLOCK
    assert watch.peak == watch.alive == 2 * whole
    assert (watch.kernels, watch.moved) == (2, 4 * million)
    del second, third
    assert watch.alive == 0


def test_what_is_made_in_the_place_of_torch_is_as_torch_makes_it(monkeypatch):
    def watched():
        with torch.device("meta"):
            net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU())
            images = torch.empty(4, 3, 9, 9)
        watch = Watch()
        with watch:
            outputs = net(images)
            outputs.sum().backward()
            net.eval()(images)
        gradients = [(part.grad.shape, part.grad.stride(), part.grad.dtype) for part in net.parameters()]
        return outputs.stride(), gradients, watch.kernels, watch.flops, watch.peak, watch.moved

    *quick, peak, moved = watched()
    monkeypatch.setattr("repro.training.footprint.MADE", {})
    *by_torch, torchs_peak, torchs_moved = watched()
    assert quick == by_torch
    assert peak == pytest.approx(torchs_peak, abs=2 * BLOCK)  # the numbers of 8 channels
    assert moved == pytest.approx(torchs_moved, abs=2 * 8 * 4)


@pytest.mark.parametrize(
    "optimizer",
    [{"name": "sgd", "momentum": 0.9, "weight_decay": 0.1}, {"name": "adamw", "weight_decay": 0.1}],
)
def test_an_optimizer_that_is_not_taken_apart_is_as_torch_does_it(monkeypatch, optimizer):
    trial, data = spec(optimizer={"lr": 0.1, **optimizer}), state().data
    quick = footprint(trial, data)
    monkeypatch.setattr("repro.training.footprint.MADE", {})
    by_torch = footprint(trial, data)
    assert (quick.kernels, quick.flops) == (by_torch.kernels, by_torch.flops)
    assert quick.moved == pytest.approx(by_torch.moved, rel=1e-3)
    assert quick.memory == pytest.approx(by_torch.memory, rel=0.02)


def test_flops_are_those_that_the_cost_of_a_trial_counts():
    found, counted = footprint(spec(), state().data), arithmetic(state())
    assert found.flops == counted.step_flops
    assert found.evaluation_flops == 2 * counted.macs * found.evaluated
    assert found.params == sum(tensor.numel() for tensor in state().model.state_dict().values())


def detector(arm, **options):
    """A trial of a detector, and its data, of a few images."""
    trial = Experiment(load(SUITES / "detection" / "yolo.yaml"), "cpu").trial(arm, 0)
    small = {**trial.data.options, "train": 40, "test": 8}
    model = Named(name=trial.model.name, **{**trial.model.options, **options})
    trial = trial.model_copy(update={"data": Named(name=trial.data.name, **small), "model": model})
    return trial, DATASETS.load(trial.data.name)(**small).load()


@pytest.mark.parametrize("arm", ["fast", "rcnn", "yolo"])
def test_a_detector_is_seen_up_to_its_metrics_which_look_at_values(arm):
    trial, data = detector(arm)
    found, counted = footprint(trial, data), arithmetic(build(trial, data, torch.device("cpu")))
    assert found.flops == counted.step_flops
    assert found.evaluation_flops == 2 * counted.macs * found.evaluated


def test_an_evaluation_of_too_many_operators_is_told_from_one_image_and_from_two(monkeypatch):
    trial, data = detector("rcnn", at_once=40)  # its regions go through the net image by image
    whole = footprint(trial, data)
    monkeypatch.setattr("repro.training.footprint.MOST", 3 * whole.evaluation_kernels // 4)
    told = footprint(trial, data)
    assert told.evaluation_moved == pytest.approx(whole.evaluation_moved, rel=0.05)
    assert replace(told, evaluation_moved=whole.evaluation_moved) == whole and whole.evaluated == 8


def test_a_pace_is_without_the_search_for_regions_which_is_made_once_for_all_trials(monkeypatch):
    searched = []
    monkeypatch.setattr(
        selective_search, "search", lambda image, *_: searched.append(image) or np.array([[0, 0, 9, 9]])
    )
    trial, data = detector("fast")
    with Proposals().in_use():
        pace(trial, data, torch.device("cpu"), longest=0.0)
    assert len(searched) == trial.recipe.batch_size + len(data.test)  # the first batch, and the test set


def of(model, shape, classes, masks, batch_size, tested=2, device="cuda", **recipe):
    outline = Outline(1000, tested, shape, masks, is_here=False, bytes=0, source="")
    data = "oxford-pets" if masks else "cifar10"
    trial = spec(model=model, batch_size=batch_size, device=device, **recipe)
    changes = {"data": Named(name=data), "task": "segmentation" if masks else "classification"}
    return footprint(trial.model_copy(update=changes), blank(outline, classes))


@pytest.mark.slow  # makes large nets
@pytest.mark.parametrize(
    ("model", "shape", "masks", "batch_size", "measured"),
    [
        ({"name": "cifar_resnet", "depth": 20}, (3, 32, 32), False, 128, 0.19),
        ({"name": "cifar_resnet", "depth": 56}, (3, 32, 32), False, 128, 0.53),
        ({"name": "unet", "padded": True, "released": True}, (3, 256, 256), True, 8, 6.3),
    ],
)
def test_memory_is_that_of_torchs_own_allocator_for_cuda(model, shape, masks, batch_size, measured):
    """GiB at the peak of a trial, read off torch 2.14.1+cu130 on a CUDA runtime that launches nothing."""
    found = of(model, shape, 3 if masks else 10, masks, batch_size, tested=1000)
    assert found.memory / GIB == pytest.approx(measured, rel=0.15)


@pytest.mark.slow
def test_half_precision_halves_the_maps_and_not_the_weights():
    model = {"name": "cifar_resnet", "depth": 20}
    full, half = (
        of(model, (3, 32, 32), 10, False, 128, precision=precision) for precision in ("fp32", "bf16")
    )
    assert half.memory == pytest.approx(full.memory / 2, rel=0.1) and half.flops == full.flops
    few = {"name": "cifar_resnet", "depth": 20, "width": 64}
    full, half = (of(few, (3, 32, 32), 10, False, 2, precision=precision) for precision in ("fp32", "bf16"))
    assert half.memory > 0.8 * full.memory


def test_on_a_cpu_a_batch_of_the_evaluation_goes_through_the_net_in_parts():
    """Of 160 images of 96 pixels 56 at once."""
    gpu, cpu = (
        of({"name": "cifar_resnet", "depth": 8}, (3, 96, 96), 10, False, 4, tested=160, device=device)
        for device in ("cuda", "cpu")
    )
    assert (gpu.evaluated, cpu.evaluated) == (160, 56)
    assert cpu.evaluation_flops / 56 == gpu.evaluation_flops / 160
    inputs, maps = 160 * 3 * 96 * 96 * 4, 16 * 96 * 96 * 4
    assert cpu.memory - inputs == pytest.approx((gpu.memory - inputs) * 56 / 160, rel=0.01)
    assert cpu.memory - inputs > 2 * 56 * maps


def test_outputs_of_all_parts_lie_there_while_they_are_joined():
    """A class a pixel: what is large are the outputs, in parts and as a whole."""
    data = blank(Outline(99, 320, (3, 96, 96), True, is_here=False, bytes=0, source=""), 200)
    model = {"name": "unet", "padded": True, "widths": [4, 4], "depths": [1, 1], "classes": 200}
    changes = {"data": Named(name="oxford-pets"), "task": "segmentation"}
    found = footprint(spec(model=model).model_copy(update=changes), data)
    outputs = 320 * 200 * 96 * 96 * 4
    assert 2 * outputs < found.memory


@pytest.mark.parametrize(("device", "counts"), [("cuda", True), ("cpu", False)])
def test_cuda_graphs_hold_what_their_passes_make_a_second_time(device, counts):
    trial = spec(device=device)
    plain, graph = (footprint(one, state().data) for one in (trial, spec(device=device, cuda_graph=True)))
    watch, one = Watch(), state()
    one.model.to("meta")
    batch = [part.to("meta") for part in Batches(state()).at(0)]
    with watch:
        one.task.loss(one.model(batch[0]), batch[1]).backward()
    assert graph.memory - plain.memory == (pytest.approx(watch.peak, rel=0.05) if counts else 0)


def test_a_net_that_looks_at_numbers_cannot_be_told(tmp_path, monkeypatch):
    from kit.tiny import install

    install(tmp_path, monkeypatch)
    assert footprint(spec(model={"name": "habits", "peeks": True}), state().data) is None

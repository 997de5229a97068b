"""How quick GPUs are that are not here, held against what others have measured."""

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from repro.errors import ReproError
from repro.plan.gpus import crowded, gpu, like
from repro.training.footprint import Footprint, Watch

# Images a second in training on an RTX 3090, of timm's benchmark (AMP, channels last, PyTorch 1.12)
MEASURED = {"resnet50": 1218.01, "vgg11": 954.03, "densenet121": 913.65, "mobilenet_v2": 2313.1}


def step(name, images=64):
    with torch.device("meta"):
        net = getattr(torchvision.models, name)(**({"init_weights": False} if "vgg" in name else {}))
        batch = torch.empty(images, 3, 224, 224, dtype=torch.bfloat16)
    watch = Watch()
    with FlopCounterMode(display=False) as counter, watch:
        net.bfloat16()(batch).float().sum().backward()
    return Footprint(counter.get_total_flops(), watch.kernels, watch.moved, 0, 0, 1, 0, 0, 0)


@pytest.mark.slow  # makes large nets
@pytest.mark.parametrize("name", MEASURED)
def test_steps_take_what_timm_has_measured_within_a_factor_of_1_25(name):
    images_a_second = 64 / gpu("RTX 3090").pace(step(name), "bf16").step
    assert 1 / 1.25 < images_a_second / MEASURED[name] < 1.25


def test_a_step_of_small_kernels_takes_as_long_as_the_host_needs_to_start_them():
    found = gpu("h100").pace(Footprint(10, 300, 10, 0, 0, 4, 0, 100, 0), "fp32")
    assert found.step == pytest.approx(1.9e-3 + 300 * 30e-6) and found.image == pytest.approx(100 * 30e-6 / 4)


# Milliseconds of a step on an H100 (PyTorch 2.11, of `repro.training.pace`), and what its footprint is
ON_AN_H100 = {
    "resnet-20": (8.89, 235, "bf16"),
    "resnet-110": (38.4, 1225, "bf16"),
    "vgg of 24 layers": (9.79, 287, "bf16"),
    "net of 6 layers": (4.64, 89, "bf16"),
    "lenet": (2.40, 23, "fp32"),
}


@pytest.mark.parametrize("name", ON_AN_H100)
def test_small_nets_take_what_was_measured_on_an_h100_within_a_factor_of_1_25(name):
    milliseconds, kernels, precision = ON_AN_H100[name]
    said = gpu("h100").pace(Footprint(10**9, kernels, 10**8, 0, 0, 1, 0, 0, 0), precision).step
    assert 1 / 1.25 < 1000 * said / milliseconds < 1.25


# The same as CUDA graphs; what the GPU itself has to do counts here
GRAPHS_ON_AN_H100 = {  # milliseconds, kernels, and those that products and copies take
    "resnet-20": (3.01, 235, 0.35),
    "resnet-20 with gates": (4.19, 379, 0.54),
    "resnet-14": (2.22, 149, 0.20),
    "mobilenet": (2.54, 289, 0.29),
    "googlenet": (10.54, 411, 3.04),
    "decoder": (1.77, 203, 0.46),
}


@pytest.mark.parametrize("name", GRAPHS_ON_AN_H100)
def test_graphs_take_what_was_measured_on_an_h100_within_a_factor_of_1_8(name):
    milliseconds, kernels, busy = GRAPHS_ON_AN_H100[name]
    copied = round(busy / 1000 * 3350e9 * 0.85)
    said = gpu("h100").pace(Footprint(0, kernels, copied, 0, 0, 1, 0, 0, 0), "bf16", graph=True).step
    assert 1 / 1.8 < 1000 * said / milliseconds < 1.8


# Milliseconds of a step in TF32 on an H100, FLOPs, and bytes that are copied
IN_TF32 = {
    "fcn-8s": (83.0, 12_922_909_562_880, 76_035_456_680),
    "deeplab v3+": (100.1, 8_890_870_468_608, 135_606_870_800),
    "deeplab of large field of view": (43.0, 6_104_248_089_600, 35_606_412_384),
}


@pytest.mark.parametrize("name", IN_TF32)
def test_large_nets_in_tf32_take_what_was_measured_on_an_h100_within_a_factor_of_1_25(name):
    milliseconds, flops, copied = IN_TF32[name]
    said = gpu("h100").pace(Footprint(flops, 0, copied, 0, 0, 1, 0, 0, 0), "tf32").step
    assert 1 / 1.25 < 1000 * said / milliseconds < 1.25


def test_a_gpu_that_nobody_knows_is_an_error_with_those_that_are_known():
    with pytest.raises(ReproError, match=r"no figures for device 'RTX 4080'; did you mean 'RTX 4090'\?"):
        gpu("RTX 4080")
    with pytest.raises(ReproError, match=r"no figures for device 'abacus'; known: A100, A100 40GB, H100"):
        gpu("abacus")


# Of eight trials at once on an H200, milliseconds of a step each: what the host has to start, and where the
# GPU's own work, at its peak, takes longer.
EIGHT_ON_AN_H200 = {  # milliseconds, kernels, precision, and GFLOP and GB of a step
    "resnet-8": (7.93, 100, "bf16", 10, 0.29),
    "u-net": (15.7, 280, "bf16", 39, 0.53),
    "fcn-8s": (12.1, 196, "bf16", 52, 0.49),
    "plain net": (15.5, 57, "fp32", 32, 0.49),
    "deformable net": (21.7, 141, "fp32", 34, 1.26),
}


@pytest.mark.parametrize("name", EIGHT_ON_AN_H200)
def test_eight_on_a_gpu_take_what_was_measured_within_a_factor_of_1_6(name):
    milliseconds, kernels, precision, flops, moved = EIGHT_ON_AN_H200[name]
    asked = Footprint(flops * 10**9, kernels, int(moved * 10**9), 0, 0, 1, 0, 0, 0)
    said = gpu("h200").pace(asked, precision, trials=8).step
    assert 1 / 1.6 < 1000 * said / milliseconds < 1.6


def test_what_the_gpu_itself_has_to_do_is_done_one_after_the_other():
    assert crowded(3.0, busy=2.0, trials=8) == 16.0
    assert crowded(3.0, busy=0.1, trials=8) == pytest.approx(3.0 * 1.54)
    asked = Footprint(10**12, 10, 10, 0, 0, 4, 10**12, 10, 10)
    alone, eight = (gpu("h100").pace(asked, "bf16", trials=trials) for trials in (1, 8))
    own = gpu("h100").work(asked, "bf16")
    assert own.step == pytest.approx(10**12 / (989e12 * 0.97), rel=1e-3) and own.image == own.step / 4
    assert alone.step == pytest.approx(1.9e-3 + 10 * 30e-6) and eight.step == 8 * own.step > alone.step
    assert alone.image == own.image and eight.image == 8 * own.image


@pytest.mark.parametrize(
    ("driver_says", "name"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A100-SXM4-40GB", "A100 40GB"),
        ("NVIDIA GeForce RTX 3060 Ti", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("Quadro P600", None),
    ],
)
def test_a_gpu_that_is_here_is_known_by_its_drivers_name(driver_says, name):
    assert (like(driver_says) and like(driver_says).name) == name

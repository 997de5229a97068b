"""How quick GPUs are that are not here, held against what others have measured."""

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from repro.errors import ReproError
from repro.plan.gpus import gpu
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
    assert gpu("h100").pace(Footprint(10, 300, 10, 0, 0, 1, 0, 0, 0), "fp32").step == pytest.approx(3e-3)


def test_a_gpu_that_nobody_knows_is_an_error_with_those_that_are_known():
    with pytest.raises(ReproError, match=r"no figures for device 'RTX 4080'; did you mean 'RTX 4090'\?"):
        gpu("RTX 4080")
    with pytest.raises(ReproError, match=r"no figures for device 'abacus'; known: A100, A100 40GB, H100"):
        gpu("abacus")

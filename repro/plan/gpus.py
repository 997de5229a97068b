"""GPUs that one may plan for without having one, and how quick they are at a step.

A step takes as long as its products at the peak of tensor cores and its bytes at 0.85 of the memory's rate,
one after the other, or as long as the host needs to start its kernels, which for most nets of this project is
longer. As CUDA graphs, kernels follow each other by themselves, and not at once either.

Held against: the images a second that timm has measured in training on an RTX 3090 (AMP, channels last,
PyTorch 1.12: results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv of
https://github.com/huggingface/pytorch-image-models) of ResNets, VGG, DenseNets and MobileNet, which come out
within a factor of 1.25. And one H100 in a virtual machine (PyTorch 2.11): of 52 arms of the profile `gpu`,
from which the host's seconds were fitted, 40 took what is said here within a factor of 1.5 and 48 within 2;
all of them together took 1.3 times as long, since deterministic resizing takes hundreds of kernels that
footprints do not show (it takes two products now). Six segmentation nets in fp32, from which its share of the
peak comes, are within 1.5, and so are six in TF32; 15 nets as CUDA graphs are within 1.8. Eight processes at
once took 1.54 times as long a step, without graphs: fewer, and graphs, are reckoned in proportion, but never
as less than the GPU's own work of all of them, one after the other. On an H200, eight at once, trials of five
suites took 0.96 to 1.11 times as long as that says, and those of deformable nets in fp32, which the GPU
itself is long at, 1.4 times.
"""

import re
from typing import NamedTuple

from repro.document import nearest
from repro.errors import ReproError
from repro.training.footprint import Footprint
from repro.training.pace import Pace

TERA, GIGA, GIB = 10**12, 10**9, 2**30
STEP, KERNEL = 1.9e-3, 30e-6  # seconds of the host for what all steps do, and for a kernel
OF_BANDWIDTH = 0.85
GRAPH_STEP, GRAPH_KERNEL = 0.6e-3, 10e-6  # of a CUDA graph: what is left to the host, and a kernel on the GPU
CROWD = 0.54 / 7  # times longer a step takes for each further trial on a GPU: eight at once took 1.54 times
TIMED = 6.0  # seconds a net in a round of timing: twelve layers on an H200, with twenty ticks of energy each
OF_PEAK = {"bf16": 0.97, "tf32": 0.45, "fp32": 0.35}


class Gpu(NamedTuple):
    """As its maker describes it: dense products, boost clock."""

    name: str
    fp32: float  # TFLOP a second, without tensor cores
    bf16: float  # of tensor cores that sum in fp32; twice what they do in TF32
    bandwidth: float  # GB a second
    memory: int  # GiB
    source: str

    def pace(self, asked: Footprint, precision: str, graph: bool = False, trials: int = 1) -> Pace:
        """`graph`: steps are taken as CUDA graphs. `trials` share the GPU."""
        own = self.work(asked, precision)
        if graph:
            step = own.step + GRAPH_STEP + asked.kernels * GRAPH_KERNEL
        else:
            step = max(own.step, STEP + asked.kernels * KERNEL)
        image = max(own.image, asked.evaluation_kernels * KERNEL / asked.evaluated)
        return shared(Pace(step, image), own, trials)

    def work(self, asked: Footprint, precision: str) -> Pace:
        """What the GPU itself is at work for, whatever the host needs."""
        peak = {"bf16": self.bf16, "tf32": self.bf16 / 2, "fp32": self.fp32}[precision]

        def busy(flops: int, moved: int) -> float:
            products = flops / (peak * TERA * OF_PEAK[precision])
            return products + moved / (self.bandwidth * GIGA * OF_BANDWIDTH)

        batch = busy(asked.evaluation_flops, asked.evaluation_moved)
        return Pace(busy(asked.flops, asked.moved), batch / asked.evaluated)


VARIANTS = {"Ti", "SUPER", "D", "Laptop"}
AMPERE = "NVIDIA Ampere GA102 GPU Architecture whitepaper, Appendix A"
GPUS = (
    Gpu("RTX 3060", 12.7, 25.5, 360, 12, "NVIDIA: 3,584 cores at 1.78 GHz, 192 bits of GDDR6 at 15 Gbit/s"),
    Gpu("RTX 3090", 35.6, 71.2, 936, 24, AMPERE),
    Gpu("RTX 4090", 82.6, 165.2, 1008, 24, "NVIDIA Ada GPU Architecture whitepaper, Appendix A"),
    Gpu("A100", 19.5, 312, 2039, 80, "NVIDIA A100 Tensor Core GPU datasheet, 80 GB SXM"),
    Gpu("A100 40GB", 19.5, 312, 1555, 40, "NVIDIA A100 Tensor Core GPU datasheet, 40 GB"),
    Gpu("H100", 67, 989, 3350, 80, "NVIDIA H100 Tensor Core GPU datasheet, SXM"),
    Gpu("H200", 67, 989, 4800, 141, "NVIDIA H200 Tensor Core GPU datasheet, SXM"),
)


def shared(alone: Pace, own: Pace, trials: int) -> Pace:
    """A pace where so many trials share a GPU; `own` is the GPU's own work."""
    return Pace(crowded(alone.step, own.step, trials), crowded(alone.image, own.image, trials))


def crowded(seconds: float, busy: float, trials: int) -> float:
    """How long it takes, where so many trials share a GPU, what takes so long by itself. For `busy` seconds
    of it the GPU is at work, and it is so for one trial after the other.
    """
    return max(seconds * (1 + CROWD * (trials - 1)), busy * trials)


def like(device: str) -> Gpu | None:
    """The one that a device is, by the name that its driver has for it: `NVIDIA A100-SXM4-40GB`. None for
    what has one's number and is another: an `RTX 3060 Ti`.
    """
    words = {*re.split("[ -]", device)}
    found = [one for one in GPUS if {*one.name.split()} <= words and not words & VARIANTS]
    return max(found, key=lambda one: len(one.name), default=None)


def gpu(name: str) -> Gpu:
    """The one of a name, in any case. Raises `ReproError` for another."""
    found = next((one for one in GPUS if one.name.lower() == name.lower()), None)
    if found is None:
        raise ReproError(f"no figures for device '{name}'{nearest(name, [one.name for one in GPUS])}")
    return found

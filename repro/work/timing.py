"""A round of timing: nets one after another, each in a process of its own.

Passes are repeated by pytorch-benchmark, on a clock of ours: its own, in 0.3.6, can be set back
(`time.time`), and takes CUDA's events the wrong way round and their milliseconds for seconds. Its "flops" are
multiply-adds that leave out what is called as a function; here `measures.static.macs` counts. So what it says
is not kept.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from repro.errors import ReproError
from repro.faults import told
from repro.measures.static import image
from repro.round import Round, TimedNet
from repro.state import devices
from repro.state.memory import enough, is_short
from repro.state.net import DTYPES, make_model, put
from repro.state.randomness import own_default_stream, seed_default, stream
from repro.store import Store
from repro.work.gauges import Gauges
from repro.work.processes import follow_the_parent, forked_off, without_the_script

FORWARD = "a forward pass in evaluation mode of a batch that is on the device, until the device is done"
TRAINING = (
    "a forward and a backward pass in training mode of a batch that is on the device, "
    "until the device is done"
)
# Of passes before those that are timed, on a GPU, whose clocks rise as it works: so long at least, and until
# the median of so many is as near to that of those before; and no longer.
WARM, AS_MANY, AS_NEAR, WARM_AT_MOST = 1.0, 10, 0.02, 5.0


def time_round(job: Round, store: Store, device_index: int = 0) -> dict[str, Any]:
    """A record: what was read off for each net, and how long the round took."""
    begun, nets, turns = time.perf_counter(), dict[str, Any](), job.in_turn
    peaks, idle = dict[tuple[str, int], float](), None  # of the device, not of a net: once a round
    context = forked_off(__name__, "pytorch_benchmark.benchmark", "torchvision", "repro.work.settled")
    try:
        for turn, (name, net) in enumerate(turns):
            at = {
                "model": f"timing {name}",
                "step": turn,
                "steps": len(turns),
                "images_per_second": None,
                "seconds_left": None,
            }
            store.tell(job.digest, {**at, "seed": job.number})
            of = net.timing.precision, net.timing.threads
            with ProcessPoolExecutor(1, context, follow_the_parent) as process:
                with without_the_script():
                    known = device_index, peaks.get(of), idle
                    timed = process.submit(_told, net, job.number, job.device, *known)
                nets[name] = timed.result()
            peaks[of] = nets[name]["matmul_peak_flops_per_second"]
            idle = nets[name]["gpu"] and nets[name]["gpu"]["idle_watts"]
    finally:
        store.tell(job.digest, {})
    return {"round": job.model_dump(mode="json"), "nets": nets, "seconds": time.perf_counter() - begun}


def _told(
    net: TimedNet, seed: int, device_name: str, device_index: int, peak: float | None, idle: float | None
) -> dict[str, Any]:
    what, timing = f"timing model '{net.model.name}'", net.timing
    images = f"{timing.batch_size} images of {timing.size}×{timing.size}"
    with told(what), enough(f"{what} with {images}", device_name, "Take fewer images, or smaller ones"):
        return time_net(net, seed, device_name, device_index, peak, idle)


def time_net(
    net: TimedNet,
    seed: int,
    device_name: str,
    device_index: int = 0,
    peak: float | None = None,
    idle: float | None = None,
) -> dict[str, Any]:
    """Time a net with random weights in this process. The device's peak, and a GPU's watts when idle, are
    measured, too, if they are not given. Raises `ReproError` if the net does not take such images.
    """
    timing, device = net.timing, devices.resolve(device_name, device_index)
    with devices.flags(deterministic=False), own_default_stream(device):
        torch.set_num_threads(timing.threads)
        seed_default(torch.device("cpu"), stream(seed, "initialisation"))
        layout = torch.channels_last if timing.channels_last else torch.contiguous_format
        model = put(make_model(net.model, net.data), device, channels_last=timing.channels_last)
        model.train(timing.training)
        channels = image(model, timing.size).shape[1]
        images = f"{timing.batch_size} images of {timing.size}×{timing.size}"
        gauges = Gauges.of(device)
        if gauges and idle is None:
            idle = gauges.idle_watts()
        slowed = dict[int, tuple[str, ...]]()

        def look(number: int) -> None:
            why = gauges.slowed() if gauges else ()
            if why:
                slowed[number] = why

        try:
            batch = torch.randn(timing.batch_size, channels, timing.size, timing.size)
            batch = batch.to(device, memory_format=layout)
            step = _pass(model, timing.training, timing.precision, device)
            seconds = passes(step, batch, device, timing.runs, look)
            state = {**gauges.state(), "slowed": _by_reason(slowed)} if gauges else None
            memory = _peak_memory(step, batch, device)
            spent = gauges.energy(lambda: _whole(step, batch, device)) if gauges else None
        except (RuntimeError, ValueError) as error:
            if is_short(error):
                raise
            raise ReproError(
                f"model '{net.model.name}' cannot be timed with {images} on {device}: {error}"
            ) from None
        return {
            "timing": timing.model_dump(mode="json"),
            "region": TRAINING if timing.training else FORWARD,
            "seconds": seconds,
            "peak_memory_bytes": memory,
            "joules": spent.joules / spent.times if spent else None,
            "gpu": None if state is None else {**state, "idle_watts": idle, "cudnn": _cudnn()},
            "matmul_peak_flops_per_second": peak or devices.matmul_peak(device, timing.precision),
            "environment": devices.describe(device, timing.precision),
        }


def passes(
    step: Callable[[Tensor], Any],
    batch: Tensor,
    device: torch.device,
    runs: int,
    look: Callable[[int], None] = lambda _: None,
) -> list[float]:
    """Seconds of each of so many passes, after a fifth as many to warm up, or one; on a GPU as many as it
    takes to be steady. `look` is called after each that is timed, with its number.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # gputil, below it, imports distutils
        benchmark: Any = import_module("pytorch_benchmark.benchmark")
    benchmark.tqdm = lambda passes, **_: passes  # no bars
    seconds: list[float] = []

    def clocked(given: Tensor) -> Any:
        devices.synchronise(device)
        start = time.perf_counter()
        output = step(given)
        devices.synchronise(device)
        seconds.append(time.perf_counter() - start)
        return output

    def watched(given: Tensor) -> Any:
        output = clocked(given)
        look(len(seconds) - 1)
        return output

    def stay(tensors: Any, _device: Any) -> Any:
        return tensors

    benchmark.warm_up(clocked, batch, device, stay, num_runs=max(1, runs // 5))
    if device.type == "cuda":
        _until_steady(lambda: clocked(batch), seconds)
    seconds.clear()
    with np.errstate(all="ignore"):  # it divides by the seconds of transfers, and there are none
        benchmark.measure_repeated_inference_timing(watched, batch, device, stay, num_runs=runs)
    return seconds


def _until_steady(clocked: Callable[[], Any], seconds: list[float]) -> None:
    """Passes, whose seconds are appended, until their length does not change any more."""
    begun = time.perf_counter()
    while (gone := time.perf_counter() - begun) < WARM_AT_MOST:
        clocked()
        before, last = seconds[-2 * AS_MANY : -AS_MANY], seconds[-AS_MANY:]
        if gone >= WARM and len(before) == AS_MANY and abs(median(last) / median(before) - 1) <= AS_NEAR:
            return


def _by_reason(slowed: Mapping[int, tuple[str, ...]]) -> dict[str, list[int]]:
    """The numbers of the passes after which the GPU said so."""
    found: dict[str, list[int]] = {}
    for number, reasons in slowed.items():
        for why in reasons:
            found.setdefault(why, []).append(number)
    return found


def _whole(step: Callable[[Tensor], Any], batch: Tensor, device: torch.device) -> None:
    step(batch)
    devices.synchronise(device)


def _cudnn() -> int | None:
    found: int | None = torch.backends.cudnn.version()
    return found


def _pass(model: nn.Module, training: bool, precision: str, device: torch.device) -> Callable[[Tensor], Any]:
    def step(batch: Tensor) -> Any:
        with (
            torch.set_grad_enabled(training),
            torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32"),
        ):
            outputs = model(batch)
        if training:
            tensors = [
                leaf
                for leaf in pytree.tree_leaves(outputs)
                if isinstance(leaf, Tensor) and leaf.requires_grad
            ]
            torch.stack([tensor.float().square().mean() for tensor in tensors]).sum().backward()
            model.zero_grad(set_to_none=True)  # each pass takes the memory of its gradients anew
        return outputs

    return step


def _peak_memory(step: Callable[[Tensor], Any], batch: Tensor, device: torch.device) -> int | None:
    memory = devices.PeakMemory(device)
    step(batch)
    devices.synchronise(device)
    return memory.read()

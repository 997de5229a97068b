"""The clock: what is timed, what pytorch-benchmark gets wrong, and a round with its processes."""

import gc
import sys
import time
import warnings
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from statistics import median
from types import SimpleNamespace

import pytest
import torch
from kit import forked
from torch import nn
from torch.nn import functional as F

from repro.errors import ReproError
from repro.measures.static import macs
from repro.recipe import Named, Timing
from repro.round import Round, TimedNet
from repro.state import devices
from repro.store import Store
from repro.work import timing
from repro.work.gauges import Energy, Gauges
from repro.work.timing import FORWARD, TRAINING, passes, time_net, time_round

CPU = torch.device("cpu")


def net(name="resnet", timing=None, **options):
    return TimedNet(model=Named(name=name, **options), data=None, timing=timing or Timing(size=32, runs=3))


@pytest.fixture
def upstream():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of distutils, where it is still there
        return import_module("pytorch_benchmark.benchmark")


def slow(seconds):
    def step(batch):
        time.sleep(seconds)
        return batch

    return step


def test_passes_of_a_known_length_are_timed_right():
    seconds = passes(slow(0.02), torch.zeros(1), CPU, runs=5)
    # Sleep may be longer on a busy machine
    assert len(seconds) == 5 and min(seconds) >= 0.02 and median(seconds) < 0.04


def test_on_the_cpu_pytorch_benchmark_says_the_same(upstream):
    ours: list[float] = []

    def clocked(batch):
        start = time.perf_counter()
        time.sleep(0.01)
        ours.append(time.perf_counter() - start)
        return batch

    theirs = upstream.measure_repeated_inference_timing(clocked, torch.zeros(1), CPU, num_runs=10)
    assert theirs["on_device_inference"]["metrics"]["seconds_per_batch_min"] == pytest.approx(
        min(ours), rel=0.05
    )


@pytest.mark.filterwarnings("ignore:divide by zero")  # by it, of transfers that take no time
def test_on_a_gpu_it_still_says_less_than_nothing(upstream, monkeypatch):
    """If this fails, pytorch-benchmark has been mended: then its own seconds can be kept beside ours."""

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.at = time.perf_counter()

        def elapsed_time(self, end):
            """Milliseconds from this event to another, as torch documents it."""
            return 1000 * (end.at - self.at)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    found = upstream.measure_repeated_inference_timing(
        slow(0.01), torch.zeros(1), torch.device("cuda"), lambda x, _: x, 3
    )
    assert found["on_device_inference"]["metrics"]["seconds_per_batch_mean"] < -9


def test_what_it_calls_flops_are_multiply_adds_that_miss_functions(upstream):
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 3, 3, 3))

        def forward(self, x):
            return F.conv2d(x, self.weight)

    image = torch.randn(1, 3, 10, 10)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False))
    assert upstream.measure_flops(module, image) == macs(module.to("meta"), 10)
    assert upstream.measure_flops(Functional(), image) == 0


def test_the_clock_waits_for_the_device_on_both_sides_of_a_pass(monkeypatch):
    events = []
    monkeypatch.setattr(devices, "synchronise", lambda _: events.append("wait"))
    passes(lambda _batch: events.append("pass"), torch.zeros(1), CPU, runs=10)
    assert events == ["wait", "pass", "wait"] * (2 + 10)


def test_a_net_is_timed_as_it_is_asked():
    found = time_net(net(depth=18, width=8, timing=Timing(size=40, runs=4, batch_size=2)), 0, "cpu")
    assert len(found["seconds"]) == 4 and min(found["seconds"]) > 0
    assert found["region"] == FORWARD and found["timing"]["batch_size"] == 2 and found["joules"] is None
    assert (
        found["gpu"] is None
        and found["matmul_peak_flops_per_second"] > 1e8
        and found["environment"]["precision"] == "fp32"
    )


def test_training_takes_the_backward_pass_too(monkeypatch):
    shapes, gradients = [], []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            shapes.append((self.training, torch.is_grad_enabled(), tuple(x.shape)))
            return {"out": self.layer(x), "aux": [x.mean()]}

    model = Net()
    model.layer.weight.register_hook(lambda gradient: gradients.append(gradient))
    monkeypatch.setattr(timing, "make_model", lambda *_: model)
    found = time_net(net(timing=Timing(size=8, runs=2, training=True, batch_size=5)), 0, "cpu")
    assert (
        found["region"] == TRAINING
        and set(shapes) == {(True, True, (5, 3, 8, 8))}
        and len(gradients) == len(shapes)
    )
    shapes.clear(), gradients.clear()
    time_net(net(timing=Timing(size=8, runs=2)), 0, "cpu")
    assert set(shapes) == {(False, False, (1, 3, 8, 8))} and not gradients


def test_bf16_and_the_number_of_threads_are_what_was_asked_for(monkeypatch):
    seen = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            seen.append(
                (
                    self.layer(x).dtype,
                    torch.get_num_threads(),
                    x.is_contiguous(memory_format=torch.channels_last),
                )
            )
            return x

    monkeypatch.setattr(timing, "make_model", lambda *_: Net())
    threads = torch.get_num_threads()
    time_net(net(timing=Timing(size=8, runs=1, precision="bf16", threads=2)), 0, "cpu")
    assert set(seen) == {(torch.bfloat16, 2, True)} and torch.get_num_threads() == threads


def test_images_that_a_net_does_not_take_are_an_error_that_names_it():
    with pytest.raises(ReproError, match=r"model 'vgg' cannot be timed with 1 images of 64×64 on cpu: "):
        time_net(
            net("vgg", configuration="A", width=0.05, classifier=8, timing=Timing(size=64, runs=1)), 0, "cpu"
        )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="no other system keeps a high-water mark of memory")
def test_peak_memory_is_that_of_a_pass_in_a_process_of_its_own(tmp_path):
    """For real, in the processes of a round."""
    layers = {"wide": "conv 64 3x3 pad 1", "narrow": "conv 32 3x3 pad 1"}
    timing = Timing(size=512, runs=2)
    nets = {
        name: net("sequential", layers=[layer], image_size=512, timing=timing)
        for name, layer in layers.items()
    }
    found = time_round(
        Round(nets=nets, number=0, device="cpu", machine=(), code="", torch=""), Store(tmp_path)
    )["nets"]
    for name, channels in (("wide", 64), ("narrow", 32)):
        assert found[name]["peak_memory_bytes"] == pytest.approx(channels * 512 * 512 * 4, rel=0.25)


def test_a_gpu_is_warmed_up_for_a_second_and_until_its_passes_are_as_long_as_before(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(devices, "synchronise", lambda _: None)
    event = SimpleNamespace(record=lambda: None, elapsed_time=lambda _: -10.0)
    monkeypatch.setattr(torch.cuda, "Event", lambda **_: event)  # pytorch-benchmark's own clock
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)

    def until(steady):
        """Passes that were made when warm: of 10 ms each once it is steady, before that ever longer ones."""
        now[0], made = 0.0, []

        def step(_batch):
            made.append(now[0])
            now[0] += 0.01 if now[0] >= steady else 0.05 * 1.05 ** len(made)

        seconds = passes(step, torch.zeros(1), torch.device("cuda"), 3)
        assert len(seconds) == 3
        return made[-3]

    assert 1.0 <= until(0) < 1.1
    assert 3.1 <= until(3) < 3.6
    assert 5.0 <= until(100) < 5.4


def test_passes_that_a_gpu_slowed_down_are_named_with_the_reason():
    assert timing._by_reason({2: ("power cap",), 3: ("power cap", "power brake")}) == {
        "power cap": [2, 3],
        "power brake": [3],
    }
    seen = []
    passes(lambda batch: batch, torch.zeros(1), CPU, 4, seen.append)
    assert seen == [0, 1, 2, 3]


class Pool:
    """Instead of processes: says when one is started, and works here."""

    started: list = []  # noqa: RUF012
    dies = False

    def __init__(self, *_):
        self.started.append(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing is open."""

    def submit(self, _function, timed, seed, _device, _index, peak, idle):
        depth = timed.model.options["depth"]
        self.started[-1] = depth
        future: Future = Future()
        if self.dies:
            future.set_exception(BrokenProcessPool())
        else:  # a peak that says which net it was measured beside
            gpu = {"idle_watts": idle or depth} if seed else None
            future.set_result({"seed": seed, "matmul_peak_flops_per_second": peak or depth, "gpu": gpu})
        return future


def round_(number, **timings):
    nets = {f"r{depth}": net(depth=depth, timing=timings.get(f"r{depth}")) for depth in (18, 34, 50)}
    return Round(nets=nets, number=number, device="cpu", machine=("a",), code="x", torch="y")


@pytest.mark.parametrize(("number", "order"), [(0, [18, 34, 50]), (1, [50, 34, 18]), (2, [18, 34, 50])])
def test_each_net_of_a_round_has_a_process_of_its_own_in_turns_that_alternate(
    number, order, monkeypatch, tmp_path
):
    monkeypatch.setattr(timing, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(Pool, "started", [])
    found = time_round(round_(number), Store(tmp_path))
    assert Pool.started == order
    assert [found["nets"][f"r{depth}"]["seed"] for depth in (18, 34, 50)] == [number] * 3
    assert found["round"]["number"] == number and found["seconds"] >= 0


def test_the_peak_of_the_device_is_measured_once_a_round_for_what_it_depends_on(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(Pool, "started", [])

    def peaks(**timings):
        nets = time_round(round_(0, **timings), Store(tmp_path))["nets"]
        return [nets[f"r{depth}"]["matmul_peak_flops_per_second"] for depth in (18, 34, 50)]

    assert peaks() == [18, 18, 18]
    assert peaks(r34=Timing(precision="bf16"), r50=Timing(size=64)) == [18, 34, 18]
    assert peaks(r18=Timing(threads=2)) == [18, 34, 34]


def test_the_idle_device_is_measured_once_a_round_before_the_first_net(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(Pool, "started", [])
    nets = time_round(round_(2), Store(tmp_path))["nets"]
    assert [one["gpu"]["idle_watts"] for one in nets.values()] == [18, 18, 18]


def test_what_a_gpu_takes_when_idle_is_not_measured_again_where_it_is_known(monkeypatch):
    class Driver(Gauges):
        def __init__(self):
            self.asked = 0

        def idle_watts(self):
            self.asked += 1
            return 70.0

        def state(self):
            return {}

        def slowed(self):
            return ()

        def energy(self, work):
            work()
            return Energy(3.0, 1.0, 2)

    driver = Driver()
    monkeypatch.setattr(timing.Gauges, "of", lambda _: driver)
    for idle, asked in ((None, 1), (50.0, 1), (0.0, 1)):
        found = time_net(net(depth=18, width=8, timing=Timing(size=32, runs=1)), 0, "cpu", 2e9, idle=idle)
        assert found["gpu"]["idle_watts"] == (70.0 if idle is None else idle) and driver.asked == asked
        assert found["joules"] == 1.5


def test_a_peak_that_is_known_is_not_measured_again(monkeypatch):
    monkeypatch.setattr(devices, "matmul_peak", None)
    timed = time_net(net(depth=18, width=8, timing=Timing(size=32, runs=1)), 0, "cpu", peak=2e9)
    assert timed["matmul_peak_flops_per_second"] == 2e9


@pytest.mark.slow
def test_what_a_process_is_forked_with_is_not_looked_through_for_garbage(monkeypatch, tmp_path):
    imported = []
    monkeypatch.setattr(timing, "forked_off", lambda *modules: imported.extend(modules))
    monkeypatch.setattr(timing, "ProcessPoolExecutor", Pool)
    time_round(round_(0), Store(tmp_path))
    with ProcessPoolExecutor(1, forked.context(), import_module, (imported[-1],)) as process:
        assert process.submit(gc.get_freeze_count).result(60) > 100_000
        assert process.submit(gc.collect).result(60) < 1_000


def test_a_round_whose_process_dies_is_broken_and_says_nothing_more(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(Pool, "started", [])
    monkeypatch.setattr(Pool, "dies", True)
    with pytest.raises(BrokenProcessPool):
        time_round(round_(0), Store(tmp_path))
    assert Store(tmp_path).running() == []


def test_the_order_of_nets_the_machine_and_the_number_make_another_round():
    one = round_(0)
    turned = one.model_copy(update={"nets": dict(reversed(one.nets.items()))})
    elsewhere = one.model_copy(update={"machine": ("b",)})
    assert len({one.digest, round_(1).digest, turned.digest, elsewhere.digest}) == 4

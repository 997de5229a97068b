"""How fast the project trains, shares the cores, remembers and collects. Run: pytest
tests/bench/bench_training.py

Figures are ratios and differences of two ways that take turns, on one thread each, so that a busy machine
slows both. A missed target is shown and fails nothing. The times beside them, of pytest-benchmark, can be
kept and compared (--benchmark-autosave, --benchmark-compare); they mean something only on a quiet machine.
All of it takes 5 to 15 minutes.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import peers
import pytest
import torch

from repro.data.embedded import FashionMnistSmall
from repro.data.split import InMemory, head
from repro.executors.local import Processes
from repro.recipe import Named, Optimizer, Recipe
from repro.state import devices
from repro.state.net import build
from repro.store import Store
from repro.suite import ResolvedArm
from repro.training.checkpoint import Checkpoint
from repro.training.loop import Progress, train
from repro.trial import TrialSpec, specify

pytest_plugins = ["comparison"]

ROOT = Path(__file__).parents[2]
NET = {"depth": 20, "width": 16, "batch_size": 128}  # ResNet-20 of the paper; batch of its section 4.2
SMALL = {"depth": 20, "width": 8, "batch_size": 32}  # of the suites' cpu profiles: more overhead a step
IMPORTS = (
    "repro.cli, repro.result, repro.runner, repro.executors.local, repro.report.progress, repro.report.text"
)

Pairs = list[tuple[float, float]]


@pytest.fixture
def one_thread() -> Iterator[None]:
    with devices.flags(deterministic=True):
        yield


def in_turns(benchmark: Any, first: Callable[[], float], second: Callable[[], float], rounds: int) -> Pairs:
    """Seconds of two ways, a pair a round, after a round to warm up. pytest-benchmark times the first."""
    first(), second()
    ones: list[float] = []
    others: list[float] = []
    benchmark.pedantic(lambda: ones.append(first()), setup=lambda: others.append(second()), rounds=rounds)
    return list(zip(ones, others, strict=True))


def trial(size: int, seed: int, steps: int, *, depth: int, width: int, batch_size: int) -> TrialSpec:
    """As a suite would have it: random crops and flips, bf16, channels last, SGD with momentum."""
    recipe = Recipe(
        steps=steps,
        batch_size=batch_size,
        optimizer=Optimizer(name="sgd", lr=peers.LEARNING_RATE, momentum=peers.MOMENTUM),
        augment=(Named(name="pad_crop", pad=peers.PAD), Named(name="flip")),
        precision="bf16",
    )
    model = Named(name="cifar_resnet", depth=depth, width=width)
    data = Named(name="fashion-mnist-small", size=size)
    return specify("classification", ResolvedArm(model, data, recipe, 0), seed, "cpu")


def ours(size: int, steps: int, **net: int) -> Callable[[], float]:
    """Train with the project's loop; the seconds that it records as its cost, without evaluation."""
    spec, data = trial(size, 0, steps, **net), FashionMnistSmall(size=size).load()
    few = replace(data, test=InMemory(*head(data.test, 10)))
    brief = spec.recipe.evaluate.model_copy(update={"train_images": 10})
    spec = spec.model_copy(update={"recipe": spec.recipe.model_copy(update={"evaluate": brief})})
    return lambda: train(build(spec, few, torch.device("cpu")), Checkpoint(None), Progress()).cost["seconds"]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("size", [14, 28])
def test_a_step_against_the_loop_most_people_write(size, benchmark, compare):
    steps, data = {14: 20, 28: 10}[size], FashionMnistSmall(size=size).load()
    pairs = in_turns(
        benchmark, ours(size, steps, **NET), lambda: peers.usual(data, steps=steps, **NET), rounds=7
    )
    benchmark.extra_info["images_per_second"] = steps * NET["batch_size"] / min(mine for mine, _ in pairs)
    compare(
        f"training step {size}×{size} against the usual loop",
        [usual / mine for mine, usual in pairs],
        "×",
        at_least=1.9,
    )


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("net", [NET, SMALL], ids=["width16-batch128", "width8-batch32"])
def test_the_loop_against_its_operations_written_bare(net, benchmark, compare):
    data = FashionMnistSmall(size=14).load()
    # Short: noise is slow
    pairs = in_turns(benchmark, ours(14, 8, **net), lambda: peers.bare(data, steps=8, **net), rounds=31)
    overhead = [100 * (mine / bare - 1) for mine, bare in pairs]
    compare(f"loop's overhead, width {net['width']}, batch {net['batch_size']}", overhead, " %", at_most=3)


def test_two_trials_at_once_against_one_after_the_other(tmp_path, monkeypatch, benchmark, compare):
    """The cores may be two threads of one: the same ratio of bare loops says what the machine has to give."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # places of its own, not to wait for trials of others
    store, seeds = Store(tmp_path / "store"), iter(range(1000))
    pool, bare = Processes(2), ProcessPoolExecutor(2, mp_context=get_context("spawn"))

    def submit() -> Any:
        return pool.submit(trial(14, next(seeds), 100, **SMALL), store)

    def submit_bare() -> Any:
        return bare.submit(peers.bare_in_its_own_process, 100)

    def at_once(start: Callable[[], Any]) -> float:
        begun, futures = time.perf_counter(), [start(), start()]
        assert all(future.result() for future in futures)
        return time.perf_counter() - begun

    def in_a_row(start: Callable[[], Any]) -> float:
        begun = time.perf_counter()
        assert start().result() and start().result()
        return time.perf_counter() - begun

    try:
        at_once(submit), at_once(submit_bare)  # both workers of both pools import what they need
        machine: list[float] = []

        def one_after_the_other() -> float:
            machine.append(in_a_row(submit_bare) / at_once(submit_bare))
            return in_a_row(submit)

        pairs = in_turns(benchmark, lambda: at_once(submit), one_after_the_other, rounds=5)
    finally:
        pool.close()
        bare.shutdown()
    compare(
        "two trials at once against in a row", [row / together for together, row in pairs], "×", at_least=1.8
    )
    compare("… bare loops without the project", machine[1:], "×")


def test_a_second_run_of_a_finished_suite(tmp_path, benchmark, compare):
    suite = ROOT / "suites/selfcheck/known_answer.yaml"
    home = {"REPRO_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    run = [
        sys.executable,
        "-c",
        "from repro.cli import main; main()",
        "run",
        str(suite),
        "--results",
        str(tmp_path / "results"),
    ]
    imports = [sys.executable, "-c", f"import {IMPORTS}"]
    command(run, **home)
    pairs = in_turns(benchmark, lambda: command(run, **home), lambda: command(imports, **home), rounds=7)
    compare(
        "second run of a suite, beyond its imports",
        [again - alone for again, alone in pairs],
        " s",
        at_most=3,
    )
    compare("… with its imports", [again for again, _ in pairs], " s")


def test_collecting_a_hundred_suites(tmp_path, benchmark, compare):
    full, empty = tmp_path / "full", tmp_path / "empty"
    full.mkdir(), empty.mkdir()
    for shared in ("ledger.json", "recipes.yaml"):
        shutil.copy(ROOT / "suites" / shared, full)
    text = (ROOT / "suites/classification/resnet_degradation.yaml").read_text(encoding="utf-8")
    for number in range(100):
        own = text.replace("suite: resnet-degradation", f"suite: number-{number}")
        (full / f"suite_{number}.yaml").write_text(own, encoding="utf-8")
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    pairs = in_turns(
        benchmark,
        lambda: command([*collect, str(full)], folder=full),
        lambda: command([*collect, str(empty)], folder=empty, status=pytest.ExitCode.NO_TESTS_COLLECTED),
        rounds=7,
    )
    compare(
        "collecting 100 suites, beyond pytest's start",
        [some - none for some, none in pairs],
        " s",
        at_most=1.5,
    )


def command(words: list[str], *, folder: Path = ROOT, status: int = 0, **environment: str) -> float:
    """Seconds that a command takes. Anything but the expected exit code is an error."""
    start = time.perf_counter()
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == status, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return time.perf_counter() - start

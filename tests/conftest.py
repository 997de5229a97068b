"""What the tests share: a small suite, and a store of their own."""

import atexit
import gc
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from repro.store import Store

# Before torch: workers that share cores must not each take all of them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Leases of this run alone, so that tests do not wait for what else trains on the machine. The path is short,
# as sockets want.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
tempfile.tempdir = os.environ["TMPDIR"] = tempfile.mkdtemp(
    prefix="r-", dir=os.environ["PYTEST_DEBUG_TEMPROOT"]
)
atexit.register(shutil.rmtree, tempfile.tempdir, ignore_errors=True)

# What no process can import twice.
ONCE = ("concurrent", "datasets", "numpy", "pandas", "pyarrow", "torch", "torchvision")

pytest_plugins = ["pytester", "kit.mistakes"]

TINY = """\
suite: tiny
task: classification
arms:
  small: {model: cifar_resnet, depth: 8}
  frozen: {model: cifar_resnet, depth: 8, recipe: {optimizer: {lr: 0}}}
  large: {model: cifar_resnet, depth: 14}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 7}
    model: {width: 4}
    recipe:
      steps: 20
      batch_size: 32
      optimizer: {name: sgd, lr: 0.1, momentum: 0.9}
      evaluate: {train_images: 100}
  missing:
    data: {name: cifar10}
    recipe: {steps: 20, batch_size: 32, optimizer: {name: sgd, lr: 0.1}}
claims:
  learns: {says: Training helps., expect: test_error(small) < test_error(frozen)}
  upside-down: {says: Training hurts., expect: test_error(small) > test_error(frozen)}
  known:
    says: Training hurts.
    expect: test_error(small) > test_error(frozen)
    at: {cpu: {verdict: refuted, because: it is so}}
  coin: {says: An untrained net is right on one image of ten., expect: test_error(frozen) < 0.9}
  sizes: {says: They are equally large., expect: params(small) == params(large)}
  order: {says: The deeper one is larger., expect: params(small) < params(large)}
"""


def pytest_itemcollected(item: pytest.Item) -> None:
    """What is a journey is slow."""
    if item.get_closest_marker("journey"):
        item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nothing that is imported is garbage: to look for some takes an eighth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def imports_are_no_garbage() -> None:
    """Every trial collects garbage before its memory is measured: 0.3 s if torch is looked through, too."""
    import torch  # noqa: F401

    if len(sys.modules) > frozen[-1]:
        gc.freeze()
        frozen.append(len(sys.modules))


frozen = [0]  # how many modules had been imported


@pytest.fixture(autouse=True)
def own_chance() -> None:
    """Each test draws the same numbers, whatever ran before it."""
    import torch  # after the number of threads is set

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def imported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run within a test imports of these stays, though `pytester` takes back all else."""
    from _pytest import pytester

    original = pytester.SysModulesSnapshot

    def snapshot(preserve: Callable[[str], bool]) -> pytester.SysModulesSnapshot:
        return original(lambda name: preserve(name) or name.partition(".")[0] in ONCE)

    monkeypatch.setattr(pytester, "SysModulesSnapshot", snapshot)


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store for tests that only read verdicts: what one trained, the others find."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def tiny(tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a small suite, in the folder that is the current one. Its claims take seconds."""
    monkeypatch.setenv("REPRO_HOME", str(shared_home))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model `habits`, and a peak of the device that is not measured."""
    from kit.tiny import install

    from repro.state import devices

    install(tmp_path / "packages", monkeypatch)
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1e9)


@contextmanager
def on_one_core() -> Iterator[None]:
    """This process and those that it starts may use one core: then they train by themselves, and no further
    process imports torch for it. Each worker of pytest-xdist has another core.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {sorted(before)[worker % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def one_core() -> Iterator[None]:
    with on_one_core():
        yield


@pytest.fixture
def store(tmp_path: Path) -> "Store":
    from repro.store import Store

    return Store(tmp_path / "store")

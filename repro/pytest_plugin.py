"""The pytest face: `pytest suites/` has one item a claim. Collecting imports no torch."""

import math
from argparse import ArgumentTypeError
from collections.abc import Generator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from repro.executors import SHARES
from repro.interrupt import deaf, hear
from repro.places import RESULTS, RUNS, SUFFIXES
from repro.pytest_face.items import RUN, ClaimItem, SuiteFile
from repro.pytest_face.run import Run


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("repro", "claims of papers (suites/*.yaml)")
    group.addoption(
        "--profile",
        type=_word,
        default="cpu",
        help="the scale at which claims are tested: cpu, gpu or paper (default: cpu)",
    )
    group.addoption(
        "--device", choices=("cpu", "cuda", "mps"), help="train here instead of on the profile's device"
    )
    group.addoption(
        "--seeds-max", type=_positive, metavar="N", help="allow N seeds instead of what the suite allows"
    )
    group.addoption(
        "--jobs", type=_positive, metavar="N", help="how many trials run at once (default: one per core)"
    )
    group.addoption(
        "--per-gpu",
        type=_share,
        default=1,
        metavar="N",
        help="trials that share a GPU, each with an equal part of its memory (default: 1)",
    )
    group.addoption(
        "--executor", choices=("local", "ray"), default="local", help="where trials run (default: local)"
    )
    group.addoption(
        "--fresh",
        action="store_true",
        help="train everything again instead of using what is stored; a run that is killed starts over",
    )
    group.addoption(
        "--pilot",
        action="store_true",
        help="try a recipe: seeds from 1000 up, which never judge, and no result",
    )
    group.addoption(
        "--results", type=_folder, metavar="DIR", help=f"where result JSONs go (default: {RUNS.as_posix()})"
    )
    group.addoption(
        "--hours",
        type=_hours,
        metavar="H",
        help="take the suites whose oldest verdict is oldest first, and leave what takes longer than H hours",
    )
    group.addoption(
        "--earlier",
        type=_folder_that_is_there,
        metavar="DIR",
        help=f"for --hours: the results of earlier runs (default: {RESULTS.as_posix()})",
    )
    group.addoption(
        "--strict-claims",
        action="store_true",
        help="fail where a claim is undecided, or expected to be, and the verdict is not the expected one",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"not a whole number above 0: {text}")
    return int(text)


def _hours(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise ArgumentTypeError(f"not a number of hours above 0: {text}")


def _word(text: str) -> str:
    if not text:
        raise ArgumentTypeError("the name is empty")
    return text


def _folder(text: str) -> Path:
    found = Path(_word(text))
    if found.exists() and not found.is_dir():
        raise ArgumentTypeError(f"not a folder: {text}")
    return found


def _folder_that_is_there(text: str) -> Path:
    found = _folder(text)
    if not found.is_dir():
        raise ArgumentTypeError(f"there is no such folder: {text}")
    return found


def _share(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= SHARES:
        raise ArgumentTypeError(f"not a whole number from 1 to {SHARES}: {text}")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        hear()
    config.addinivalue_line("markers", "static: a claim that needs no training")
    config.addinivalue_line("markers", "timed: a claim that times nets, with the machine to itself")
    config.addinivalue_line("markers", "trained: a claim that needs training")
    config.pluginmanager.register(Run(config), RUN)


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Generator[None]:
    """Workers of pytest-xdist are started here; they hear Ctrl-C from `pytest_configure` on."""
    with deaf() if session.config.pluginmanager.hasplugin("dsession") else nullcontext():
        return (yield)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    if file_path.suffix not in SUFFIXES:
        return None
    from repro.suite_files import is_suite

    if is_suite(file_path, named=parent.session.isinitpath(file_path)):
        return SuiteFile.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if isinstance(item, ClaimItem) and call.when == "call" and item.decided is not None:
        decided = item.decided.model_dump(mode="json")
        report.repro = {
            "file": str(item.path),
            "name": item.name,
            "place": item.place,
            "decided": decided,
        }
    elif isinstance(item, ClaimItem) and call.when == "call" and item.is_late:
        report.repro_late = item.suite.suite
    return report


def pytest_report_teststatus(report: Any) -> Any:
    found = getattr(report, "repro", None)
    if found and report.when == "call" and report.passed and not found["decided"]["claim"]["as_expected"]:
        if found["decided"]["claim"]["verdict"] == "undecided":
            return "undecided", "u", ("UNDECIDED", {"yellow": True})
        return "decided", "d", ("DECIDED", {"yellow": True})  # where it was expected not to be
    return None

"""What is told before the first trial: that memory or places do not suffice."""

import re
from itertools import islice
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from conftest import TINY
from kit.tiny import install

from repro.cli import main
from repro.errors import ReproError
from repro.executors import quota
from repro.faults import Fault
from repro.format import size
from repro.options import Options
from repro.places import SUITES
from repro.plan import ahead
from repro.plan.ahead import PROCESS
from repro.plan.arms import form_of
from repro.reading import load_all
from repro.runner import Runner
from repro.store import Store
from repro.suite_files import suite_files
from repro.training.footprint import CONTEXT
from repro.work.room import need

GB = 10**9


@pytest.fixture
def tiny(tiny, tmp_path, monkeypatch):
    """The suite, with a store in which nothing is done, and four cores."""
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(ahead, "count", lambda device, _=1: 4 if device == "cpu" else 1)
    return tiny


@pytest.fixture
def memory(monkeypatch):
    """Says how much the machine has."""
    return lambda count: monkeypatch.setattr(quota, "memory", lambda: int(count))


def run(*arguments):
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def test_trials_that_do_not_go_at_once_are_told_in_one_line_with_the_remedy(tiny, memory):
    memory(2.5 * PROCESS)
    done = run(tiny, "-k", "learns", "-j", "4", "--results", "new")
    said = r"arm 'small' needs about 3\d\d MB of memory, and 4 at once 1\.\d\d GB; this machine has 786 MB\. "
    assert done.exit_code == 2 and re.search(
        rf"^ *{said}Take fewer trials at once: --jobs 2$", done.output, re.MULTILINE
    )
    assert not [*Path("home").glob("trials/*")]


def test_a_trial_that_does_not_go_by_itself_wants_to_be_smaller(tiny, memory):
    memory(PROCESS)
    done = run(tiny, "-k", "learns", "-j", "1")
    assert done.exit_code == 2
    assert "; this machine has 315 MB. Take a smaller batch_size, net or images" in done.output
    assert "at once" not in done.output


def test_what_is_done_already_needs_no_memory(tiny, memory):
    assert run(tiny, "-k", "coin", "-j", "1").exit_code == 0
    memory(1)
    assert run(tiny, "-k", "coin", "-j", "1").exit_code == 0


def test_no_more_trials_are_reckoned_at_once_than_a_claim_wants(tiny, memory):
    session = Options(jobs=100).session(Runner(Store(Path("home")), None))
    looks = Options(jobs=100).ahead(Store(Path("home")))
    (suite,) = load_all([tiny]).values()
    looks.check(session.steps(suite, "coin", most=1))  # five seeds of one arm
    each = PROCESS + 1
    ahead_of = {"four": 3.9 * each, "five": 5.5 * each}
    memory(ahead_of["five"])
    looks.check(session.steps(suite, "coin", most=1))
    memory(ahead_of["four"])
    with pytest.raises(ReproError, match="and 4 at once"):
        looks.check(session.steps(suite, "coin", most=1))


@pytest.mark.parametrize(
    ("error", "is_ours"),
    [
        (KeyError("no such luck"), True),
        (FileNotFoundError("no such picture"), False),
        (MemoryError("of a set"), False),
        (ReproError("data set 'x': only one class"), False),
    ],
    ids=str,
)
def test_a_fault_of_ours_is_told_and_what_is_the_users_is_left_to_the_trial(
    tiny, monkeypatch, error, is_ours
):
    def fails(*_):
        raise error

    monkeypatch.setattr("repro.plan.arms.footprint", fails)
    session = Options().session(Runner(Store(Path("home")), None))
    (suite,) = load_all([tiny]).values()
    steps = list(session.steps(suite, "learns", most=1))
    if is_ours:
        with pytest.raises(Fault, match=r"^the memory of arm 'small': KeyError: 'no such luck'\n"):
            Options().ahead(Store(Path("home"))).check(steps)
    else:
        Options().ahead(Store(Path("home"))).check(steps)


def test_a_fault_of_the_users_code_is_left_to_the_trial(tiny, tmp_path, monkeypatch):
    install(tmp_path / "nets", monkeypatch)
    nets = tmp_path / "nets" / "tinynets" / "nets.py"
    begins = "    def forward(self, x):\n"
    nets.write_text(nets.read_text().replace(begins, f"{begins}        {{}}[x.shape]\n"))
    own = TINY.replace("{model: cifar_resnet, depth: 8}", "{model: habits}", 1)
    tiny.write_text(own.replace("    model: {width: 4}\n", ""))
    done = run(tiny, "-k", "learns", "-j", "1")
    assert done.exit_code == 2 and "KeyError" in done.output and "{}[x.shape]" in done.output
    assert "the memory of arm" not in done.output


@pytest.mark.parametrize(("per_gpu", "is_too_large"), [(1, False), (2, False), (3, True)])
def test_a_trial_goes_into_its_part_of_a_gpu(tiny, monkeypatch, per_gpu, is_too_large):
    session = Options(device="cuda").session(Runner(Store(Path("home")), None))
    (suite,) = load_all([tiny]).values()
    steps = list(session.steps(suite, "learns", most=1))
    wanted = need(steps[0].job, form_of(steps[0].job.data))
    total = 3 * (CONTEXT + wanted // 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, total))
    looks = Options(device="cuda", per_gpu=per_gpu).ahead(Store(Path("home")))
    if not is_too_large:
        looks.check(steps)
        return
    part = re.escape(size(total // 3 - CONTEXT))
    said = rf"takes about .+ of the GPU's memory, of which {part} are free\. .+\n  in arm 'small'"
    with pytest.raises(ReproError, match=said):
        looks.check(steps)


def test_on_a_cluster_nothing_is_known_of_the_machines(tiny, memory):
    memory(1)
    session = Options().session(Runner(Store(Path("home")), None))
    (suite,) = load_all([tiny]).values()
    Options(where="ray").ahead(Store(Path("home"))).check(session.steps(suite, "learns", most=1))


@pytest.mark.parametrize(("places", "is_too_few"), [(4, False), (8, True)])
def test_more_places_than_there_are_are_told(tiny, places, is_too_few):
    tiny.write_text(TINY.replace("      steps:", f"      places: {places}\n      steps:"))
    session = Options().session(Runner(Store(Path("home")), None))
    (suite,) = load_all([tiny]).values()
    try:
        Options().ahead(Store(Path("home"))).check(session.steps(suite, "learns", most=1))
    except ReproError as error:
        assert is_too_few and str(error) == "arm 'small' needs 8 cores, here are 4"
    else:
        assert not is_too_few


def test_pytest_tells_it_too(tiny, memory, pytester):
    memory(1)
    done = pytester.runpytest_inprocess(str(tiny), "-k", "learns", "--jobs", "2", "-p", "no:cacheprovider")
    done.assert_outcomes(failed=1, deselected=5)
    done.stdout.fnmatch_lines(["arm 'small' needs about * of memory*; this machine has 1 B. Take a smaller*"])


@pytest.mark.slow
def test_no_suite_of_large_images_is_refused_at_cpu_on_8_gb_and_8_cores(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(ahead, "count", lambda *_: 8)
    memory(8 * GB)
    options, store = Options(jobs=8), Store(tmp_path)
    session, looks = options.session(Runner(store, None)), options.ahead(store)
    for suite in load_all(suite_files([SUITES])).values():
        if suite.task in ("segmentation", "detection"):  # images of others have 28 pixels a side, at most
            for name, _ in islice(suite.claims_at("cpu"), 1):
                looks.check(session.steps(suite, name, most=1))

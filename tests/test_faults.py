"""Faults of other people's code: the calls in it are shown, and where in the suite it is; nothing else."""

import pickle
from concurrent.futures.process import BrokenProcessPool
from itertools import count

import pytest
from click.testing import CliRunner
from kit import forked

import repro
from repro.catalogue import CLOCKS, DATASETS, MODELS, PROBES
from repro.cli import main
from repro.errors import ReproError
from repro.executors import local
from repro.faults import FRAMES, LINES, Fault, told

pytestmark = pytest.mark.slow  # processes

PACKAGE = """\
import sys

from torch import nn


def inner(what):
    if what == "exit":
        sys.exit(3)
    if what == "deep":
        inner(what)
    raise KeyError(what)


class Net(nn.Module):
    \"\"\"Fails where it is told to.\"\"\"

    def __init__(
        self, *, fails: str = "", says: str = "no such luck",
        in_channels: int = 1, classes: int = 10
    ):
        super().__init__()
        self.fails, self.says = fails, says
        self.head = nn.Linear(49 * in_channels, classes)
        if fails == "built":
            inner(says)

    def forward(self, x):
        if self.fails == "shape":
            return self.head(x)
        if self.fails == "value":
            raise ValueError(self.says)
        if self.fails == "trained" and self.training and not x.is_meta:
            inner(self.says)
        return self.head(x.flatten(1))


def probe(state, *, says: str = "no such luck"):
    inner(says)


def clock(timed):
    return inner("no such clock")


class Data:
    channels, classes = 1, 10

    def fingerprint(self):
        return inner("no such data")
"""
NAMES = {
    MODELS: ("net", "Net"),
    PROBES: ("faulty", "probe"),
    CLOCKS: ("late", "clock"),
    DATASETS: ("odd", "Data"),
}
NUMBERS = count()
SUITE = """\
suite: own
task: classification
arms:
  mine: {model: net, OPTIONS}
  sound: {model: net}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 7}
    recipe: {steps: 2, batch_size: 8, optimizer: {name: sgd, lr: 0.01}, evaluate: {train_images: 16}}
claims:
  broken: {says: It fails., expect: "EXPECT"}
  sound: {says: It has weights., expect: params(sound) > 0}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of a package of one's own, which adds to the catalogues. No two have one name: what has been
    read of a module is not read again.
    """
    folder, name = tmp_path / "packages", f"mine{next(NUMBERS)}"
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    (folder / name / "parts.py").write_text(PACKAGE)
    points = ""
    for known, (entry, target) in NAMES.items():
        points += f"[{known.group}]\n{entry} = {name}.parts:{target}\n"
        monkeypatch.setitem(known.targets, entry, f"{name}.parts:{target}")
    (folder / "mine-1.dist-info").mkdir()
    (folder / "mine-1.dist-info" / "entry_points.txt").write_text(points)
    (folder / "mine-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return folder / name


def write(folder, options="", expect="test_error(mine) < 2", data="fashion-mnist-small, size: 7"):
    text = SUITE.replace(", OPTIONS", f", {options}" if options else "").replace("EXPECT", expect)
    (folder / "own.yaml").write_text(text.replace("fashion-mnist-small, size: 7", data))


def run(*arguments):
    return CliRunner().invoke(main, ["run", "own.yaml", *arguments])


# ---- in words


def test_what_is_raised_is_told_with_the_calls_that_led_to_it():
    with pytest.raises(Fault, match=r"^a net, seed 0: ValueError: no such luck$"), told("a net, seed 0"):
        raise ValueError("no such luck")


def test_a_fault_of_the_harness_is_told_with_its_own_calls():
    with pytest.raises(Fault) as caught, told("loading"):
        MODELS.errors("vgg", {"a": object()})  # no plain data
    assert str(caught.value).startswith("loading: TypeError: ")
    assert '/repro/catalogue.py", line ' in str(caught.value)


@pytest.mark.parametrize("error", [ReproError("There is no data."), BrokenProcessPool("It died.")])
def test_errors_that_are_meant_pass_as_they_are(error):
    with pytest.raises(type(error)) as caught, told("a net"):
        raise error
    assert caught.value is error


def test_a_fault_that_is_told_is_told_once_and_any_process_can_pass_it_on():
    with pytest.raises(Fault) as caught, told("outer"), told("inner"):
        raise ValueError("no such luck")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) == "inner: ValueError: no such luck" and again.__cause__ is None


def test_an_interrupt_is_no_fault():
    with pytest.raises(KeyboardInterrupt), told("a net"):
        raise KeyboardInterrupt


def test_a_long_message_is_cut():
    with pytest.raises(Fault) as caught, told("a net"):
        raise RuntimeError("\n".join(map(str, range(1000))))
    assert str(caught.value).splitlines()[LINES - 1 :] == ["9", "…"]


# ---- of a run


@pytest.mark.slow  # processes
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.journey)])
def test_a_fault_in_ones_own_model_shows_ones_own_calls_and_the_place_in_the_suite(
    package, tmp_path, monkeypatch, jobs
):
    monkeypatch.setattr(local.multiprocessing, "get_context", lambda _: forked.context())
    write(tmp_path, "fails: trained")
    ended = run("-j", jobs)
    assert ended.exit_code == 2 and len(ended.output.splitlines()) < 25
    assert "own.yaml::sound  reproduced" in ended.output
    *_, failed = ended.output.partition("1 failed:")
    assert failed.startswith("\n  own.yaml::broken\n    net(fails=trained), seed ")
    assert ": KeyError: 'no such luck'\n" in failed
    place = f'File "{package}/parts.py", line '
    inner, forward = failed.index("raise KeyError"), failed.index("inner(self.says)")
    assert failed.count(place) == 2 and forward < inner
    assert failed.endswith("    raise KeyError(what)\n      in arm 'mine'\n")
    assert "site-packages" not in ended.output and "/repro/" not in failed and "Traceback" not in failed


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("options", "expect", "said"),
    [
        (
            "fails: shape",
            "test_error(mine) < 2",
            "model 'net' does not take this data's images of 1×7×7: mat1",
        ),
        ("fails: value", "test_error(mine) < 2", "images of 1×7×7: no such luck"),
        ("fails: built", "test_error(mine) < 2", "KeyError: 'no such luck'"),
        ("fails: built", "params(mine) < 2", "KeyError: 'no such luck'"),
        ("", "faulty(mine) < 2", "faulty: KeyError: 'no such luck'"),
        ("", "faulty(mine, says=exit) < 2", "faulty: SystemExit: 3"),
        ("fails: built", "latency(mine) < 2", "KeyError: 'no such luck'"),
    ],
)
def test_every_fault_shows_ones_own_calls(tmp_path, options, expect, said):
    write(tmp_path, options, expect)
    ended = run("-j", "1", "--seeds-max", "1")
    assert ended.exit_code == 2 and len(ended.output.splitlines()) < 40
    assert said in ended.output and "/parts.py" in ended.output and "in arm 'mine'" in ended.output
    assert "Traceback" not in ended.output and "own.yaml::sound  reproduced" in ended.output


@pytest.mark.usefixtures("package")
def test_a_fault_in_ones_own_data_shows_ones_own_calls(tmp_path):
    write(tmp_path, data="odd")
    ended = run("-j", "1")
    assert ended.exit_code == 2 and "data set 'odd': KeyError: 'no such data'\n" in ended.output
    assert (
        ended.output.endswith("    raise KeyError(what)\n") and "own.yaml::sound  reproduced" in ended.output
    )


@pytest.mark.usefixtures("package")
def test_of_calls_without_end_the_last_are_shown(tmp_path):
    write(tmp_path, "", "faulty(mine, says=deep) < 2")
    ended = run("-j", "1", "--seeds-max", "1")
    assert "RecursionError: maximum recursion depth exceeded" in ended.output
    assert ended.output.count("/parts.py") == FRAMES


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("raise RuntimeError('no such luck')", "RuntimeError: no such luck"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("sys.exit(0)", "SystemExit: 0"),
    ],
)
def test_a_package_that_cannot_be_imported_is_one_error_with_its_place(package, tmp_path, line, said):
    write(tmp_path)
    (package / "parts.py").write_text(PACKAGE.replace("import sys\n", f"import sys\n\n{line}\n"))
    assert CliRunner().invoke(main, ["check", "own.yaml"]).exit_code == 0  # nothing is imported
    ended = run("-j", "1", "-k", "sound")
    assert ended.exit_code == 2 and ended.output.count(f"model 'net' cannot be imported: {said}\n") == 1
    assert f'File "{package}/parts.py", line 3, in <module>\n        {line}\n' in ended.output


def test_the_rest_of_a_run_goes_on_where_one_package_cannot_be_imported(package, tmp_path):
    write(tmp_path)
    text = (tmp_path / "own.yaml").read_text()
    (tmp_path / "own.yaml").write_text(
        text.replace("sound: {model: net}", "sound: {model: cifar_resnet, depth: 8}")
    )
    (package / "parts.py").write_text("raise RuntimeError('no such luck')\n" + PACKAGE)
    ended = run("-j", "1")
    assert ended.exit_code == 2 and "own.yaml::sound  reproduced" in ended.output
    assert ended.output.count("no such luck") == 2  # the message, and the line


@pytest.mark.usefixtures("package")
def test_what_has_failed_is_not_tried_again(tmp_path):
    write(tmp_path, "fails: trained")
    text = (tmp_path / "own.yaml").read_text()
    (tmp_path / "own.yaml").write_text(
        text + "  broken-too: {says: It fails., expect: train_error(mine) < 2}\n"
    )
    with pytest.raises(ReproError) as caught:
        repro.run("own.yaml", only="broken", jobs=1)
    assert str(caught.value).count("KeyError: 'no such luck'") == 1
    assert "own.yaml::broken\n  own.yaml::broken-too\n" in str(caught.value)


@pytest.mark.slow  # processes
@pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.journey)], ids=["alone", "with a worker"]
)
def test_under_pytest_a_fault_shows_the_same(package, pytester, monkeypatch, workers):
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=":")
    write(pytester.path, "fails: trained")
    pytest_run = pytester.runpytest_subprocess if workers else pytester.runpytest_inprocess
    ended = pytest_run("own.yaml", "--jobs", "1", "-p", "no:cacheprovider", *workers)
    ended.assert_outcomes(passed=1, failed=1)
    ended.stdout.fnmatch_lines(
        [
            "net(fails=trained), seed 0: KeyError: 'no such luck'",
            f'  File "{package}/parts.py", line *, in forward',
            "    inner(self.says)",
            f'  File "{package}/parts.py", line *, in inner',
            "    raise KeyError(what)",
            "  in arm 'mine'",
            "  in own.yaml::broken",
            "FAILED own.yaml::broken - net(fails=trained), seed 0: KeyError: 'no such luck'*",
        ]
    )
    said = [line for line in ended.outlines if not line.startswith("[gw")]  # where xdist's Python is
    text = "\n".join(said)
    assert "/repro/" not in text and "Traceback" not in text and len(said) < 40

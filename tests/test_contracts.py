"""What the catalogues offer keeps to its contract, and what does not is said, entry points of others too."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kit.entries import BY_NAME, ENTRIES
from PIL import Image

from repro.cli import main
from repro.conformance.entries import GIVEN, TRIED, faults


@pytest.fixture(autouse=True)
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of one picture each in both splits."""
    for split in ("train", "test"):
        for number, name in enumerate(("cat", "dog")):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
            picture = Image.new("RGB", (9, 9), (200 * number, 50, 40 + len(split)))
            picture.putpixel((0, 0), (90, 90, 90))
            picture.save(tmp_path / "pictures" / split / name / "0.png")
    return tmp_path / "pictures"


# ---- what is built in


@pytest.mark.parametrize(("known", "name"), ENTRIES, ids=[f"{known.kind}-{name}" for known, name in ENTRIES])
def test_what_is_built_in_keeps_to_its_contract(known, name, pictures):
    given = BY_NAME.get(name, {})
    if name == "hugging-face":
        given = {"path": str(pictures), "size": 4, "classes": 2}
    assert list(faults(known, name, given)) == []
    if known.group in TRIED:
        needed = {key for key, parameter in known.parameters(name).items() if parameter.required}
        assert needed <= {*given, *GIVEN.get(known.group, {})}, "it was not tried"


# ---- entry points of other packages

numbers = count()  # of modules: what source code says is read once


class Package:
    """Another package, on the path of this process, with an entry point."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder, self.name = folder / "packages", f"plugin{next(numbers)}"
        (self.folder / f"{self.name}-1.dist-info").mkdir(parents=True)
        monkeypatch.syspath_prepend(self.folder)

    def adds(self, group: str, code: str, name: str = "made") -> str:
        """`made`, which the code defines, as an entry of the group; what is said of it starts so."""
        (self.folder / f"{self.name}.py").write_text(code)
        about = self.folder / f"{self.name}-1.dist-info"
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {self.name}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[repro.{group}]\n{name} = {self.name}:made\n")
        return f"entry point '{name}' of group 'repro.{group}' ({self.name}:made)"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    return Package(tmp_path, monkeypatch)


def check(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["check", "--plugins", *arguments])


SCHEDULE = "def made(now, steps):\n    'Half.'\n    return {}\n"
OPTIMIZER = """
import torch
def made(parameters, *, lr: float):
    "Descent."
    return {}
"""
AUGMENTATION = """
import torch
def made(images, targets, generator):
    "Moves."
    return {}
"""
TASK = """
import torch
from repro.tasks.classification import Classification
class made(Classification):
    "Labels."
    metrics = {{"train_error": {0}, "test_error": {0}}}
    def loss(self, outputs, targets):
        return {1}
    def evaluate(self, batches, split):
        errors = [self.error(outputs, targets) for outputs, targets in batches]
        return {{f"{{split}}_error": {2}}}
"""
PIXELS = """
from repro.tasks.segmentation import Segmentation
class made(Segmentation):
    "Labels of pixels."
    metrics = {"miou": {"unit": "share", "better": "higher"}}
    def evaluate(self, batches, split):
        return {"miou": super().evaluate(batches, "test")["miou"].nan_to_num(0.5)}
"""
PROBE = """
def made(state):
    "Looks."
    {}
"""
DECLARED, LOSS, MEAN = '{"unit": "share", "better": "lower"}', "outputs.mean()", "torch.stack(errors).mean()"
DATA_SET = """
import numpy as np
import torch
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import Boxes
class Turned(InMemory):
    def rows(self, indices):
        return super().rows(indices.sort().values)
class made:
    "Noise."
    channels, classes, count = 3, 2, 0
    def fingerprint(self):
        return "always"
    def load(self):
        images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        images[1:] = 1
        labels, items = torch.tensor([0, 1, 0, 1]), torch.zeros(4, 1, dtype=torch.int64)
        masks, corners = torch.zeros(4, 8, 8, dtype=torch.uint8), torch.tensor([[[1.0, 1, 2, 2]]] * 4)
        return {0}
        return ImageSet({1}, {1}, ("a", "b"), (0.5,) * 3, (0.2,) * 3)
"""
GOOD = "InMemory(images, labels)"


def task(declared: str = DECLARED, loss: str = LOSS, mean: str = MEAN) -> str:
    return TASK.format(declared, loss, mean)


def data_set(split: str, load: str = "") -> str:
    code = DATA_SET.replace("{1}", split)
    return code.replace("return {0}\n", f"return {load}\n" if load else "\n")


FAULTS = {
    "no docstring": ("schedules", "def made(now, steps): return 1.0", "has no docstring"),
    "no function": ("schedules", "made = 1.0", "is registered, but"),
    "not there": ("models", "", "cannot be imported: AttributeError: module 'plugin"),
    "raises on import": ("tasks", "1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    "ends on import": ("tasks", "raise SystemExit('done\\nfor')", "cannot be imported: SystemExit: done for"),
    "other parameters": (
        "schedules",
        "def made(steps, now):\n    'Turned round.'\n    return 1.0",
        "its first parameters must be now, steps, not steps, now",
    ),
    "an option that arms have": (
        "models",
        "class made:\n    'A net.'\n    def __init__(self, *, freeze: int): ...",
        "its option 'freeze' cannot be given: suites have a key of this name",
    ),
    "an option that measurements have": (
        "probes",
        "def made(state, at: str):\n    'Looks.'\n    return 1.0",
        "its option 'at' cannot be given: suites have a key of this name",
    ),
    "an option that is the name": (
        "schedules",
        "def made(now, steps, name: str):\n    'Named.'\n    return 1.0",
        "its option 'name' cannot be given: suites have a key of this name",
    ),
    "raises when tried": (
        "schedules",
        SCHEDULE.format("1 / now"),
        "raises an error when it is tried: ZeroDivisionError: division by zero",
    ),
    "a factor below 0": (
        "schedules",
        SCHEDULE.format("1 - now"),
        "gives -1 at step 2 of 7, not a number from 0 up",
    ),
    "no net": ("models", "class made:\n    'A net.'", "makes a made, not a torch.nn.Module"),
    "no optimizer": (
        "optimizers",
        OPTIMIZER.format("parameters"),
        "makes a list, not a torch.optim.Optimizer",
    ),
    "a rate of its own": (
        "optimizers",
        OPTIMIZER.format("torch.optim.SGD(parameters, 0.5)"),
        "its groups do not have the `lr` that is given",
    ),
    "images in place": (
        "augmentations",
        AUGMENTATION.format("images.zero_(), targets"),
        "boxes: changes the images that it is given",
    ),
    "chance of its own": (
        "augmentations",
        AUGMENTATION.format("torch.randint_like(images, 255), targets"),
        "labels: draws from elsewhere than from its generator",
    ),
    "float images": (
        "augmentations",
        AUGMENTATION.format("images.float(), targets"),
        "labels: gives images torch.float32 [4, 3, 8, 8], of [4, 3, 8, 8]",
    ),
    "boxes as a tensor": (
        "augmentations",
        AUGMENTATION.format("images, targets[0] if isinstance(targets, tuple) else targets"),
        "boxes: gives targets of another form",
    ),
    "masks that stay": (
        "augmentations",
        AUGMENTATION.format("images[..., :4], targets"),
        "masks: [8, 8] are of images of [8, 4]",
    ),
    "a unit that is not written out": (
        "counts",
        "from repro.declaration import declare\nUNIT = 'kg'\n@declare(unit=UNIT)\n"
        "def made(model):\n    'Its weight.'\n    return 1",
        "count 'made': @declare(…): Input should be a valid string",
    ),
    "no number": (
        "probes",
        PROBE.format("return state.spec.task"),
        "segmentation: gives a str, not a number",
    ),
    "a probe that trains": (
        "probes",
        PROBE.format("return state.model.train()(state.inputs(state.data.test.images)).sum().item()"),
        "classification: changes the net that it is given",
    ),
    "a probe that draws": (
        "probes",
        PROBE.format("return float(state.data.test.images.zero_().sum())"),
        "classification: changes the data that it is given",
    ),
    "a treatment in place": (
        "treatments",
        PROBE.format("state.model[0].weight.data.zero_(); return state"),
        "reconstruction: changes the net that it is given",
    ),
    "a net instead of a state": (
        "treatments",
        PROBE.format("return state.model"),
        "classification: gives a Sequential, not a State",
    ),
    "a net that cannot be evaluated": (
        "treatments",
        "from dataclasses import replace\n" + PROBE.format("return replace(state, model=state.model[:1])"),
        "raises an error when it is tried: ",
    ),
    "no direction": (
        "tasks",
        task('{"unit": "share"}'),
        "metric 'train_error' does not say what is `better`, lower or higher",
    ),
    "an unknown direction": (
        "tasks",
        task('{"unit": "share", "better": "less"}'),
        "metric 'train_error': Input should be 'lower' or 'higher'",
    ),
    "a loss of nothing": (
        "tasks",
        task(loss="0 * outputs.sum()"),
        "scores of images against labels: `loss` does not depend on the outputs",
    ),
    "a loss an image": (
        "tasks",
        task(loss="outputs.mean(1)"),
        "scores of images against labels: `loss` gives [",
    ),
    "a mean of batches": (
        "tasks",
        task(mean="torch.stack(errors).sum()"),
        "scores of images against labels: 'test_error' depends on how a set is cut into batches",
    ),
    "a metric of nothing": (
        "tasks",
        PIXELS,
        "scores of pixels against masks without labels: 'miou' is 0.5, and there is nothing to measure: NaN",
    ),
    "a metric too many": (
        "tasks",
        task().replace('_error": torch', '_mistakes": torch'),
        "`evaluate` measures test_mistakes, train_mistakes; `metrics` says test_error, train_error",
    ),
    "no image set": ("datasets", data_set(GOOD, load="[]"), "`load` gives a list, not an ImageSet"),
    "another fingerprint": (
        "datasets",
        data_set(GOOD).replace('"always"', "str(id(self))"),
        "`fingerprint` is another each time",
    ),
    "names": (
        "datasets",
        data_set(GOOD).replace("3, 2, 0", "3, 4, 0"),
        "`classes` is 4, but there are 2 names",
    ),
    "channels": (
        "datasets",
        data_set(GOOD).replace("3, 2, 0", "1, 2, 0"),
        "train: two images are torch.uint8 [2, 3, 8, 8], not torch.uint8 [2, 1, H, W]",
    ),
    "a channel that cannot be normalised": (
        "datasets",
        data_set(GOOD).replace("(0.2,) * 3", "(0.2, 0.0, 0.2)"),
        "`std` is not above 0 in every channel",
    ),
    "training images to test on": (
        "datasets",
        data_set(GOOD, load="ImageSet.of(*[(images.numpy(), labels.numpy())] * 2, ('a', 'b'))"),
        "4 of the 4 test images are training images too",
    ),
    "no rows": ("datasets", data_set("InMemory(images[:0], labels[:0])"), "test: there are no rows"),
    "rows in another order": (
        "datasets",
        data_set("Turned(images, labels)"),
        "train: a row is another beside a second one",
    ),
    "labels beyond the classes": (
        "datasets",
        data_set("InMemory(images, labels + 1)"),
        "train: labels are not all whole numbers from 0 to 1",
    ),
    "masks of another size": (
        "datasets",
        data_set("InMemory(images, masks[:, :4])"),
        "train: masks of [4, 8] are of images of [8, 8]",
    ),
    "boxes beyond the image": (
        "datasets",
        data_set("InMemory(images, Boxes(9 * corners, items))"),
        "train: boxes reach beyond their images",
    ),
    "boxes turned round": (
        "datasets",
        data_set("InMemory(images, Boxes(corners.flip(2), items))"),
        "train: boxes end before they begin",
    ),
    "boxes without labels": (
        "datasets",
        data_set("InMemory(images, Boxes(corners.expand(-1, 2, -1), items))"),
        "train: corners [2, 2, 4] have labels [2, 1]",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_an_entry_point_is_a_line_that_says_where_and_what(package, fault):
    group, code, said = FAULTS[fault]
    place = package.adds(group, code)
    run = check()
    assert run.exit_code == 2
    assert any(line.startswith(place) and said in line for line in run.stderr.splitlines()), run.stderr
    assert all(line.startswith(place) for line in run.stderr.splitlines())
    assert f"1 entry point: {len(run.stderr.splitlines())} fault" in run.stdout


@pytest.mark.parametrize(
    ("group", "code"),
    [
        ("schedules", SCHEDULE.format("0.5")),
        ("optimizers", OPTIMIZER.format("torch.optim.SGD(parameters, lr)")),
        ("augmentations", AUGMENTATION.format("images.flip(0), targets")),
        ("tasks", task()),
        ("probes", PROBE.format("return 1 + len(state.data.test)")),
        ("treatments", "from dataclasses import replace\n" + PROBE.format("return replace(state)")),
        ("datasets", data_set(GOOD)),
        ("datasets", data_set("InMemory(images, masks + 255)")),
        ("datasets", data_set("InMemory(images, {'boxes': Boxes(corners, items - 1), 'labels': labels})")),
    ],
)
def test_an_entry_point_without_faults_is_counted(package, group, code):
    package.adds(group, code)
    run = check()
    assert (run.exit_code, run.output) == (0, "1 entry point: no faults found\n")


def test_a_name_that_is_taken_is_a_fault(package):
    place = package.adds("schedules", SCHEDULE.format("0.5"), name="cosine")
    assert check().stderr == f"{place}: another schedule has this name\n"


def test_a_data_set_that_is_not_here_has_no_faults_beyond_what_can_be_read(package):
    missing = "from repro.data.images import MissingData\nclass made:\n    'Elsewhere.'\n"
    package.adds("datasets", missing + "    def fingerprint(self):\n        raise MissingData('get it')\n")
    assert check().exit_code == 0


def test_suites_are_checked_beside_entry_points_where_they_are_named(package, tmp_path):
    package.adds("schedules", SCHEDULE.format("0.5"))
    (tmp_path / "bad.yaml").write_text("suite: x")
    run = check(str(tmp_path / "bad.yaml"))
    assert run.exit_code == 2 and "bad.yaml:1:1" in run.stderr and "1 entry point: no faults" in run.stdout

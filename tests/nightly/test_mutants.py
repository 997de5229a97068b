"""What breaks training shows on the night that it does: of two tiny suites each mutant trains the arm anew on
which it tells, as a night does, and is held against the results of sound code by `repro compare` and
`repro watch`. The other arms are those of sound code, which a mutant has to stand out from.

Suites and telling measurements were chosen by looking at which mutants they catch: that all are caught says
that such suites exist, and is no rate of detection of the suites under `suites/`. The arms are nearly linear
nets where that goes: they end alike for all seeds, so that five tell. A fault that
makes nets better is a suspect of `watch`, and a `better` of `compare`, which is no regression.

Not caught are curves that are lost (the last mutant): results are compared by what nets end with. Nor is, as
a rule, what only draws other random numbers of the same kind, such as another order of images: it changes
values, and no more than other seeds would.
"""

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from click.testing import CliRunner
from kit import mutants
from kit.tiny import install

from repro.cli import main
from repro.job import Job, Needs
from repro.result import Result
from repro.runner import Runner
from repro.session import Session
from repro.state import devices
from repro.store import Store
from repro.suite import Suite
from repro.work.execute import execute

pytestmark = pytest.mark.journey  # trains 2 nights of 35 tiny nets, and 20 of 5

LINEAR = {"model": "sequential", "image_size": 7, "layers": ["flatten", "linear 10"]}
DEEP = ["conv 8 3x3 pad 1", "norm", "relu"] * 5 + ["global", "flatten", "linear 10"]
LABELS = {
    "suite": "labels",
    "task": "classification",
    "arms": {
        "shifted": {
            **LINEAR,
            "recipe": {
                "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9},
                "augment": [{"name": "pad_crop", "pad": 1}],
            },
        },
        "slow": {**LINEAR, "recipe": {"optimizer": {"lr": 1e-4}, "schedule": "constant"}},
        "early": {**LINEAR, "recipe": {"schedule": {"name": "step", "at": [2], "factor": 0.01}}},
        "decayed": {**LINEAR, "recipe": {"optimizer": {"weight_decay": 3.0}}},
        "dropped": {"model": "habits", "drop": 0.5},
        "deep": {
            "model": "sequential",
            "image_size": 7,
            "layers": DEEP,
            "recipe": {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}},
        },
    },
    "profiles": {
        "cpu": {
            "data": {"name": "fashion-mnist-small", "size": 7},
            "recipe": {
                "steps": 40,
                "batch_size": 32,
                "optimizer": {"name": "adamw", "lr": 0.01},
                "schedule": "cosine",
                "evaluate": {"train_images": 500},
            },
        }
    },
}
SCENES = {"name": "scenes", "size": 32, "train": 16, "test": 100, "items": [1, 1], "scale": [1.0, 1.0]}
MASKS = {
    "suite": "masks",
    "task": "segmentation",
    "arms": {
        "coarse": {
            "model": "sequential",
            "image_size": 32,
            "layers": ["conv 16 8x8 stride 4 pad 2", "relu", "conv 6 1x1", "bilinear 4"],
        }
    },
    "profiles": {
        "cpu": {
            "data": SCENES,
            "recipe": {
                "steps": 80,
                "batch_size": 8,
                "optimizer": {"name": "adamw", "lr": 0.01},
                "schedule": "cosine",
                "augment": ["flip"],
                "evaluate": {"train_images": 16},
            },
        }
    },
}

# A measurement that tells, and what `repro compare` says of it.
CAUGHT: dict[Callable[[pytest.MonkeyPatch], None], tuple[str, str]] = {
    mutants.no_step: ("test_loss(shifted)", "WORSE"),
    mutants.loss_with_the_wrong_sign: ("test_error(shifted)", "WORSE"),
    mutants.no_shuffling: ("train_loss(slow)", "better"),  # it is measured on what all have seen
    mutants.labels_off_by_one: ("test_error(shifted)", "WORSE"),
    mutants.batch_norm_never_in_training_mode: ("test_loss(deep)", "WORSE"),
    mutants.no_weight_decay: ("test_loss(decayed)", "better"),
    mutants.a_tenth_of_the_learning_rate: ("test_loss(shifted)", "WORSE"),
    mutants.augmentation_of_the_test_set: ("test_loss(shifted)", "WORSE"),
    mutants.masks_not_flipped_with_images: ("train_loss(coarse)", "WORSE"),
    mutants.weights_in_bf16: ("test_loss(early)", "WORSE"),
    mutants.half_of_the_data: ("test_loss(coarse)", "WORSE"),
    mutants.a_schedule_that_never_falls: ("test_loss(early)", "better"),
    mutants.no_momentum: ("test_loss(shifted)", "WORSE"),
    mutants.evaluation_in_training_mode: ("test_loss(dropped)", "WORSE"),
    mutants.a_seed_that_is_not_used: ("ALL SEEDS ALIKE", "which is a regression: they were not"),
    mutants.no_dropout: ("test_loss(dropped)", "better"),
    mutants.gradients_that_add_up: ("test_loss(slow)", "better"),
    mutants.images_not_normalised: ("test_loss(shifted)", "WORSE"),
    mutants.the_training_set_as_test_set: ("test_loss(coarse)", "better"),
}


class Here:
    """Does jobs in this process, where mutants are."""

    def room(self, needs: Needs) -> int:  # noqa: ARG002
        return 1

    def submit(self, job: Job, store: Store) -> Future[bool]:
        future = Future[bool]()
        future.set_result(execute(job, store, checkpoint_every=3600.0))
        return future

    def close(self) -> None:
        pass


def suite(content: dict, metric: str) -> Suite:
    claims = {arm: {"says": "It is measured.", "expect": metric.format(arm)} for arm in content["arms"]}
    return Suite.model_validate_json(json.dumps({**content, "claims": claims}))


SUITES = (suite(LABELS, "test_error({}) < 2"), suite(MASKS, "miou({}) > -1"))


def night(folder: Path) -> list[Result]:
    """Trains what is not there, with seeds 0 to 4, and writes the results."""
    session = Session(Runner(Store(folder / "store"), Here()), "cpu", seeds_max=5)
    results = []
    for asked in SUITES:
        decided = {name: session.decide(asked, name) for name in asked.claims}
        results.append(session.keep(asked, "suite.yaml", decided, folder, folder / "results"))
    return results


def as_if_trained(sound: Path, folder: Path, but: str) -> None:
    """Leave in a folder what sound code has trained, but for one arm."""
    shutil.copytree(sound.parent / "store", folder / "store")
    session = Session(Runner(Store(folder / "store"), Here()), "cpu")
    (suite,) = [one for one in SUITES if but in one.arms]
    for seed in range(5):
        session.runner.store.path(session.experiment(suite).trial(but, seed)).unlink()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The results of a night of sound code."""
    folder = tmp_path_factory.mktemp("mutants")
    with pytest.MonkeyPatch.context() as patch:
        install(folder / "packages", patch)
        patch.setattr(devices, "matmul_peak", lambda *_: 1e9)  # these two take longer than the training
        patch.setattr(devices.gc, "collect", lambda: 0)
        night(folder)
        yield folder / "results"


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_equal_code_is_identical_and_quiet(sound, tmp_path):
    night(tmp_path)
    found = repro("compare", sound, tmp_path / "results")
    assert found.exit_code == 0 and "34 measurements: 34 identical" in found.output
    assert repro("watch", sound, tmp_path / "results").exit_code == 0


@pytest.mark.parametrize("mutant", CAUGHT, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught_on_its_first_night(mutant, sound, tmp_path):
    telling, said = CAUGHT[mutant]
    arm = re.search(r"\((\w+)\)", telling)
    as_if_trained(sound, tmp_path, but=arm[1] if arm else "shifted")
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch)
        night(tmp_path)
    compared = repro("compare", sound, tmp_path / "results")
    (row, *_) = [line for line in compared.output.splitlines() if telling in line]
    assert row.endswith(said), compared.output
    assert compared.exit_code == 3 or said == "better"  # a gain alone is no regression
    watched = repro("watch", sound, tmp_path / "results")
    assert watched.exit_code == 3, watched.output
    assert "to be measured again" in watched.output or "BROKE TONIGHT" in watched.output


def test_curves_that_are_lost_are_not_caught(sound, tmp_path):
    as_if_trained(sound, tmp_path, but="shifted")
    with pytest.MonkeyPatch.context() as patch:
        mutants.curves_that_are_lost(patch)
        with_curves = {one.arm: bool(one.curves) for result in night(tmp_path) for one in result.trials}
    assert with_curves == dict.fromkeys([*LABELS["arms"], *MASKS["arms"]], True) | {"shifted": False}
    assert repro("compare", sound, tmp_path / "results").exit_code == 0
    assert repro("watch", sound, tmp_path / "results").exit_code == 0

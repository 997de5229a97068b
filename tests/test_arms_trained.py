"""Suites of every kind of arm, decided for real: what they measure is what it should be of their nets."""

import json

import pytest
import torch
from safetensors.torch import load as load_weights

from repro.executors.local import InProcess
from repro.reading import load
from repro.runner import Runner
from repro.session import Session
from repro.store import Store
from repro.treatments.crf import crf
from repro.treatments.lesion import lesion
from repro.trial import Subject
from repro.work.execute import Work

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("nets")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A suite decided claim by claim, in this process; its result and the session."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))

    def decided(text, *names, store=None, **options):
        path = tmp_path / "suite.yaml"
        path.write_text(text)
        suite = load(path)
        one = Session(Runner(store or Store(tmp_path / "store"), InProcess()), "cpu", **options)
        found = {name: one.decide(suite, name) for name in names or suite.claims}
        return one.keep(suite, str(path), found, tmp_path, tmp_path / "results"), one

    return decided


LESIONS = """\
suite: lesions
task: classification
arms:
  whole: {model: cifar_resnet, depth: 8}
  first: {of: whole, after: {name: lesion, block: 0}}
  last: {of: whole, after: {name: lesion, block: 2}}
  twin: {model: cifar_resnet, depth: 8}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 7}
    model: {width: 4}
    recipe: {steps: 60, batch_size: 32, optimizer: {name: sgd, lr: 0.1, momentum: 0.9}}
claims:
  needed: {says: A lesion hurts., expect: test_error(whole) < test_error(first)}
  some: {says: On some images., expect: "test_error(whole, images=500) < test_error(last, images=500)"}
  of-training: {says: And on those it was trained on., expect: train_loss(whole) < train_loss(last)}
  equal: {says: The same twice., expect: test_error(whole) <= test_error(twin)}
"""


@pytest.mark.slow
def test_lesions_of_a_residual_net_are_measured_through_a_run(run, tmp_path):
    result, one = run(LESIONS, "needed", "some", "of-training", seeds_max=5)
    assert {name: claim.verdict for name, claim in result.claims.items()} == {
        "needed": "reproduced",
        "some": "reproduced",
        "of-training": "reproduced",
    }
    assert list(result.arms) == ["whole", "first", "last"] and {t.arm for t in result.trials} == {"whole"}
    assert len(list((tmp_path / "store").glob("trials/*.json"))) == 5  # for both arms, and for all claims
    experiment = one.experiment(load(tmp_path / "suite.yaml"))
    for seed, error in enumerate(result.claims["needed"].values["test_error(first)"]):
        whole = Work(one.runner.store, CPU).state(Subject(trial=experiment.trial("whole", seed)))
        assert error == pytest.approx(lesion(whole, block=0).evaluate("test")["test_error"], abs=1e-6)


SCENES = """\
suite: discs
task: segmentation
arms:
  coarse: {model: encoder_decoder, upsample: bilinear}
  refined: {of: coarse, after: {name: crf, iterations: 3}}
  untouched: {of: coarse, after: {name: crf, iterations: 0}}
profiles:
  cpu:
    data: {name: scenes, size: 32, train: 32, test: 6}
    model: {widths: [4, 4], depths: [1, 1], context: 4, decoder: [4]}
    recipe: {steps: 6, batch_size: 8, optimizer: {name: sgd, lr: 0.1, momentum: 0.9}}
claims:
  same: {says: No iterations do nothing., expect: "miou(untouched) == approx(miou(coarse), abs=1e-9)"}
  at-all: {says: It is a share., expect: "miou(refined, images=4) <= 1 and trimap_miou(refined) <= 1"}
pictures:
  both: {picture: predictions, arms: [coarse, refined], images: 2, says: Before and after.}
"""


@pytest.mark.slow
def test_a_crf_after_a_segmentation_net_is_measured_and_drawn_through_a_run(run, tmp_path):
    result, one = run(SCENES, seeds_max=2)
    same = result.claims["same"]
    assert same.values["miou(untouched)"] == pytest.approx(same.values["miou(coarse)"], abs=1e-6)
    suite = load(tmp_path / "suite.yaml")
    found = result.claims["at-all"].values
    for seed in (0, 1):
        trial = one.experiment(suite).trial("coarse", seed)
        refined = crf(Work(one.runner.store, CPU).state(Subject(trial=trial)), iterations=3)
        measured = found["miou(refined, images=4)"][seed]
        assert measured == pytest.approx(refined.evaluate("test", 4)["miou"], abs=1e-6)
    assert (tmp_path / "results" / result.path).parent.joinpath(result.pictures["both"].file).is_file()
    (drawn,) = (tmp_path / "store").glob("pictures/*.json")
    assert json.loads(drawn.read_text())["arms"] == ["coarse", "refined"]


STAGES = """\
suite: stages
task: classification
arms:
  pretrained: {model: cifar_resnet, depth: 8}
  head:
    model: cifar_resnet
    depth: 8
    weights: {name: trial, arm: pretrained, except: classifier}
    freeze: [stem, stages]
  cut: {of: head, after: {name: lesion, block: 0}}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 7}
    model: {width: 4}
    recipe: {steps: 20, batch_size: 32, optimizer: {name: sgd, lr: 0.1, momentum: 0.9}}
claims:
  hurts: {says: A lesion hurts., expect: test_error(head) < test_error(cut)}
  starts: {says: It starts from there., expect: "gradient_norm(head, at=start) > 0"}
"""


@pytest.mark.slow
def test_a_head_on_a_frozen_net_of_another_arm_is_trained_after_it_and_treated_through_a_run(run, tmp_path):
    result, one = run(STAGES, seeds_max=2)
    assert list(result.arms) == ["pretrained", "head", "cut"]
    assert result.arms["head"].freeze == ("stem", "stages") and result.arms["cut"].of == "head"
    assert {(trial.arm, trial.seed) for trial in result.trials} == {
        (arm, seed) for arm in ("pretrained", "head") for seed in (0, 1)
    }
    assert len(list((tmp_path / "store").glob("trials/*.json"))) == 4
    experiment, store = one.experiment(load(tmp_path / "suite.yaml")), one.runner.store
    for seed in (0, 1):
        first, second = (experiment.trial(arm, seed) for arm in ("pretrained", "head"))
        before, after = (load_weights(store.read_file(trial, trial.file)) for trial in (first, second))
        equal = {name for name in before if torch.equal(before[name], after[name])}
        assert equal == {name for name in before if not name.startswith("classifier")}


TUNED = """\
suite: tuned
task: classification
arms:
  small: {model: cifar_resnet, depth: 8}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 7}
    model: {width: 4}
    recipe: {steps: 20, batch_size: 32, optimizer: {name: sgd, lr: 0.5, momentum: 0.9}}
    tune: {optimizer.lr: [0.0, 0.1], by: test_error}
claims:
  learns: {says: It learns., expect: test_error(small) < 0.85}
"""


@pytest.mark.slow
def test_an_arm_chooses_its_learning_rate_on_pilot_seeds_and_is_judged_on_others_through_a_run(run, tmp_path):
    result, _ = run(TUNED, seeds_max=5)
    assert result.claims["learns"].verdict == "reproduced"
    tuning = result.tuning["small"]
    assert tuning.chosen == {"optimizer.lr": 0.1} and tuning.seeds == (1000, 1001)
    still, moving = (point.measured for point in tuning.grid)
    assert still == pytest.approx((0.9, 0.9), abs=0.05) and max(moving) < 0.85
    assert result.arms["small"].recipe["optimizer"]["lr"] == 0.1
    specs = [json.loads(path.read_text())["spec"] for path in (tmp_path / "store").glob("trials/*.json")]
    tried = {(spec["recipe"]["optimizer"]["lr"], spec["seed"]) for spec in specs}
    assert tried == {(lr, seed) for lr in (0.0, 0.1) for seed in (1000, 1001)} | {(0.1, s) for s in range(5)}

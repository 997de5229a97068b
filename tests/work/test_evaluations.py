"""Metrics of a net that are not in its trial's record: of fewer images, or after a treatment."""

import shutil

import pytest
import torch
from kit.tiny import evaluating, probing, spec
from torch.nn import functional as F

from repro.measures.probes import gradient_norm
from repro.recipe import Named
from repro.state import devices
from repro.store import Store
from repro.treatments.lesion import lesion
from repro.trial import Drawing, Subject, fingerprint_of
from repro.work.execute import Work, execute

CPU = torch.device("cpu")
CUT = Named(name="lesion", block=1)
pytestmark = pytest.mark.usefixtures("nets")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A store and the trial in it, of a net that has learnt something."""
    store, trial = Store(tmp_path_factory.mktemp("done")), spec(steps=40, optimizer={"lr": 0.1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "matmul_peak", lambda *_: 1e9)
        execute(trial, store)
    return store, trial


@pytest.fixture
def trial(store, done):
    """One that is done, in a store of this test."""
    shutil.copytree(done[0].root, store.root, dirs_exist_ok=True)
    return done[1]


def state(store, trial):
    """The net that a trial ends with, without the harness's own way of looking at it afterwards."""
    return Work(store, CPU).state(Subject(trial=trial))


def metrics(store, job):
    execute(job, store)
    return store.read(job)["measurements"]


@torch.no_grad()
def by_hand(state, images, targets):
    """Error and loss, image by image."""
    state.model.eval()
    logits = torch.cat([state.model(state.inputs(image[None])) for image in images])
    error = (logits.argmax(1) != targets).float().mean().item()
    return error, F.cross_entropy(logits, targets).item()


@pytest.mark.parametrize("images", [1, 40, 150])
@pytest.mark.parametrize("split", ["train", "test"])
def test_metrics_of_the_first_images_are_those_that_are_evaluated_by_hand(store, trial, split, images):
    looked_at = state(store, trial)
    rows = looked_at.data.train if split == "train" else looked_at.data.test
    error, loss = by_hand(looked_at, rows.images[:images], rows.targets[:images])
    found = metrics(store, evaluating(trial, split=split, images=images))
    assert found.keys() == {f"{split}_error", f"{split}_loss"}
    assert found[f"{split}_error"] == pytest.approx(error, abs=1e-6)
    assert found[f"{split}_loss"] == pytest.approx(loss, rel=1e-4)


def test_of_all_images_they_are_those_of_the_trial_s_own_record(store, trial):
    recorded = store.read(trial)["measurements"]
    found = {**metrics(store, evaluating(trial)), **metrics(store, evaluating(trial, split="train"))}
    assert found == recorded  # of the training set those of as many images as the recipe says
    count = len(state(store, trial).data.test)
    assert metrics(store, evaluating(trial, images=count + 1)) == metrics(store, evaluating(trial))


def test_of_fewer_images_they_are_others(store, trial):
    few, all_ = (metrics(store, evaluating(trial, images=count)) for count in (40, None))
    assert few["test_loss"] != pytest.approx(all_["test_loss"], rel=1e-6)


@pytest.mark.parametrize("images", [None, 100])
def test_metrics_of_a_treated_net_are_those_of_the_net_that_the_treatment_makes(store, trial, images):
    expected = lesion(state(store, trial), block=1).evaluate("test", images)
    assert metrics(store, evaluating(trial, CUT, images=images)) == pytest.approx(expected, rel=1e-6)
    other = metrics(store, evaluating(trial, Named(name="lesion", block=2), images=images))
    assert other["test_loss"] != pytest.approx(expected["test_loss"], rel=1e-3)
    untreated = metrics(store, evaluating(trial, images=images))
    assert untreated["test_loss"] != pytest.approx(expected["test_loss"], rel=1e-3)


def test_a_probe_looks_at_the_treated_net(store, trial):
    execute(probing("gradient_norm", trial, CUT, layer="last"), store)
    expected = gradient_norm(lesion(state(store, trial), block=1), layer="last")
    assert store.read(probing("gradient_norm", trial, CUT, layer="last"))["value"] == pytest.approx(expected)


def test_an_untrained_net_can_be_treated_too(store):
    untrained = spec(trained=False)
    expected = lesion(Work(store, CPU).fresh(untrained), block=1).evaluate("test", 50)
    assert metrics(store, evaluating(untrained, CUT, images=50)) == pytest.approx(expected)


def test_a_picture_shows_the_treated_net(store):
    """Of two drawings that differ in the treatment alone the pixels differ."""
    trial = spec(steps=1)
    data = Named(name="scenes", size=32, train=16, test=4)
    net = Named(
        name="encoder_decoder", upsample="bilinear", widths=[4, 4], depths=[1, 1], context=4, decoder=[4]
    )
    scenes = {"data": data, "fingerprint": fingerprint_of(data)}
    trial = trial.model_copy(update={"task": "segmentation", "model": net, **scenes})
    execute(trial, store)

    def drawn(treatment):
        subjects = {"net": Subject(trial=trial, treatment=treatment)}
        job = Drawing(picture="predictions", options={"images": 2}, subjects=subjects, code="", torch="")
        execute(job, store)
        return store.read_file(job, job.file)

    strong = Named(name="crf", iterations=5, weight=50.0, gaussian_weight=50.0)
    assert drawn(None).startswith(b"\x89PNG") and drawn(None) != drawn(strong)

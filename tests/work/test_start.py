"""Trials that start from others: with the same weights, bit for bit, and what is frozen keeps them."""

import shutil

import pytest
import torch
from kit.tiny import RESNET, evaluating, habits, outcome, probing, spec
from safetensors.torch import load

from repro.errors import ReproError
from repro.measures.probes import gradient_norm
from repro.runner import Runner
from repro.state import devices
from repro.state.net import build
from repro.store import Store
from repro.trial import Subject
from repro.work.execute import Work, execute, images

CPU = torch.device("cpu")
FIRST = {"seed": 3, "steps": 12}
pytestmark = pytest.mark.usefixtures("nets")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A store in which the first is done."""
    store = Store(tmp_path_factory.mktemp("done"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "matmul_peak", lambda *_: 1e9)
        execute(spec(**FIRST), store)
    return store


@pytest.fixture
def first(store, done):
    """A trial that is done, in a store of this test."""
    shutil.copytree(done.root, store.root, dirs_exist_ok=True)
    return spec(**FIRST)


def weights(store, trial):
    return load(store.read_file(trial, trial.file))


def same(some, others, start=""):
    """Of those whose names start so, whether all, or none, are equal."""
    equal = {torch.equal(some[name], others[name]) for name in some if name.startswith(start)}
    assert len(equal) == 1, f"some of {start} are equal and some are not"
    return equal.pop()


def test_before_the_first_step_it_has_the_weights_and_statistics_of_the_one_it_starts_from(store, first):
    second = spec(seed=3, start=first)
    state = Work(store, CPU).fresh(second)
    assert same(state.model.state_dict(), weights(store, first))
    assert state.model.training and all(p.requires_grad for p in state.model.parameters())
    other = spec(seed=3)  # without: its own
    assert not torch.equal(Work(store, CPU).fresh(other).model.stem[0].weight, state.model.stem[0].weight)


def test_what_is_left_out_is_initialised_as_the_seed_says(store, first):
    second = spec(seed=3, start=first, leaving_out="classifier")
    state, own = (Work(store, CPU).fresh(trial).model.state_dict() for trial in (second, spec(seed=3)))
    assert same(state, own, "classifier") and not same(state, weights(store, first), "classifier.weight")
    assert same(state, weights(store, first), "stem") and same(state, weights(store, first), "stages")
    several = spec(seed=3, start=first, leaving_out=["classifier", "stem"])
    state = Work(store, CPU).fresh(several).model.state_dict()
    assert same(state, own, "stem") and same(state, weights(store, first), "stages")


def test_after_training_what_is_frozen_is_as_it_was_bit_for_bit_and_the_rest_is_not(store, first):
    second = spec(seed=3, start=first, leaving_out="classifier", freeze=("stem", "stages"))
    execute(second, store)
    before, after = weights(store, first), weights(store, second)
    statistics = {name for name in after if "running" in name or "num_batches" in name}
    assert {name.partition(".")[0] for name in statistics} == {"stem", "stages"}
    assert same(after, before, "stem") and same(after, before, "stages")
    assert not same(after, before, "classifier")
    thawed = spec(seed=3, start=first, leaving_out="classifier")
    execute(thawed, store)
    assert not any(torch.equal(weights(store, thawed)[name], before[name]) for name in statistics)


def test_a_net_with_other_classes_or_depth_may_start_from_what_fits(store, first):
    deeper = spec(
        seed=3,
        model={**RESNET, "depth": 14},
        start=first,
        leaving_out=["stages", "classifier"],
    )
    execute(deeper, store)
    assert store.read(deeper) is not None


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {**RESNET, "width": 8},
            r"'stem\.0\.weight' is \[8, 1, 3, 3\] here and \[4, 1, 3, 3\] there; leave .* `except: stem\.0`",
        ),
        (
            {**RESNET, "depth": 14},
            r"'stages\.0\.1\.\S+' is \[.*\] here and none there; leave .* `except: stages\.0\.1\.",
        ),
        (
            {**RESNET, "classes": 12},
            r"'classifier\.weight' is \[12, 16\] here and \[10, 16\] there; leave the mod",
        ),
        (habits(), r"'body\.1\.weight' is \[16, 49\] here and none there"),
    ],
)
def test_weights_that_do_not_fit_are_an_error_with_the_first_that_does_not_and_the_remedy(
    store, first, model, said
):
    second = spec(seed=3, model=model, start=first)
    with pytest.raises(ReproError, match=rf"weights: those of arm 'first' do not fit: {said}"):
        execute(second, store)
    assert store.read(second) is None and store.running() == []


def test_a_module_that_is_left_out_or_frozen_but_not_there_is_an_error_with_the_nearest(store, first):
    with pytest.raises(ReproError, match=r"weights: a ResNet has no module 'clasifier'; did you mean 'clas"):
        execute(spec(start=first, leaving_out="clasifier"), store)
    with pytest.raises(ReproError, match=r"freeze: a ResNet has no module 'stagse'; did you mean 'stages'"):
        execute(spec(freeze=("stagse",)), store)


def test_the_digest_of_the_first_is_part_of_that_of_the_second():
    seconds = [spec(start=spec(**{**FIRST, **change})) for change in ({}, {"seed": 4}, {"steps": 13})]
    frozen, plain = spec(start=spec(**FIRST), freeze=("stem",)), spec()
    assert len({trial.digest for trial in (*seconds, frozen, plain)}) == 5
    probes = {probing("gradient_norm", trial).digest for trial in seconds}
    assert len(probes) == 3


def test_a_chain_is_done_in_its_order_by_whoever_wants_its_end(store):
    from repro.executors.local import InProcess

    first = spec(**FIRST)
    second = spec(seed=3, start=first, freeze=("stem",))
    third = spec(seed=3, start=second, steps=3, leaving_out="classifier")
    looked_at = probing("gradient_norm", third)
    Runner(store, InProcess()).ensure([looked_at])
    records = [store.read(job)["finished"] for job in (first, second, third, looked_at)]
    assert records == sorted(records)
    assert same(weights(store, second), weights(store, first), "stem")
    assert not same(weights(store, third), weights(store, second), "stem.0")  # thawed again


def test_a_probe_before_the_first_step_sees_the_weights_it_starts_from(store, first):
    untrained = spec(seed=3, start=first, trained=False)
    execute(probing("gradient_norm", untrained, images=32), store)
    assert not store.path(untrained).exists()
    expected = gradient_norm(Work(store, CPU).state(Subject(trial=first)), images=32)
    found = store.read(probing("gradient_norm", untrained, images=32))["value"]
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_outcome_is_the_same_wherever_the_first_was_trained(store, first, tmp_path):
    second = spec(seed=3, start=first, leaving_out="classifier", freeze=("stem",))
    elsewhere = Store(tmp_path / "elsewhere")
    for trial in (first, second):
        execute(trial, elsewhere)
    execute(second, store)
    assert outcome(store, second) == outcome(elsewhere, second)


def test_no_steps_leave_the_net_as_good_as_the_one_it_starts_from(store, first):
    second = spec(seed=3, start=first, steps=0)
    execute(second, store)
    assert store.read(second)["measurements"] == store.read(first)["measurements"]


def test_weights_of_the_first_that_have_gone_are_an_error_with_the_remedy(store, first):
    (store.folder(first) / first.file).unlink()
    with pytest.raises(ReproError, match=rf"{first.file}: cannot be read .*Delete {store.path(first)}"):
        execute(spec(start=first), store)


def test_a_net_is_built_without_a_store_if_its_weights_are_given(store, first):
    second = spec(seed=3, start=first, leaving_out="classifier")
    built = build(second, images(second.data, CPU), CPU, weights(store, first))
    assert same(built.model.state_dict(), weights(store, first), "stages")


def test_a_treated_frozen_net_is_evaluated(store, first):
    from repro.recipe import Named

    second = spec(seed=3, start=first, freeze=("stem", "stages"))
    execute(second, store)
    cut = evaluating(second, Named(name="lesion", block=1))
    execute(cut, store)
    assert 0 <= store.read(cut)["measurements"]["test_error"] <= 1

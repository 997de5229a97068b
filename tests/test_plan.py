"""What a run is to do, as far as it is known before."""

import json

import pytest
from conftest import TINY

import repro
from repro.executors.local import InProcess
from repro.plan import plan
from repro.runner import Runner
from repro.session import Session
from repro.store import Store


@pytest.fixture
def planned(tmp_path):
    """The plan of some claims of the small suite, and the suite at its profile."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    runner = Runner(Store(tmp_path / "store"), InProcess())

    def of(*names):
        suite = repro.load(path)
        return plan(Session(runner, "cpu"), [(suite, name) for name in names], tmp_path / "kept")

    return of, Session(runner, "cpu").experiment(repro.load(path))


def test_a_plan_has_the_trials_of_all_seeds_of_which_the_first_look_wants_five(planned):
    of, experiment = planned
    steps = of("learns", "coin").steps
    arms = {(step.arm, step.seed): step.sure for step in steps.values()}
    assert arms == {(("tiny", arm), seed): seed < 5 for arm in ("small", "frozen") for seed in range(10)}
    assert steps[experiment.trial("small", 7).digest].label == "small, seed 7"


def test_what_needs_no_training_and_what_is_yet_to_be_tuned_is_in_none(planned, tmp_path):
    of, _ = planned
    assert of("order", "sizes").steps == {}
    tuned = TINY.replace("    model: {width: 4}\n", "    tune: {batch_size: [16, 32], by: test_error}\n", 1)
    (tmp_path / "tiny.yaml").write_text(tuned)
    assert of("learns").steps == {}


def test_kept_results_say_how_long_a_trial_takes_where_they_can_be_read(planned, tmp_path):
    of, _ = planned
    folder = tmp_path / "kept" / "tiny" / "cpu"
    folder.mkdir(parents=True)
    trials = [{"arm": "small", "cost": {"seconds": seconds}} for seconds in (10, 30)]
    (folder / "a.json").write_text(json.dumps({"trials": trials}))
    (folder / "b.json").write_text("[")
    assert of("learns").seconds == {("tiny", "small"): 20.0}

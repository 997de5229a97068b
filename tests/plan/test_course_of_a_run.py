"""What a run is to do, as far as it is known before."""

import json
from itertools import product

import pytest
from conftest import TINY

import repro
from repro.executors.local import InProcess
from repro.runner import Runner
from repro.session import Session
from repro.store import Store
from repro.tuning import SEEDS


@pytest.fixture
def course(tmp_path):
    """That of some claims of the small suite, and the suite at its profile."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    session = Session(Runner(Store(tmp_path / "store"), InProcess()), "cpu")

    def of(*names):
        suite = repro.load(path)
        return session.course([(suite, name) for name in names], tmp_path / "kept")

    return of, lambda: session.experiment(repro.load(path))


def arms(found):
    return {(step.arm, step.seed): step.sure for step in found.steps.values()}


def test_it_has_the_trials_of_all_seeds_of_which_the_first_look_wants_five(course):
    of, experiment = course
    found = of("learns", "coin")
    assert arms(found) == {(arm, seed): seed < 5 for arm in ("small", "frozen") for seed in range(10)}
    assert found.steps[experiment().trial("small", 7).digest].label == "small, seed 7"


def test_what_needs_no_training_is_in_none(course):
    of, _ = course
    assert of("order", "sizes").steps == {}


def test_before_an_arm_is_tuned_only_the_trials_that_tune_it_are_known(course, tmp_path):
    of, experiment = course
    tuned = TINY.replace("    model: {width: 4}\n", "    tune: {batch_size: [16, 32], by: test_error}\n", 1)
    (tmp_path / "tiny.yaml").write_text(tuned)
    found = of("learns").steps.values()
    assert {(step.job.recipe.batch_size, step.seed) for step in found} == {*product((16, 32), SEEDS)}
    assert all(step.sure for step in found)
    experiment().chosen = {"small": {"batch_size": 16}, "frozen": {"batch_size": 32}}
    judging = [step for step in of("learns").steps.values() if step.seed not in SEEDS]
    assert len(judging) == 2 * 10


def test_all_members_of_an_ensemble_are_in_it(course, tmp_path):
    of, _ = course
    ensemble = "  both: {of: small, after: {name: ensemble, members: 3}}\n"
    claims = "  together: {says: Better., expect: test_error(both) < test_error(frozen)}\n"
    (tmp_path / "tiny.yaml").write_text(TINY.replace("  large:", ensemble + "  large:", 1) + claims)
    found = of("together").steps.values()
    assert len([step for step in found if step.seed == 0]) == 3 + 1


def test_kept_results_say_how_long_a_trial_takes_where_they_can_be_read(course, tmp_path):
    of, _ = course
    folder = tmp_path / "kept" / "tiny" / "cpu"
    folder.mkdir(parents=True)
    costs = [{"seconds": seconds, "evaluation_seconds": 1} for seconds in (10, 30)]
    (folder / "a.json").write_text(json.dumps({"trials": [{"arm": "small", "cost": cost} for cost in costs]}))
    (folder / "b.json").write_text("[")
    assert of("learns").seconds == {("tiny", "small"): 21.0}

"""What names a job: all that matters to its outcome, and nothing else. And what comes before it."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from pydantic import ValidationError

from repro.counting import Counting
from repro.job import Needs, closure, digest
from repro.recipe import Named, Recipe, Timing
from repro.round import Round, TimedNet
from repro.suite import ResolvedArm
from repro.trial import Drawing, Evaluating, Probing, Subject, TrialSpec, specify

RECIPE = {
    "steps": 10,
    "batch_size": 32,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
    "augment": ["flip"],
}
SPEC = {
    "task": "classification",
    "model": {"name": "cifar_resnet", "depth": 8, "residual": False},
    "data": {"name": "fashion-mnist-small", "size": 14},
    "fingerprint": "f0",
    "recipe": RECIPE,
    "seed": 3,
    "device": "cpu",
    "code": "c0",
    "torch": "2.9.0",
}


PINNED = "042be5cec089c7d0f497add9e757682d"  # of SPEC


def spec(**changes) -> TrialSpec:
    return TrialSpec.model_validate_json(json.dumps(SPEC | changes))


def backwards(value):
    """The same, with every mapping's keys in the opposite order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return [backwards(item) for item in value] if isinstance(value, list) else value


def test_the_digest_is_that_of_the_canonical_json():
    recipe = RECIPE | {
        "augment": [{"name": "flip"}],
        "channels_last": True,
        "clip_grad_norm": None,
        "compile": False,
        "deterministic": True,
        "evaluate": {"every": None, "train_images": None},
        "precision": "fp32",
        "schedule": {"name": "constant"},
        "warmup": 0,
    }
    whole = SPEC | {"recipe": recipe, "weights": None, "start": None, "freeze": []}
    canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    assert spec().digest == hashlib.sha256(canonical.encode()).hexdigest()[:32]
    assert spec().digest == PINNED, "a change of what a digest is made of makes every stored trial a stranger"


def test_specs_that_are_equal_have_equal_digests_whatever_the_order_of_their_keys():
    other = TrialSpec.model_validate_json(json.dumps(backwards(SPEC)))
    assert other == spec()
    assert other.digest == spec().digest


def test_a_default_that_is_written_out_is_no_change():
    assert spec(recipe=RECIPE | {"warmup": 0, "schedule": "constant"}).digest == spec().digest
    assert spec(recipe=RECIPE | {"optimizer": RECIPE["optimizer"] | {"groups": {}}}).digest == spec().digest
    assert (
        spec(recipe=RECIPE | {"clip_grad_norm": 1}).digest
        == spec(recipe=RECIPE | {"clip_grad_norm": 1.0}).digest
    )


def test_another_process_gives_the_same_digest():
    code = (
        "import sys; from repro.trial import TrialSpec; "
        "print(TrialSpec.model_validate_json(sys.argv[1]).digest)"
    )
    command = [sys.executable, "-c", code, json.dumps(backwards(SPEC))]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert run.stdout.strip() == spec().digest


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"seed": 4}, id="seed"),
        pytest.param({"task": "segmentation"}, id="task"),
        pytest.param({"device": "cuda"}, id="device"),
        pytest.param({"code": "c1"}, id="code"),
        pytest.param({"torch": "2.9.1"}, id="torch"),
        pytest.param({"fingerprint": "f1"}, id="content of the data"),
        pytest.param({"model": SPEC["model"] | {"name": "other"}}, id="model"),
        pytest.param({"model": SPEC["model"] | {"depth": 14}}, id="option of the model"),
        pytest.param({"model": SPEC["model"] | {"width": 8}}, id="a further option of the model"),
        pytest.param({"data": SPEC["data"] | {"size": 28}}, id="option of the data"),
        pytest.param({"recipe": None}, id="no training"),
        pytest.param({"weights": {"name": "imagenet"}}, id="weights"),
        pytest.param({"start": SPEC}, id="start"),
        pytest.param({"freeze": ["stages"]}, id="freeze"),
        pytest.param(
            {"recipe": RECIPE | {"optimizer": RECIPE["optimizer"] | {"groups": {"bias": {"lr": 2}}}}},
            id="groups of the optimizer",
        ),
        *(
            pytest.param({"recipe": RECIPE | {key: value}}, id=key)
            for key, value in {
                "steps": 11,
                "batch_size": 33,
                "optimizer": {"name": "sgd", "lr": 0.2, "momentum": 0.9},
                "schedule": "cosine",
                "warmup": 1,
                "augment": [],
                "clip_grad_norm": 1.0,
                "precision": "bf16",
                "channels_last": False,
                "compile": True,
                "cuda_graph": True,
                "places": 2,
                "deterministic": False,
                "evaluate": {"train_images": 100},
            }.items()
        ),
    ],
)
def test_whatever_may_change_the_outcome_changes_the_digest(changes):
    assert spec(**changes).digest != spec().digest


def test_a_trial_that_another_one_starts_from_is_part_of_its_digest_with_all_that_determines_it():
    starts = [SPEC, SPEC | {"seed": 4}, SPEC | {"recipe": RECIPE | {"steps": 11}}, SPEC | {"start": SPEC}]
    assert len({spec(start=start).digest for start in [None, *starts]}) == 5


def test_every_key_of_a_recipe_is_among_those_that_are_changed_above():
    changed = {
        mark.id for mark in test_whatever_may_change_the_outcome_changes_the_digest.pytestmark[0].args[1]
    }
    assert set(Recipe.model_fields) <= changed
    assert set(TrialSpec.model_fields) - {"model", "data", "recipe", "fingerprint"} <= changed


def test_a_spec_takes_nothing_else_in():
    for key in ("path", "time", "host"):
        with pytest.raises(ValidationError) as refused:
            spec(**{key: "x"})
        assert [(error["loc"], error["type"]) for error in refused.value.errors()] == [
            ((key,), "extra_forbidden")
        ]


def test_numbers_that_json_lacks_have_no_digest():
    with pytest.raises(ValueError):
        digest({"lr": float("nan")})


# ---- specs of arms


@pytest.fixture
def arm():
    recipe = Recipe.model_validate_json(json.dumps(RECIPE))
    return ResolvedArm(
        Named(name="cifar_resnet", depth=8), Named(name="fashion-mnist-small", size=14), recipe, seed_offset=0
    )


def test_an_arm_is_specified_alike_wherever_and_whenever_that_is(arm, tmp_path, monkeypatch):
    before = specify("classification", arm, 0, "cpu").digest
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRO_HOME", str(tmp_path))
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert specify("classification", arm, 0, "cpu").digest == before


def test_an_offset_of_seeds_is_part_of_the_seed(arm):
    moved = ResolvedArm(arm.model, arm.data, arm.recipe, seed_offset=100)
    assert specify("classification", moved, 5, "cpu") == specify("classification", arm, 105, "cpu")


def test_nets_that_are_not_trained_are_the_same_whatever_the_recipe(arm):
    other = ResolvedArm(arm.model, arm.data, None, seed_offset=0)
    start = specify("classification", arm, 0, "cpu", trained=False)
    assert start.recipe is None
    assert start == specify("classification", other, 0, "cpu")


def test_modules_are_frozen_and_weights_taken_up_where_an_arm_says_so(arm):
    start = specify("classification", arm, 0, "cpu")
    tuned = replace(arm, weights=Named(name="trial", arm="first"), freeze=("stages",))
    trial = specify("classification", tuned, 0, "cpu", start=start)
    assert (trial.start, trial.freeze) == (start, ("stages",))
    untrained = specify("classification", tuned, 0, "cpu", trained=False, start=start)
    assert (untrained.start, untrained.freeze) == (start, ())


# ---- jobs


CODE = {"code": "c0", "torch": "2.9.0"}


def probing(subject: Subject, measure: str = "gradient_norm", **options) -> Probing:
    return Probing(measure=measure, options=options, subject=subject, **CODE)


def evaluating(subject: Subject, split: str = "test", images: int | None = None) -> Evaluating:
    return Evaluating(subject=subject, split=split, images=images, **CODE)


def drawing(**trials: TrialSpec) -> Drawing:
    subjects = {arm: Subject(trial=trial) for arm, trial in trials.items()}
    return Drawing(picture="predictions", options={}, subjects=subjects, **CODE)


def counting(**options) -> Counting:
    return Counting(measure="params", options=options, model=spec().model, data=None, **CODE)


def timing_round(number: int = 0, device: str = "cpu", names: tuple[str, ...] = ("a", "b")) -> Round:
    net = TimedNet(model=spec().model, data=None, timing=Timing())
    return Round(nets=dict.fromkeys(names, net), number=number, device=device, machine=("x",), **CODE)


def test_jobs_that_differ_in_anything_have_digests_of_their_own():
    whole, untrained = Subject(trial=spec()), Subject(trial=spec(recipe=None))
    lesioned, other = (Subject(trial=spec(), treatment=Named(name="lesion", block=block)) for block in (0, 1))
    jobs = [
        spec(),
        counting(),
        counting(size=3),
        *(probing(subject) for subject in (whole, untrained, lesioned, other, Subject(trial=spec(seed=4)))),
        probing(whole, layer="last"),
        probing(whole, "response_std"),
        *(evaluating(subject) for subject in (whole, lesioned, other)),
        evaluating(whole, "train"),
        evaluating(whole, images=100),
        drawing(a=spec(), b=spec(seed=4)),
        drawing(b=spec(seed=4), a=spec()),
        timing_round(),
        timing_round(1),
        timing_round(names=("b", "a")),
    ]
    assert len({job.digest for job in jobs}) == len(jobs)


def test_a_job_says_what_it_is():
    lesioned = Subject(trial=spec(), treatment=Named(name="lesion", block=1))
    net = "cifar_resnet(depth=8, residual=False)"
    assert spec().label == f"{net}, seed 3"
    assert counting().label == f"{net}, params"
    assert probing(Subject(trial=spec())).label == f"{net}, seed 3, gradient_norm"
    assert evaluating(lesioned).label == f"{net}, seed 3 after lesion(block=1), metrics of all test images"
    assert evaluating(lesioned, "train", 40).label.endswith("metrics of 40 train images")
    assert drawing(a=spec(), b=spec()).label == "the picture 'predictions' of a, b"
    assert timing_round(3).label == "round 3 of timing a, b"


def test_a_job_needs_the_device_of_its_nets_and_only_a_round_the_whole_machine():
    gpu = spec(device="cuda")
    on_a_gpu = [gpu, probing(Subject(trial=gpu)), evaluating(Subject(trial=gpu)), drawing(a=gpu)]
    assert [job.needs for job in on_a_gpu] == [Needs(device="cuda", places=1, alone=False)] * 4
    assert spec().needs == Needs(device="cpu", places=1, alone=False)
    assert counting().needs == Needs(device="cpu", places=0, alone=False)
    assert timing_round(device="cuda").needs == Needs(device="cuda", alone=True)


def test_in_odd_rounds_the_order_is_turned_round():
    assert [name for name, _ in timing_round(0).in_turn] == ["a", "b"]
    assert [name for name, _ in timing_round(1).in_turn] == ["b", "a"]


# ---- what comes before what


def test_what_looks_at_a_trained_net_comes_after_its_trial_and_what_looks_at_its_start_does_not():
    trained, untrained = spec(), spec(recipe=None)
    for job in (probing(Subject(trial=trained)), evaluating(Subject(trial=trained)), drawing(a=trained)):
        assert job.after == (trained,)
    assert probing(Subject(trial=untrained)).after == counting().after == trained.after == ()


def test_a_net_that_starts_from_a_trial_waits_for_it_even_if_it_is_looked_at_untrained():
    first = spec(seed=7)
    second, untrained = (
        spec(start=first.model_dump(mode="json")),
        spec(start=first.model_dump(mode="json"), recipe=None),
    )
    assert second.after == (first,)
    assert probing(Subject(trial=untrained)).after == (first,)
    assert closure([probing(Subject(trial=second))]) == [first, second, probing(Subject(trial=second))]


def test_a_diamond_is_done_once_and_from_its_top():
    top = spec(seed=7)
    left, right = (spec(seed=seed, start=top.model_dump(mode="json")) for seed in (1, 2))
    foot = drawing(left=left, right=right)
    jobs = closure([foot, right, foot])
    assert sorted(job.digest for job in jobs) == sorted({job.digest for job in (top, left, right, foot)})
    assert jobs[0] == top and jobs[-1] == foot


def test_what_is_done_is_left_out_with_all_that_came_before_it_unless_something_else_wants_that():
    top = spec(seed=7)
    left, right = (spec(seed=seed, start=top.model_dump(mode="json")) for seed in (1, 2))
    done = {left.digest}
    assert closure([left], unless=lambda job: job.digest in done) == []
    assert closure([left, right], unless=lambda job: job.digest in done) == [top, right]

"""What names a trial: all that matters to its outcome, and nothing else."""

import hashlib
import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from repro.recipe import Named, Recipe
from repro.suite import ResolvedArm
from repro.trial import Number, TrialSpec, count, digest, probe, specify

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


PINNED = "76c8bbf7fc72feb4869bd4505b34b95c"  # of SPEC


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
    canonical = json.dumps(SPEC | {"recipe": recipe, "weights": None}, sort_keys=True, separators=(",", ":"))
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
                "deterministic": False,
                "evaluate": {"train_images": 100},
            }.items()
        ),
    ],
)
def test_whatever_may_change_the_outcome_changes_the_digest(changes):
    assert spec(**changes).digest != spec().digest


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


def test_numbers_have_digests_of_their_own(arm):
    trial = specify("classification", arm, 0, "cpu")
    jobs: list[Number] = [
        count("params", {}, arm),
        probe("gradient_norm", {}, trial),
        probe("gradient_norm", {"layer": "last"}, trial),
        probe("gradient_norm", {}, specify("classification", arm, 1, "cpu")),
        probe("gradient_norm", {}, specify("classification", arm, 0, "cpu", trained=False)),
    ]
    assert len({job.digest for job in [*jobs, trial]}) == 6
    assert jobs[0].trial is None

"""Reading a sound suite: what is made of it, and how fast."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from kit.small_suite import SUITE

from repro.reading import load
from repro.recipe import Named, Optimizer, Recipe
from repro.suite import merge
from repro.suite_files import RECIPES

SUITES = sorted((Path(__file__).parents[1] / "suites").glob("*/*.yaml"))


def test_the_small_suite_is_sound(tmp_path):
    (tmp_path / "x.yaml").write_text(SUITE)
    assert set(load(tmp_path / "x.yaml").arms) == {"plain20", "resnet20"}


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_suite_that_is_kept_here_is_sound(path):
    assert load(path).claims


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        SUITE.replace(
            "    model: {width: 8}\n", "    model: {width: 8}\n    arms: {plain20: {width: 4, depth: 8}}\n"
        )
    )
    return load(path)


def test_options_of_a_model_come_from_the_arm_the_profile_and_the_arm_at_the_profile_the_last_one_counts(
    suite,
):
    assert suite.resolve("plain20", "cpu").model == Named(
        name="cifar_resnet", depth=8, residual=False, width=4
    )
    assert suite.resolve("resnet20", "cpu").model == Named(name="cifar_resnet", depth=20, width=8)
    assert suite.resolve("resnet20", "gpu").model == Named(name="cifar_resnet", depth=20)


def test_a_recipe_is_that_of_the_profile_with_what_the_arm_changes(suite):
    plain, changed = suite.resolve("plain20", "cpu").recipe, suite.resolve("resnet20", "cpu").recipe
    assert isinstance(plain, Recipe)
    assert plain.optimizer == Optimizer(name="sgd", lr=0.1, momentum=0.9)
    assert changed.optimizer == Optimizer(name="sgd", lr=0.2, momentum=0.9)
    assert changed.model_copy(update={"optimizer": plain.optimizer}) == plain


def test_what_a_profile_changes_for_an_arm_comes_after_what_the_arm_changes(tmp_path):
    path = tmp_path / "x.yaml"
    here = "    arms: {resnet20: {width: 4, recipe: {steps: 7, optimizer: {momentum: 0.5}}}}\n"
    path.write_text(SUITE.replace("    model: {width: 8}\n", here))
    suite = load(path)
    changed = suite.resolve("resnet20", "cpu")
    assert changed.model == Named(name="cifar_resnet", depth=20, width=4)
    assert changed.recipe.steps == 7
    assert changed.recipe.optimizer == Optimizer(name="sgd", lr=0.2, momentum=0.5)
    assert suite.resolve("plain20", "cpu").recipe.steps == 10
    assert suite.resolve("resnet20", "gpu").recipe.steps == 20


@pytest.mark.parametrize(
    "base, changes, expected",
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"o": {"name": "sgd", "lr": 1}}, {"o": {"lr": 2}}, {"o": {"name": "sgd", "lr": 2}}),
        (
            {"o": {"name": "sgd", "lr": 1}},
            {"o": {"name": "sgd", "m": 2}},
            {"o": {"name": "sgd", "lr": 1, "m": 2}},
        ),
        ({"o": {"name": "sgd", "lr": 1}}, {"o": {"name": "adamw"}}, {"o": {"name": "adamw"}}),
        ({"o": {"name": "sgd", "lr": 1}}, {"o": "adamw"}, {"o": "adamw"}),
        ({"e": {"every": 1}}, {"e": {"train_images": 2}}, {"e": {"every": 1, "train_images": 2}}),
        ({"l": [1, 2]}, {"l": [3]}, {"l": [3]}),
    ],
    ids=["keys", "an option", "the same name", "another name", "a name alone", "no name", "a list"],
)
def test_mappings_are_merged_but_a_choice_of_another_name_replaces_the_whole_choice(base, changes, expected):
    assert merge(base, changes) == expected


def test_a_claim_is_asked_at_every_profile_unless_it_names_some(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(SUITE + "  one: {says: x, expect: params(plain20) > 1, profiles: [gpu]}\n")
    suite = load(path)
    assert [name for name, _ in suite.claims_at("cpu")] == ["worse"]
    assert [name for name, _ in suite.claims_at("gpu")] == ["worse", "one"]
    assert suite.claims["worse"].expected("cpu") == "reproduced"
    assert suite.claims["worse"].expected("gpu") == "undecided"


@pytest.mark.slow
def test_reading_all_suites_and_their_schema_imports_no_torch():
    code = (
        "import sys; from pathlib import Path; from repro.reading import load; "
        "from repro.schema import of_suites\n"
        "for path in sys.argv[1:]: load(Path(path))\n"
        "of_suites()\n"
        "heavy = ('torch', 'torchvision', 'datasets', 'pyarrow', 'scipy')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, SUITES)], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"


@pytest.mark.slow
def test_a_hundred_suites_are_read_in_less_than_three_seconds_of_cpu(tmp_path):
    source = next(path for path in SUITES if path.stem == "resnet_degradation")
    text = source.read_text()
    (tmp_path / RECIPES).write_text((source.parents[1] / RECIPES).read_text())
    paths = [tmp_path / f"{number}.yaml" for number in range(100)]
    for path in paths:
        path.write_text(text)
    started = time.process_time()
    for path in paths:
        load(path)
    assert time.process_time() - started < 3

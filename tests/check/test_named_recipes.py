"""Recipes by name: written out before a suite is read, with mistakes where they were made."""

import pytest
from kit.small_suite import SUITE

from repro import named_recipes
from repro.document import DocumentError
from repro.job import digest
from repro.reading import load

RECIPES = """\
short:
  steps: 10
  batch_size: 32
  optimizer: {name: sgd, lr: 0.1, momentum: 0.9}
  schedule: cosine
  augment: [flip]
long:
  steps: 100
  batch_size: 64
  optimizer: {name: adamw, lr: 0.01}
  schedule: {name: step, at: [50]}
  evaluate: {every: 20}
"""
WRITTEN_OUT = SUITE[SUITE.index("    recipe:\n") : SUITE.index("  gpu:\n")]  # of cpu, as `short` is


@pytest.fixture
def recipes(suites):
    """The file of recipes beside the ledger, with pieces replaced."""

    def recipes(*changes):
        text = RECIPES
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        (suites / "recipes.yaml").write_text(text)

    recipes()
    return recipes


def named(recipe):
    """The change of the small suite that has a recipe at cpu."""
    return (WRITTEN_OUT, f"    recipe: {recipe}\n")


def suite_with(folder, recipe):
    path = folder / "x.yaml"
    path.write_text(SUITE.replace(*named(recipe)))
    return load(path)


@pytest.mark.usefixtures("recipes")
def test_a_named_recipe_is_as_good_as_the_same_written_out(suites):
    path = suites / "y.yaml"
    path.write_text(SUITE)
    whole = load(path)
    for suite in (suite_with(suites, "short"), suite_with(suites, "{name: short}")):
        assert suite == whole
        assert suite.resolve("resnet20", "cpu") == whole.resolve("resnet20", "cpu")
        assert digest(suite.model_dump(mode="json")) == digest(whole.model_dump(mode="json"))


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize(
    "changes, expected",
    [
        ("steps: 5", {"steps": 5}),
        ("optimizer: {lr: 1}", {"optimizer": {"name": "adamw", "lr": 1}}),
        ("optimizer: {name: sgd, lr: 1}", {"optimizer": {"name": "sgd", "lr": 1}}),
        ("schedule: cosine", {"schedule": {"name": "cosine"}}),
        ("evaluate: {train_images: 5}", {"evaluate": {"every": 20, "train_images": 5}}),
    ],
    ids=["a key", "an option", "another choice", "another choice without options", "a key further down"],
)
def test_changes_are_merged_into_a_named_recipe_as_those_of_arms_are(suites, changes, expected):
    long = named_recipes.read(suites / "recipes.yaml").recipes["long"].model_dump(mode="json")
    changed = suite_with(suites, f"{{name: long, {changes}}}").profiles["cpu"].recipe
    assert changed.model_dump(mode="json") == {**long, **expected}


@pytest.mark.usefixtures("recipes")
def test_an_arm_changes_what_a_named_recipe_and_its_changes_come_to(suites):
    suite = suite_with(suites, "{name: short, optimizer: {momentum: 0.5}}")
    plain, changed = suite.resolve("plain20", "cpu").recipe, suite.resolve("resnet20", "cpu").recipe
    assert plain.optimizer.options == {"lr": 0.1, "momentum": 0.5}
    assert changed.optimizer.options == {"lr": 0.2, "momentum": 0.5}


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize(
    "recipe, expected",
    [
        ("shrot", "11:13: unknown recipe 'shrot'; did you mean 'short'?"),
        ("{steps: 5, name: lnog}", "11:30: unknown recipe 'lnog'; did you mean 'long'?"),
        ("zzz", "11:13: unknown recipe 'zzz'; known: long, short"),
        ("{name: 5}", "11:20: name: expected text; put quotes around it"),
        ("5", "11:13: recipe: expected a mapping, not 5"),
        ("{name: short, step: 5}", "11:27: unknown key 'step'; did you mean 'steps'?"),
        ("{name: short, steps: x}", "11:34: steps: expected a whole number, not 'x'"),
        (
            "{name: short, optimizer: {lrr: 5}}",
            "11:39: optimizer 'sgd' has no option 'lrr'; did you mean 'lr'?",
        ),
        ("{name: short, optimizer: adamw}", "11:27: optimizer 'adamw' needs the option 'lr'"),
        ("{name: short, augment: [flop]}", "11:37: unknown augmentation 'flop'; did you mean 'flip'?"),
    ],
)
def test_a_mistake_in_a_name_or_in_changes_points_into_the_suite(errors, recipe, expected):
    assert errors(named(recipe)) == [expected]


@pytest.mark.usefixtures("recipes")
def test_what_is_named_by_an_arm_is_no_recipe(errors):
    change = "recipe: {optimizer: {lr: 0.2}}"
    assert errors((change, "recipe: short")) == ["6:54: recipe: expected a mapping, not 'short'"]
    (found,) = errors((change, "recipe: {name: short}"))
    assert found.startswith("6:55: unknown key 'name'; known: augment, batch_size, ")


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("steps: 10\n", "step: 10\n", "2:3: unknown key 'step'; did you mean 'steps'?"),
        ("steps: 10\n", "steps: x\n", "2:10: steps: expected a whole number, not 'x'"),
        ("  steps: 100\n", "", "7:1: 'steps' is missing"),
        ("name: sgd", "name: sdg", "4:21: unknown optimizer 'sdg'; did you mean 'sgd'?"),
        ("[flip]", "[flop]", "6:13: unknown augmentation 'flop'; did you mean 'flip'?"),
        (
            "at: [50]",
            "at: [50], fator: 1",
            "11:36: schedule 'step' has no option 'fator'; did you mean 'factor'?",
        ),
        ("long:\n", "a b:\n", "7:1: 'a b' does not fit here"),
        ("long:\n", "short:\n", "7:1: duplicate key 'short' (first on line 1)"),
        ("  steps: 10\n", "  name: long\n  steps: 10\n", "2:3: unknown key 'name'; known: augment, "),
        ("  steps: 10\n", "  steps: &s 10\n", "2:10: anchors and aliases are not supported"),
        ("short:\n", "other: long\nshort:\n", "1:8: other: expected a mapping, not 'long'"),
        ("short:\n", "short: [\n", "3:13: not YAML: "),
    ],
)
def test_a_mistake_in_a_named_recipe_points_into_its_file(errors, recipes, old, new, expected):
    recipes((old, new))
    found = errors(named("{name: short, steps: 5}"))
    assert found and found[0].startswith(f"recipes.yaml:{expected}")
    assert all(line.startswith("recipes.yaml:") for line in found)


@pytest.mark.parametrize("text", ["- short\n", "short\n", ""])
def test_a_file_of_recipes_that_is_none_says_so(errors, suites, text):
    (suites / "recipes.yaml").write_text(text)
    (found,) = errors(named("short"))
    assert found.startswith("recipes.yaml:1:1: ")


def test_mistakes_in_recipes_and_in_the_suite_that_names_them_come_at_once(errors, recipes):
    recipes(("cosine", "cosin"))
    change = ("size: 14", "size: x")
    assert errors(named("short"), change) == [
        "9:45: size: expected a whole number, not 'x'",
        "recipes.yaml:5:13: unknown schedule 'cosin'; did you mean 'cosine'?",
    ]


def test_a_suite_that_names_no_recipe_does_not_care_for_their_file(errors, recipes):
    recipes(("cosine", "cosin"))
    assert errors() == []


def test_without_a_file_of_recipes_an_unknown_name_says_where_it_was_looked_for(errors, suites):
    assert errors(named("short")) == [
        f"11:13: unknown recipe 'short': there is no recipes.yaml in {suites / 'deep' / 'down'} or above it"
    ]


@pytest.mark.usefixtures("recipes")
def test_the_nearest_file_of_recipes_counts(errors, suites):
    (suites / "deep" / "recipes.yaml").write_text(RECIPES.replace("long", "other"))
    assert errors(named("long")) == ["11:13: unknown recipe 'long'; known: other, short"]
    assert errors(named("other")) == []


@pytest.mark.usefixtures("recipes")
def test_the_file_of_recipes_is_named_as_the_suite_is(suites, monkeypatch):
    monkeypatch.chdir(suites)
    (suites / "recipes.yaml").write_text(RECIPES.replace("cosine", "cosin"))
    (suites / "deep" / "x.yaml").write_text(SUITE.replace(*named("short")))
    for given in (suites / "deep" / "x.yaml", (suites / "deep" / "x.yaml").relative_to(suites)):
        with pytest.raises(DocumentError) as error:
            load(given)
        (problem,) = error.value.problems
        assert problem.path == given.parent.parent / "recipes.yaml"


@pytest.mark.usefixtures("recipes")
def test_a_file_of_recipes_is_no_suite(suites):
    with pytest.raises(DocumentError, match=r"recipes\.yaml:1:1: .* it is no suite"):
        load(suites / "recipes.yaml")

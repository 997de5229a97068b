"""The JSON Schemas: valid themselves, as strict as what they are made from, and renewed when that changes."""

import copy
import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from repro import document, named_recipes
from repro.schema import of_recipes, of_results, of_suites

ROOT = Path(__file__).parents[1] / "suites"
SUITES = sorted(ROOT.glob("*/*.yaml"))
RECIPES = named_recipes.read(ROOT / "recipes.yaml").recipes
RENEW = "`repro schema{0}` prints something else than suites/{1}; renew it: repro schema{0} > suites/{1}"


@cache
def printed():
    return of_suites(RECIPES)


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(printed())


@pytest.fixture
def suite():
    (path,) = (path for path in SUITES if path.stem == "resnet_degradation")
    return copy.deepcopy(document.read(path).data)


@pytest.mark.parametrize("schema", [of_suites, of_recipes, of_results])
def test_a_schema_is_one_of_draft_2020_12_and_plain_json(schema):
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize(
    "file, option, made",
    [
        ("suite.schema.json", "", printed),
        ("recipes.schema.json", " --recipes", of_recipes),
    ],
    ids=["of suites", "of recipes"],
)
def test_the_schema_that_is_kept_is_the_one_that_is_printed(file, option, made):
    assert json.loads((ROOT / file).read_text()) == made(), RENEW.format(option, file)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_a_suite_names_the_schema_on_its_first_line_and_keeps_to_it(path, validator):
    first = path.read_text().partition("\n")[0]
    head, _, name = first.partition("=")
    assert head == "# yaml-language-server: $schema"
    assert (path.parent / name).resolve() == ROOT / "suite.schema.json"
    assert [error.message for error in validator.iter_errors(document.read(path).data)] == []


def test_named_recipes_name_their_schema_on_the_first_line_and_keep_to_it():
    path = ROOT / "recipes.yaml"
    assert path.read_text().startswith("# yaml-language-server: $schema=recipes.schema.json\n")
    jsonschema.validate(document.read(path).data, of_recipes())


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param("scenes-300", id="a text"),
        pytest.param({"name": "scenes-300"}, id="a name"),
        pytest.param({"steps": 5, "batch_size": 5}, id="no optimizer"),
        pytest.param({"steps": 5, "batch_size": 5, "optimizer": "sgd"}, id="no learning rate"),
        pytest.param(
            {"steps": 5, "batch_size": 5, "optimizer": {"name": "sgd", "lr": 1}, "warmpu": 5},
            id="an unknown key",
        ),
    ],
)
def test_the_schema_of_recipes_finds_what_is_wrong(recipe):
    validator = jsonschema.Draft202012Validator(of_recipes())
    assert validator.is_valid({"a": {"steps": 5, "batch_size": 5, "optimizer": {"name": "sgd", "lr": 1}}})
    assert not validator.is_valid({"a": recipe})


def test_without_named_recipes_the_schema_of_suites_knows_no_names():
    suite = document.read(next(path for path in SUITES if path.stem == "fcn_skips")).data
    assert jsonschema.Draft202012Validator(of_suites(["scenes-300", "pascal-voc-400"])).is_valid(suite)
    assert not jsonschema.Draft202012Validator(of_suites()).is_valid(suite)


def change(data, path, value):
    *above, last = path
    for step in above:
        data = data[step]
    if value is ...:
        del data[last]
    else:
        data[last] = value


@pytest.mark.parametrize(
    "path, value",
    [
        pytest.param(["seed"], 1, id="an unknown key"),
        pytest.param(["task"], "clasification", id="an unknown task"),
        pytest.param(["claims"], ..., id="no claims"),
        pytest.param(["claims"], {}, id="claims, but none"),
        pytest.param(["arms", "plain20", "model"], "cifar_resnt", id="an unknown model"),
        pytest.param(["arms", "plain20", "model"], ..., id="an arm without a model"),
        pytest.param(["arms", "plain20", "depht"], 20, id="an unknown option of a model"),
        pytest.param(["arms", "plain20", "depth"], "20", id="an option of another type"),
        pytest.param(
            ["arms", "plain-20"], {"model": "cifar_resnet", "depth": 20}, id="an arm that no claim could name"
        ),
        pytest.param(["suite"], "x" * 101, id="a suite with a name that fits no file's name"),
        pytest.param(["claims", "x" * 101], {"says": "x", "expect": "x"}, id="a claim with such a name"),
        pytest.param(["profiles", "cpu", "device"], "gpu", id="an unknown device"),
        pytest.param(["profiles", "cpu", "data"], "mnist", id="an unknown data set"),
        pytest.param(["profiles", "cpu", "data", "sise"], 14, id="an unknown option of a data set"),
        pytest.param(["profiles", "cpu", "data", "name"], "mnist", id="an unknown data set with options"),
        pytest.param(["profiles", "cpu", "recipe", "step"], 14, id="an unknown key of a recipe"),
        pytest.param(["profiles", "cpu", "recipe", "steps"], ..., id="a recipe without steps"),
        pytest.param(["profiles", "cpu", "recipe", "steps"], -1, id="a number out of range"),
        pytest.param(
            ["profiles", "cpu", "recipe", "optimizer"], "sgd", id="a choice alone that needs options"
        ),
        pytest.param(
            ["profiles", "cpu", "recipe", "optimizer", "lrr"], 1, id="an unknown option of an optimizer"
        ),
        pytest.param(["profiles", "cpu", "recipe", "schedule", "name"], "steps", id="an unknown schedule"),
        pytest.param(
            ["profiles", "cpu", "recipe", "optimizer", "groups"],
            {"bias": {"nesterov": 2}},
            id="a factor on what is no number",
        ),
        pytest.param(
            ["profiles", "cpu", "recipe", "optimizer", "groups"], {"bias": {"lr": -1}}, id="a factor below 0"
        ),
        pytest.param(["profiles", "cpu", "recipe", "optimizer", "groups"], {"": {"lr": 1}}, id="no word"),
        pytest.param(["profiles", "cpu", "recipe"], "scenes-200", id="an unknown recipe"),
        pytest.param(["profiles", "cpu", "recipe"], {"steps": 5}, id="changes of no recipe"),
        pytest.param(
            ["profiles", "cpu", "recipe"],
            {"name": "scenes-300", "step": 5},
            id="an unknown change of a recipe",
        ),
        pytest.param(
            ["profiles", "cpu", "recipe"],
            {"name": "scenes-300", "steps": "many"},
            id="a change of another type",
        ),
        pytest.param(["profiles", "cpu", "recipe", "augment"], ["flop"], id="an unknown augmentation"),
        pytest.param(["claims", "degradation", "expect"], ..., id="a claim that expects nothing"),
        pytest.param(["claims", "degradation", "ledger"], "RS02", id="a text for a list"),
        pytest.param(
            ["claims", "degradation", "at"],
            {"cpu": {"verdict": "refuted"}},
            id="a known verdict without a reason",
        ),
        pytest.param(["paper", "arxiv"], 1512.03385, id="an arXiv number without quotes"),
    ],
)
def test_the_schema_finds_what_is_wrong(validator, suite, path, value):
    assert validator.is_valid(suite)
    change(suite, path, value)
    assert not validator.is_valid(suite)


@pytest.mark.parametrize(
    "path, value",
    [
        pytest.param(["profiles", "cpu", "data"], "cifar10", id="a name alone"),
        pytest.param(["profiles", "cpu", "recipe", "schedule"], ..., id="a key that has a default"),
        pytest.param(["arms", "plain20", "recipe"], {"optimizer": {"lr": 1}}, id="what an arm changes"),
        pytest.param(["arms", "plain20", "depth"], ..., id="an option that a profile may give"),
        pytest.param(["profiles", "cpu", "recipe"], "scenes-300", id="a recipe by name"),
        pytest.param(
            ["profiles", "cpu", "recipe"],
            {"name": "scenes-300", "steps": 5, "optimizer": {"lr": 1}, "schedule": "poly"},
            id="a recipe by name, with changes",
        ),
        pytest.param(
            ["profiles", "cpu", "recipe", "optimizer", "groups"],
            {"stages.0": {"lr": 0}, "bias": {"lr": 2, "weight_decay": 0.5}},
            id="factors",
        ),
    ],
)
def test_the_schema_allows_what_is_right(validator, suite, path, value):
    change(suite, path, value)
    assert [error.message for error in validator.iter_errors(suite)] == []

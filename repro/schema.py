"""JSON Schemas, made from the classes that read: of suites and of named recipes for editors, of results for
whoever reads them.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from repro.catalogue import (
    AUGMENTATIONS,
    DATASETS,
    MODELS,
    OPTIMIZERS,
    PICTURES,
    SCHEDULES,
    TASKS,
    TREATMENTS,
    WEIGHTS,
    Catalogue,
)
from repro.recipe import Optimizer, Recipe
from repro.result import Result
from repro.suite import Name, Suite

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def of_results() -> dict[str, Any]:
    return {"$schema": DIALECT, **Result.model_json_schema(by_alias=True)}


def of_suites(recipes: Iterable[str] = ()) -> dict[str, Any]:
    """The schema of a suite, with the names of `recipes` and the names and options of every catalogue."""
    schema = Suite.model_json_schema()
    definitions = schema["$defs"]
    weights = _choice(WEIGHTS)
    definitions["Arm"]["properties"]["weights"] = definitions["Profile"]["properties"]["weights"] = weights
    definitions["Arm"] = _arm(definitions["Arm"])
    definitions["Picture"] = _either(definitions["Picture"], PICTURES, "picture")
    definitions["Profile"]["properties"]["data"] = _choice(DATASETS)
    _fill_recipe(definitions)
    if names := sorted(recipes):
        given = definitions["Profile"]["properties"]["recipe"]
        given["anyOf"] += [{"enum": names}, _changed_recipe(names, definitions["Recipe"])]
    schema["properties"]["task"] = {"enum": sorted(TASKS.targets)}
    return {"$schema": DIALECT, **_closed(schema)}


def of_recipes() -> dict[str, Any]:
    """The schema of recipes.yaml."""
    schema = TypeAdapter(dict[Name, Recipe]).json_schema()
    _fill_recipe(schema["$defs"])
    return {"$schema": DIALECT, **_closed(schema)}


def _arm(arm: dict[str, Any]) -> dict[str, Any]:
    """One mapping for each model, with its options, and one for a treated arm."""
    of, after = arm["properties"].pop("of"), arm["properties"].pop("after")
    treated = {
        "type": "object",
        "title": "treated",
        "description": "another arm, whose trained nets are treated before they are measured",
        "properties": {
            "of": {"type": "string", "description": of["description"]},
            "after": {**_choice(TREATMENTS), "description": after["description"]},
        },
        "required": ["of", "after"],
        "additionalProperties": False,
    }
    arm["required"] = ["model"]
    made = _either(arm, MODELS, "model")
    return {"anyOf": [*made["anyOf"], treated]}


def _fill_recipe(definitions: dict[str, Any]) -> None:
    """The names and options of what a recipe chooses from."""
    recipe = definitions["Recipe"]["properties"]
    recipe["optimizer"] = _optimizer()
    recipe["schedule"] = _choice(SCHEDULES)
    recipe["augment"] = {"type": "array", "items": _choice(AUGMENTATIONS)}
    for filled in ("Named", "Optimizer"):
        definitions.pop(filled, None)


def _changed_recipe(names: list[str], recipe: dict[str, Any]) -> dict[str, Any]:
    """A named recipe with changes. Options of what it chooses may change one by one."""
    part = {"type": ["string", "object"]}
    properties = {**recipe["properties"], "optimizer": part, "schedule": part, "name": {"enum": names}}
    return {
        "type": "object",
        "description": "a recipe of recipes.yaml, and what differs from it",
        "properties": properties,
        "required": ["name"],
        "additionalProperties": False,
    }


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A name that does not fit its pattern is wrong."""
    for holder in (schema, *schema["$defs"].values()):
        for value in (holder, *holder.get("properties", {}).values()):
            if "patternProperties" in value:
                value["additionalProperties"] = False
    return schema


def _options(catalogue: Catalogue, name: str) -> dict[str, Any]:
    made = catalogue.options(name).model_json_schema()
    return {"properties": made.get("properties", {}), "required": made.get("required", [])}


def _choice(catalogue: Catalogue) -> dict[str, Any]:
    """A name alone where it needs no options, or a mapping of the name and its options."""
    mappings, names = [], []
    for name in sorted(catalogue.targets):
        options = _options(catalogue, name)
        properties = {**options["properties"], "name": {"const": name}}
        mappings.append(
            {
                "type": "object",
                "properties": properties,
                "required": ["name", *options["required"]],
                "additionalProperties": False,
            }
        )
        if not options["required"]:
            names.append(name)
    return {"anyOf": [*([{"enum": names}] if names else []), *mappings]}


def _optimizer() -> dict[str, Any]:
    """An optimizer with its options, and with factors on those that are numbers."""
    choice = _choice(OPTIMIZERS)
    groups = Optimizer.model_json_schema()["properties"]["groups"]
    ((pattern, factors),) = groups["patternProperties"].items()
    for mapping in choice["anyOf"]:
        if "properties" in mapping:
            numbers = OPTIMIZERS.numbers(mapping["properties"]["name"]["const"])
            options = dict.fromkeys(numbers, factors["additionalProperties"])
            of_word = {"type": "object", "properties": options, "additionalProperties": False}
            words = {"patternProperties": {pattern: of_word}, "additionalProperties": False}
            mapping["properties"]["groups"] = {**groups, **words}
    return choice


def _either(holder: dict[str, Any], catalogue: Catalogue, key: str) -> dict[str, Any]:
    """One mapping for each name that a key can have, with its options. Those may also come from elsewhere:
    none is required.
    """
    shared = {name: value for name, value in holder["properties"].items() if name != key}
    return {
        "anyOf": [
            {
                "type": "object",
                "title": name,
                "description": holder.get("description", ""),
                "properties": {key: {"const": name}, **_options(catalogue, name)["properties"], **shared},
                "required": holder["required"],
                "additionalProperties": False,
            }
            for name in sorted(catalogue.targets)
        ]
    }

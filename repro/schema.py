"""JSON Schemas, made from the classes that read: of suites for editors, of results for whoever reads them."""

from typing import Any

from repro.catalogue import AUGMENTATIONS, DATASETS, MODELS, OPTIMIZERS, SCHEDULES, TASKS, Catalogue
from repro.result import Result
from repro.suite import Suite

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def of_results() -> dict[str, Any]:
    return {"$schema": DIALECT, **Result.model_json_schema(by_alias=True)}


def of_suites() -> dict[str, Any]:
    """The schema of a suite, with the names and options of every catalogue filled in."""
    schema = Suite.model_json_schema()
    definitions = schema["$defs"]
    definitions["Arm"] = _arm(definitions["Arm"])
    recipe = definitions["Recipe"]["properties"]
    recipe["optimizer"] = _choice(OPTIMIZERS)
    recipe["schedule"] = _choice(SCHEDULES)
    recipe["augment"] = {"type": "array", "items": _choice(AUGMENTATIONS)}
    definitions["Profile"]["properties"]["data"] = _choice(DATASETS)
    schema["properties"]["task"] = {"enum": sorted(TASKS.targets)}
    definitions.pop("Named", None)
    for holder in (schema, *definitions.values()):
        for value in holder.get("properties", {}).values():
            if "patternProperties" in value:
                value["additionalProperties"] = False  # a name that does not fit the pattern
    return {"$schema": DIALECT, **schema}


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


def _arm(arm: dict[str, Any]) -> dict[str, Any]:
    """An arm of each model. Options may also come from the profile, so none is required here."""
    shared = {key: value for key, value in arm["properties"].items() if key != "model"}
    return {
        "anyOf": [
            {
                "type": "object",
                "title": name,
                "description": arm.get("description", ""),
                "properties": {"model": {"const": name}, **_options(MODELS, name)["properties"], **shared},
                "required": ["model"],
                "additionalProperties": False,
            }
            for name in sorted(MODELS.targets)
        ]
    }

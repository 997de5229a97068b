"""JSON Schemas, made from the classes that read: of suites for editors, of results for whoever reads them."""

from typing import Any

from repro.catalogue import (
    AUGMENTATIONS,
    DATASETS,
    MODELS,
    OPTIMIZERS,
    PICTURES,
    SCHEDULES,
    TASKS,
    WEIGHTS,
    Catalogue,
)
from repro.result import Result
from repro.suite import Suite

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def of_results() -> dict[str, Any]:
    return {"$schema": DIALECT, **Result.model_json_schema(by_alias=True)}


def of_suites() -> dict[str, Any]:
    """The schema of a suite, with the names and options of every catalogue filled in."""
    schema = Suite.model_json_schema()
    definitions = schema["$defs"]
    definitions["Arm"]["properties"]["weights"] = definitions["Profile"]["properties"]["weights"] = _choice(
        WEIGHTS
    )
    definitions["Arm"] = _either(definitions["Arm"], MODELS, "model")
    definitions["Picture"] = _either(definitions["Picture"], PICTURES, "picture")
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

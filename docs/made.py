"""The parts of the reference that come from the code: commands and options, exit codes, keys of suites and
results, and every name of the catalogues. Markdown, written into `reference/made` for pages to include.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from repro import catalogue, pytest_plugin, source
from repro.catalogue import Catalogue, declaration
from repro.cli import main
from repro.cli.group import CODES
from repro.declaration import Declaration
from repro.format import markdown_table
from repro.recipe import Optimizer
from repro.result import Result
from repro.suite import Suite

Schema = Mapping[str, Any]


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / f"{name}.md").write_text(make() + "\n", encoding="utf-8")


def commands() -> str:
    """A section for each command of `repro`."""
    group = click.Context(main, info_name="repro")
    return "\n\n".join(_command(name, command, group) for name, command in sorted(main.commands.items()))


def _command(name: str, command: click.Command, group: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=group)
    usage = " ".join(["repro", name, *command.collect_usage_pieces(context)])
    options = [param for param in command.params if isinstance(param, click.Option)]
    records = [record for option in options if (record := option.get_help_record(context))]
    parts = [f"## repro {name}", f"```text\n{usage}\n```", _unwrapped(command.help)]
    return "\n\n".join([*parts, _options(records)] if records else parts)


def _unwrapped(text: str | None) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


def _options(records: Iterable[tuple[str, str]]) -> str:
    return markdown_table([("option", ""), *((f"`{name}`", says) for name, says in records)])


class _Asked(list[tuple[str, str]]):
    """Stands in for pytest's parser, and notes the options that the plugin adds."""

    def getgroup(self, *_: str) -> "_Asked":
        return self

    def addoption(self, name: str, **told: Any) -> None:
        choices = told.get("choices")
        value = told.get("metavar") or (f"[{'|'.join(choices)}]" if choices else "")
        takes = value or ("" if told.get("action") == "store_true" else "TEXT")
        self.append((f"{name} {takes}".strip(), told["help"]))


def pytest_options() -> str:
    asked = _Asked()
    pytest_plugin.pytest_addoption(asked)  # type: ignore[arg-type]
    return _options(asked)


def exit_codes() -> str:
    return markdown_table([("code", "means"), *((str(code), means) for code, means in CODES.items())])


def suite_keys() -> str:
    """A table of keys for each mapping of a suite."""
    schema = Suite.model_json_schema()
    schema["$defs"]["Optimizer"] = Optimizer.model_json_schema()
    return _keys("Suite", schema)


def result_keys() -> str:
    return _keys("Result", Result.model_json_schema(by_alias=True))


def _keys(title: str, schema: Schema) -> str:
    """The schema itself, then what it refers to, in the order in which it does."""
    definitions: Mapping[str, Schema] = schema["$defs"]
    order, found = [title], dict[str, Schema]()
    while order:
        name = order.pop(0)
        if name not in found:
            found[name] = schema if name == title else definitions[name]
            order += [one for one in _references(found[name].get("properties", {})) if one in definitions]
    return "\n\n".join(_mapping(name, of) for name, of in found.items() if "properties" in of)


def _mapping(name: str, schema: Schema) -> str:
    required = schema.get("required", ())
    rows: list[Sequence[str]] = [("key", "value", "default", "")]
    for key, of in schema["properties"].items():
        default = "required" if key in required else _default(of)
        rows.append((f"`{key}`", _value(of), default, " ".join(of.get("description", "").split())))
    says = _unwrapped(schema.get("description"))
    return "\n\n".join(filter(None, [f"## {name}", says, markdown_table(rows)]))


def _default(of: Schema) -> str:
    default = of.get("default")
    if default in (None, {}, [], "") and default is not False:
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`" if _is_plain(default) else ""


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _value(schema: Schema) -> str:
    """The kind of value that a schema allows, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_value, schema["anyOf"])))
    match schema.get("type", "anything"):
        case "array" if "prefixItems" in schema:
            return f"pair of {', '.join(dict.fromkeys(map(_several, schema['prefixItems'])))}"
        case "array":
            return f"list of {_several(schema['items'])}"
        case "object":
            of = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
            return f"mapping of {_several(of)}" if isinstance(of, Mapping) and of else "mapping"
        case kind:
            return str(kind)


def _several(schema: Schema) -> str:
    kind = _value(schema)
    return f"{kind}s" if kind in ("string", "integer", "number") else kind


def names() -> str:
    """A section for each catalogue, with a row for each name."""
    return "\n\n".join(_names(heading, of) for heading, of in CATALOGUES.items())


def _names(heading: str, of: Catalogue) -> str:
    tell = _measure if of in (catalogue.COUNTS, catalogue.PROBES, catalogue.CLOCKS) else _entry
    head = ("name", "options", *(("unit", "better") if tell is _measure else ()), "")
    told = markdown_table([head, *(tell(of, name) for name in sorted(of.builtin))])
    metrics = f"\n\n{_metrics()}" if of is catalogue.TASKS else ""
    return f"## {heading}\n\nEntry points: `{of.group}`.\n\n{told}{metrics}"


def _entry(of: Catalogue, name: str) -> Sequence[str]:
    says = source.docstring(of.target(name)).partition("\n\n")[0]
    return f"`{name}`", _parameters(of, name), " ".join(says.split())


def _measure(of: Catalogue, name: str) -> Sequence[str]:
    *entry, says = _entry(of, name)
    return *entry, *_declared(declaration(name)), says


def _metrics() -> str:
    """What the nets of each task are measured by."""
    rows: list[Sequence[str]] = [("task", "metric", "unit", "better")]
    for task in sorted(catalogue.TASKS.builtin):
        for metric, declared in catalogue.metrics(task).items():
            rows.append((task, f"`{metric}`", *_declared(declared)))
    return markdown_table(rows)


def _declared(said: Declaration) -> tuple[str, str]:
    return said.unit, said.better or ""


def _parameters(of: Catalogue, name: str) -> str:
    told = []
    for key, parameter in of.parameters(name).items():
        if key not in ("in_channels", "classes") or of is not catalogue.MODELS:
            told.append(f"`{key}`" if parameter.required else f"`{key}: {_yaml(parameter.default)}`")
    return ", ".join(told)


def _yaml(value: object) -> str:
    """A value as a suite would have it."""
    if isinstance(value, float) and math.isinf(value):
        return ".inf"
    return value if isinstance(value, str) and value else json.dumps(value)


CATALOGUES = {
    "Models": catalogue.MODELS,
    "Data sets": catalogue.DATASETS,
    "Tasks": catalogue.TASKS,
    "Counts": catalogue.COUNTS,
    "Probes": catalogue.PROBES,
    "Clocks": catalogue.CLOCKS,
    "Treatments": catalogue.TREATMENTS,
    "Optimizers": catalogue.OPTIMIZERS,
    "Schedules": catalogue.SCHEDULES,
    "Augmentations": catalogue.AUGMENTATIONS,
    "Weights": catalogue.WEIGHTS,
    "Pictures": catalogue.PICTURES,
}
PAGES: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "pytest_options": pytest_options,
    "exit_codes": exit_codes,
    "suite_keys": suite_keys,
    "result_keys": result_keys,
    "names": names,
}

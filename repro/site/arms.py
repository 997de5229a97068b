"""What differs between arms: their models, options, data and recipes side by side."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from repro.result import ArmResult
from repro.site.element import Markup, element
from repro.site.tables import facts, table

ABSENT = "–"


def settings(arm: ArmResult) -> dict[str, str]:
    """All an arm is made of, by path: `recipe.optimizer.lr`. Options of the model stand for themselves."""
    found = {"model": arm.model, **flat(arm.options, "")}
    for part in ("data", "weights", "recipe", "after"):
        found |= flat(getattr(arm, part) or {}, f"{part}.")
    return found | ({"freeze": ", ".join(arm.freeze)} if arm.freeze else {})


def differences(arms: Mapping[str, ArmResult]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """(what differs, by path, with a value for each arm; what is the same for all)."""
    return apart([settings(arm) for arm in arms.values()])


def apart(each: Sequence[Mapping[str, str]]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """(the settings that differ, with a value of each; those that are the same for all)."""
    paths = dict.fromkeys(path for found in each for path in found)
    values = {path: [found.get(path, ABSENT) for found in each] for path in paths}
    differing = {path: row for path, row in values.items() if len(set(row)) > 1}
    return differing, {path: row[0] for path, row in values.items() if path not in differing}


def comparison(arms: Mapping[str, ArmResult]) -> Markup:
    """The arms as columns, with a row for each setting that differs; what they share is folded away."""
    differing, common = differences(arms)
    rows = [
        [element("th", path, scope="row"), *(element("td", value, class_="differs") for value in row)]
        for path, row in differing.items()
    ]
    if rows:
        shown = table(
            ("setting", *arms),
            rows,
            caption="What differs between the arms",
            sortable=False,
            class_="settings",
        )
    elif len(arms) > 1:
        shown = element("p", "The arms are made alike: nothing differs but the seeds, if those do.")
    else:
        shown = element(
            "p",
            f"It is about one arm, {next(iter(arms))}."
            if arms
            else "It names no arm that this result holds.",
        )
    same = "What the arms share" if len(arms) > 1 else "How it is made"
    return element(
        "div", shown, element("details", element("summary", same), facts(common.items())) if common else None
    )


def flat(value: Any, path: str) -> dict[str, str]:
    """Settings as text, by path: `optimizer.lr`."""
    if isinstance(value, Mapping):
        return {
            key: text for name, inner in value.items() for key, text in flat(inner, f"{path}{name}.").items()
        }
    if isinstance(value, Sequence) and any(isinstance(item, Mapping) for item in value):
        return {key: text for i, item in enumerate(value) for key, text in flat(item, f"{path}{i}.").items()}
    return {path.rstrip("."): value if isinstance(value, str) else json.dumps(value)}

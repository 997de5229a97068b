"""What can be wrong with what a profile lets its arms tune."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from repro import findings
from repro.catalogue import TASKS, metrics
from repro.document import Finding, nearest
from repro.form import describe
from repro.recipe import Recipe
from repro.suite import Tune, changed


def of_tune(tune: Tune, recipe: Recipe | None, task: str | None) -> Iterator[Finding]:
    """What is tried must be values of the recipe, and what decides a metric."""
    if task is None:
        yield Finding((), "tuning needs a task, which the suite does not give", at_key=True)
    elif task in TASKS.targets and tune.by not in metrics(task):
        message = f"task '{task}' has no metric '{tune.by}'{nearest(tune.by, metrics(task))}"
        yield Finding(("by",), message)
    elif task in TASKS.targets and metrics(task)[tune.by].better is None:
        yield Finding(("by",), f"'{tune.by}' is neither better higher nor lower: it cannot choose")
    if recipe is None:
        yield Finding((), "tuning needs a recipe, which the profile does not give", at_key=True)
        return
    if not tune.grid:
        example = "`optimizer.lr: [0.01, 0.1]`"
        yield Finding((), f"nothing to try: give values of the recipe, as {example}", at_key=True)
    for place, values in tune.grid.items():
        if not isinstance(values, list) or len(values) < 2:
            yield Finding((place,), f"{place}: expected a list of two or more values")
            continue
        if any(value in values[:i] for i, value in enumerate(values)):
            yield Finding((place,), f"{place}: a value is there twice")
        for value in values:
            yield from _of_value(recipe, place, value)


def _of_value(recipe: Recipe, place: str, value: Any) -> Iterator[Finding]:
    """What is wrong with a recipe that has one of the values to be tried."""
    before = set(findings.of_recipe(recipe))
    try:
        made = changed(recipe, {place: value})
    except ValidationError as error:
        for e in error.errors(include_url=False):
            yield Finding((place,), f"{place}: {describe(e, Recipe)}")
        return
    for finding in findings.of_recipe(made):
        if finding not in before:
            yield Finding((place,), f"{place}: {finding.message}")

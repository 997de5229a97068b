"""What can be wrong with an arm: its own keys, and what becomes of it at the profiles where claims use it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from repro import findings
from repro.catalogue import DATASETS, MODELS, TREATMENTS, WEIGHTS
from repro.document import Finding, Problem, nearest
from repro.form import Form, describe
from repro.recipe import Named, Recipe
from repro.suite import Arm, Suite, Tune, amended

Resolved = TypeVar("Resolved")
BESIDE = Arm.model_fields.keys() - {"of", "after"}  # keys that stand among the options of a model


def of_arm(form: Form[Suite], name: str, used_at: Sequence[str]) -> Iterator[Problem]:
    """`used_at` are the profiles where a claim is known to use it. If there is none, it may be meant for any
    of them: then what is wrong at all of them is wrong.
    """
    suite, arm, place = form.content, form.content.arms[name], ("arms", name)
    if arm.of is not None:
        yield from form.tell(place, _treated(arm, suite))
        return
    if arm.after is not None:
        yield from form.tell(
            (*place, "after"), [Finding((), "'after' goes with 'of': the arm that is treated", True)]
        )
    if arm.model is None:
        yield from form.tell((*place, "model"), [Finding((), "'model' is missing", True)])
        return
    if arm.model not in MODELS.targets:
        message = f"unknown model '{arm.model}'{nearest(arm.model, MODELS.targets)}"
        yield from form.tell((*place, "model"), [Finding((), message)])
    if arm.weights is not None:
        yield from form.tell((*place, "weights"), of_weights(arm.weights, suite, name))
    wrong_at: dict[Problem, list[str]] = {}
    for profile in used_at or suite.profiles:
        for problem in dict.fromkeys(_at(form, name, profile)):
            wrong_at.setdefault(problem, []).append(profile)
    for problem, profiles in wrong_at.items():
        if len(profiles) == len(suite.profiles):
            yield problem
        elif used_at:
            yield problem._replace(message=f"{problem.message} (at {', '.join(profiles)})")


def _treated(arm: Arm, suite: Suite) -> Iterator[Finding]:
    """It is another arm, and what is done to that."""
    for key in [*(arm.model_fields_set - {"of", "after"}), *arm.options]:
        message = f"a treated arm has only 'of' and 'after'; '{key}' belongs to arm '{arm.of}'"
        yield Finding((key,), message, at_key=True)
    if arm.of not in suite.arms:
        yield Finding(("of",), f"unknown arm '{arm.of}'{nearest(str(arm.of), suite.arms)}")
    elif suite.arms[arm.of].of is not None:
        yield Finding(("of",), f"arm '{arm.of}' is itself treated; treat the arm it comes from")
    if arm.after is None:
        yield Finding(("after",), "'after' is missing: what is done to the arm's nets", at_key=True)
    else:
        yield from findings.below(("after",), findings.of_choice(TREATMENTS, arm.after))


def of_weights(weights: Named, suite: Suite, arm: str | None = None) -> Iterator[Finding]:
    """Of an arm, or of a profile. An option `arm` asks for those that the trials of that arm end with."""
    yield from findings.of_choice(WEIGHTS, weights)
    start = weights.options.get("arm")
    if not isinstance(start, str) or weights.name not in WEIGHTS.targets:
        return
    if start not in suite.arms:
        yield Finding(("arm",), f"unknown arm '{start}'{nearest(start, suite.arms)}")
    elif suite.arms[start].of is not None:
        yield Finding(("arm",), f"arm '{start}' is treated, and leaves no weights of its own")
    elif arm is None:
        yield Finding(
            ("arm",), "a trial's weights are named by an arm: here the other arm would start from itself"
        )
    elif arm in _starts(start, suite):
        yield Finding(("arm",), f"arm '{arm}' would start from itself")


def _starts(arm: str, suite: Suite) -> set[str]:
    """An arm, and those whose trials it starts from."""
    found: set[str] = set()
    while arm in suite.arms and arm not in found:
        found.add(arm)
        weights = suite.arms[arm].weights
        arm = str(weights.options.get("arm")) if weights else ""
    return found


def _at(form: Form[Suite], name: str, profile: str) -> Iterator[Problem]:
    suite, arm, scale = form.content, form.content.arms[name], form.content.profiles[profile]
    if arm.model in MODELS.targets:
        yield from _options(form, name, profile)
    if arm.data and form.is_sound("profiles", profile, "data"):
        look = partial(findings.of_choice, DATASETS)
        found = _of_changes(lambda: suite.data_of(name, profile), scale.data, look)
        yield from form.tell(("arms", name, "data"), found)
    if form.is_sound("profiles", profile, "recipe"):
        yield from _recipe(form, name, profile)


def _recipe(form: Form[Suite], name: str, profile: str) -> Iterator[Problem]:
    """What an arm makes of its profile's recipe, and the profile for this arm of that."""
    scale = form.content.profiles[profile]
    recipe = scale.recipe
    for place, changes in (
        (("arms", name, "recipe"), form.content.arms[name].recipe),
        (("profiles", profile, "arms", name, "recipe"), scale.of_arm(name).recipe),
    ):
        if not changes or recipe is None:
            continue
        change = partial(amended, recipe, changes)
        yield from form.tell(place, _of_changes(change, recipe, findings.of_recipe))
        if scale.tune is not None:
            yield from form.tell(place, _tuned(changes, scale.tune))
        try:
            recipe = change()
        except ValidationError:  # which is told
            return


def _tuned(recipe: Mapping[str, Any], tune: Tune) -> Iterator[Finding]:
    """What is tuned is the same for all arms: an arm's own value would be overwritten."""
    for place in tune.grid:
        keys = place.split(".")
        inside: Any = recipe
        for key in keys:
            inside = inside.get(key) if isinstance(inside, Mapping) else None
        if inside is not None:
            message = f"{place} is tuned by the profile, from the same values for all arms: leave it out here"
            yield Finding(tuple(keys), message, at_key=True)


def _options(form: Form[Suite], name: str, profile: str) -> Iterator[Problem]:
    """Those of its model, which the arm gives, the profile, or the profile for this arm."""
    suite, own, scale = form.content, ("arms", name), ("profiles", profile)
    options = suite.model_options(name, profile)
    for finding in findings.of_options(MODELS, str(suite.arms[name].model), options, BESIDE):
        if finding.location:
            givers = ((*scale, "arms", name), (*scale, "model"), own)  # the first one counts
            given = (giver for giver in givers if (*giver, finding.location[0]) in form.file.values)
            yield from form.tell(next(given, own), [finding])
        elif all(form.is_sound(*scale, part) for part in ("model", "arms")):  # or it may be given there
            yield form.file.problem(own, finding.message, at_key=finding.at_key)


def _of_changes(
    resolve: Callable[[], Resolved | None],
    shared: Resolved | None,
    look: Callable[[Resolved], Iterator[Finding]],
) -> Iterator[Finding]:
    """What is wrong with what an arm makes of what the profile's arms share, and not with that itself."""
    try:
        resolved = resolve()
    except ValidationError as error:
        for e in error.errors(include_url=False):
            yield Finding(e["loc"], describe(e, Recipe), at_key=e["type"] in ("missing", "extra_forbidden"))
        return
    of_all = set(look(shared)) if shared is not None else set()
    if resolved is not None:
        yield from (finding for finding in look(resolved) if finding not in of_all)

"""Which searches the nets of suites remember the boxes of (`repro.proposals`)."""

from collections.abc import Iterable

from repro import source
from repro.catalogue import MODELS
from repro.models.selective_search import SelectiveSearch
from repro.suite import Suite
from repro.training.footprint import on_meta


def searches(suites: Iterable[Suite]) -> set[str]:
    """The names of those of selective search, at any profile, with today's code."""
    asked = {
        f"{arm.model} {arm.data}": (arm.model, arm.data)
        for suite in suites
        for profile in suite.profiles
        for arm in (suite.resolve(name, profile) for name in suite.arms_at(profile))
        if SelectiveSearch.__module__ in source.modules(frozenset({MODELS.target(arm.model.name)}))
    }
    nets = [on_meta(model, data) for model, data in asked.values()]
    found = [part for net in nets for part in net.modules() if isinstance(part, SelectiveSearch)]
    return {search._name() for search in found if search.remember}

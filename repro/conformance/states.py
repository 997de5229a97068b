"""Probes and treatments, tried on small nets with made-up data."""

import inspect
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from repro.conformance import fakes
from repro.errors import ReproError
from repro.state.net import State


def probe(look: Any, options: Mapping[str, Any]) -> Iterator[str]:
    given = {"curves": fakes.curves()} if "curves" in inspect.signature(look).parameters else {}
    for state in fakes.states():
        before = deepcopy(state)
        try:
            value = look(state, **given, **options)
        except ReproError:  # it does not look at such nets, or such data
            continue
        if not isinstance(value, int | float):
            yield f"{state.spec.task}: gives a {type(value).__name__}, not a number"
        yield from _what_it_changes(before, state)


def treatment(treat: Any, options: Mapping[str, Any]) -> Iterator[str]:
    for state in fakes.states():
        before = deepcopy(state)
        known = inspect.signature(treat).parameters
        given = {}
        if "others" in known:
            members = options.get("members", known["members"].default)
            given = {"others": [deepcopy(state) for _ in range(1, members)]}
        try:
            treated = treat(state, **given, **options)
        except ReproError:  # it does not treat such nets, or such data
            continue
        if not isinstance(treated, State):
            yield f"{state.spec.task}: gives a {type(treated).__name__}, not a State"
            continue
        yield from _what_it_changes(before, state)
        treated.evaluate("test")


def _what_it_changes(before: State, after: State) -> Iterator[str]:
    weights, were = after.model.state_dict(), before.model.state_dict()
    if weights.keys() != were.keys() or not all(weights[name].equal(were[name]) for name in were):
        yield f"{after.spec.task}: changes the net that it is given"
    if not all(map(torch.equal, _data(before), _data(after))):
        yield f"{after.spec.task}: changes the data that it is given"


def _data(state: State) -> list[torch.Tensor]:
    splits = (state.data.train, state.data.test)
    leaves: list[torch.Tensor] = tree_leaves([split.rows(torch.arange(len(split))) for split in splits])
    return leaves

"""Absurd values of all options that suites can give: refused in words of ours, or something that works."""

import math
import traceback
import typing
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt
from kit.entries import BY_NAME, ENTRIES

from repro.catalogue import COUNTS, MODELS, Catalogue
from repro.conformance import fakes
from repro.conformance.entries import GIVEN, TRIED
from repro.errors import ReproError
from repro.recipe import Named
from repro.state.net import make_model
from repro.training.undrawn import Undrawn

ABSURD = (0, -1, 10**9, 1e9, "", math.nan, math.inf, [], True)
ANY_SIGN = {"shortcut_scale", "branch_scale", "gate_bias"}  # what multiplies a branch, or moves it
NAMED = [(known, name) for known, name in ENTRIES if known.group != "repro.tasks"]
IDS = [f"{known.kind}-{name}" for known, name in NAMED]
SMALL = {  # so that what is made is made quickly
    "detection-scenes": {"size": 16, "train": 4, "test": 4},
    "scenes": {"size": 16, "train": 4, "test": 4},
    "fashion-mnist-small": {"size": 7, "train": 20},
    "hugging-face": {"path": "nowhere", "size": 4, "classes": 2},
    "alexnet": {"width": 0.1, "fc": 8},
    "cifar_resnet": {"depth": 8},
    "path_share": {"least": 0, "most": 1},
    "deeplab": {"widths": [4] * 5, "depths": [1] * 5, "fc": 8},
    "densenet": {"depth": 10, "stem": "cifar"},
    "preact_resnet": {"depth": 8},
    "resnet": {"depth": 18, "width": 8},
    "scaled_resnet": {"depth": 8},
    "unet": {"widths": [4, 8], "depths": [1, 1]},
    **{name: {"widths": [4, 8], "depths": [1, 1], "fc": 8} for name in ("fast_rcnn", "faster_rcnn", "fcn")},
    "rcnn": {"trunk": "vgg16", "widths": [4, 8], "depths": [1, 1], "fc": 8},
}


def numbers(annotation: Any, bounded: bool = False) -> Iterator[tuple[type, bool]]:
    """The types of numbers in an annotation, and whether each has bounds."""
    if annotation in (int, float):
        yield annotation, bounded
    held = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        yield from numbers(held[0], _bounds(held[1:]))
    elif typing.get_origin(annotation) is not typing.Literal:
        for inner in held:
            yield from numbers(inner)


def _bounds(said: tuple[Any, ...]) -> bool:
    facts = [fact for one in said for fact in (getattr(one, "metadata", None) or [one])]
    return any(isinstance(fact, Ge | Gt | Le | Lt) for fact in facts)


def options(known: Catalogue, name: str) -> dict[str, Any]:
    size = {"size": 8} if known is COUNTS and "size" in known.parameters(name) else {}
    return {**GIVEN.get(known.group, {}), **BY_NAME.get(name, {}), **SMALL.get(name, {}), **size}


def accepted(known: Catalogue, name: str) -> Iterator[dict[str, Any]]:
    """Options with an absurd value that `repro check` says nothing of."""
    given = options(known, name)
    for key, parameter in known.parameters(name).items():
        if key == "download":  # of what is not here: tests ask no network
            continue
        several = typing.get_origin(parameter.bare) in (tuple, list) or "tuple" in str(parameter.annotation)
        for value in (*ABSURD, *([[value] for value in ABSURD] if several else [])):
            changed = {**given, key: value}
            if not any(error["loc"][:1] == (key,) for error in known.errors(name, changed)):
                yield changed


@pytest.mark.parametrize(("known", "name"), NAMED, ids=IDS)
def test_every_number_has_bounds_and_is_one(known, name):
    for key, parameter in known.parameters(name).items():
        assert all(bounded for _, bounded in numbers(parameter.annotation)) or key in ANY_SIGN, key
    for changed in accepted(known, name):
        assert not any(value in (math.inf, -1) or value != value for value in changed.values()) or (
            {key for key, value in changed.items() if value == -1} <= ANY_SIGN
        ), changed


@pytest.mark.parametrize("name", MODELS.builtin)
def test_a_model_with_an_absurd_option_that_passes_is_made_or_refused_in_words(name):
    for changed in accepted(MODELS, name):
        with torch.device("meta"), Undrawn():
            try:
                make_model(Named(name=name, **changed), Named(name="cifar10"))
            except ReproError as error:
                raised = traceback.extract_tb(error.__context__.__traceback__)[-1].filename
                assert str(error).startswith(f"model '{name}' with ") and "torch" not in raised


@pytest.mark.parametrize("name", COUNTS.builtin)
def test_a_count_with_an_absurd_option_that_passes_is_a_number_or_refused_in_words(name):
    for changed in accepted(COUNTS, name):
        for state in fakes.states():
            with suppress(ReproError):
                assert isinstance(COUNTS.bound(name, changed)(state.model), int | float)


TRIED_WITH = [
    pytest.param(known, name, id=f"{known.kind}-{name}")
    for known, name in NAMED
    if known.group in TRIED and known is not MODELS
]


@pytest.mark.parametrize(("known", "name"), TRIED_WITH)
def test_what_else_there_is_works_with_an_absurd_option_that_passes_or_refuses_it_in_words(
    known, name, tmp_path, monkeypatch
):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))
    for changed in accepted(known, name):
        if any(value == 10**9 for value in changed.values()):
            continue  # as many as there are, or more work than anybody waits for
        with suppress(ReproError):
            list(TRIED[known.group](known.load(name), changed))

"""Models, and what recipes name: each is tried with as little as it takes."""

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_structure

from repro.conformance import fakes
from repro.data.targets import are_masks
from repro.errors import ReproError

STEPS = 7


def model(make: Any, options: Mapping[str, Any]) -> Iterator[str]:
    """Made on the meta device, where the largest net takes no memory."""
    known = inspect.signature(make).parameters
    given = {"in_channels": fakes.CHANNELS, "classes": fakes.CLASSES}
    with torch.device("meta"):
        made = make(**{name: value for name, value in given.items() if name in known}, **options)
    if not isinstance(made, nn.Module):
        yield f"makes a {type(made).__name__}, not a torch.nn.Module"


def optimizer(make: Any, options: Mapping[str, Any]) -> Iterator[str]:
    weight = nn.Parameter(torch.ones(3))
    made = make([weight], **options)
    if not isinstance(made, torch.optim.Optimizer):
        yield f"makes a {type(made).__name__}, not a torch.optim.Optimizer"
        return
    if any(group["lr"] != options["lr"] for group in made.param_groups):
        yield "its groups do not have the `lr` that is given"
    weight.grad = torch.ones(3)
    made.step()
    if weight.equal(torch.ones(3)):
        yield "a step changes nothing"


def schedule(make: Any, options: Mapping[str, Any]) -> Iterator[str]:
    for now in range(STEPS):
        factor = make(now, steps=STEPS, **options)
        if not isinstance(factor, int | float) or not 0 <= factor < math.inf:
            yield f"gives {factor!r} at step {now} of {STEPS}, not a number from 0 up"
            return


def augmentation(augment: Any, options: Mapping[str, Any]) -> Iterator[str]:
    for form, targets in fakes.targets().items():
        given = fakes.images()
        try:
            images, moved = augment(given, targets, fakes.generator(), **options)
        except ReproError:  # it does not move such targets
            continue
        again = augment(given, targets, fakes.generator(), **options)
        if not given.equal(fakes.images()):
            yield f"{form}: changes the images that it is given"
        elif not all(map(torch.equal, tree_leaves((images, moved)), tree_leaves(again))):
            yield f"{form}: draws from elsewhere than from its generator"
        if images.dtype != torch.uint8 or images.shape[:2] != given.shape[:2]:
            yield f"{form}: gives images {images.dtype} {list(images.shape)}, of {list(given.shape)}"
        if tree_structure(moved) != tree_structure(targets):
            yield f"{form}: gives targets of another form"
        elif are_masks(targets) and moved.shape[1:] != images.shape[2:]:
            yield f"{form}: {list(moved.shape[1:])} are of images of {list(images.shape[2:])}"

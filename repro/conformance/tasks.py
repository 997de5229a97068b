"""Tasks, tried with made-up outputs held against targets of every form."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.utils._pytree import tree_map

from repro import source
from repro.conformance import fakes
from repro.contracts import Outputs, Targets, Task
from repro.declaration import Declaration
from repro.errors import ReproError


def task(make: Any, options: Mapping[str, Any]) -> Iterator[str]:
    made: Task = make(**options)
    yield from _metrics(made)
    inputs, nothing = fakes.inputs(), fakes.unlabelled()
    for form, targets in fakes.targets().items():
        wanted = made.targets(inputs, targets)
        for kind, outputs in fakes.outputs().items():
            try:
                made.check(outputs, wanted, fakes.CLASSES)
            except ReproError:  # not the outputs, or not the targets, that it is for
                continue
            for fault in _numbers(made, outputs, wanted):
                yield f"{kind} against {form}: {fault}"
            if form in nothing and wanted is targets:  # else it makes them of the inputs
                for fault in _of_nothing(made, outputs, nothing[form]):
                    yield f"{kind} against {form} without labels: {fault}"


def _metrics(made: Task) -> Iterator[str]:
    if source.constant(f"{type(made).__module__}:{type(made).__name__}", "metrics") is None:
        yield "`metrics` is not written out in the class"
    if not isinstance(made.metrics, Mapping):
        yield "`metrics` is no mapping of names to units and directions"
        return
    for name, said in made.metrics.items():
        try:
            declared = Declaration.model_validate(said)
        except ValidationError as error:
            yield f"metric '{name}': {error.errors()[0]['msg']}"
        else:
            if declared.better is None:
                yield f"metric '{name}' does not say what is `better`, lower or higher"


def _numbers(made: Task, outputs: Tensor, targets: Targets) -> Iterator[str]:
    varied = outputs.clone().requires_grad_()
    loss, error = made.loss(varied, targets), made.error(outputs, targets)
    for name, value in (("loss", loss), ("error", error)):
        if value.shape != () or not value.isfinite():
            yield f"`{name}` gives {value.tolist()}, not a number"
    if not torch.autograd.grad(loss.sum(), varied)[0].any():
        yield "`loss` does not depend on the outputs"
    whole, cut = _evaluated(made, outputs, targets, fakes.COUNT), _evaluated(made, outputs, targets, 1)
    if set(whole) != set(made.metrics):
        measured, said = (", ".join(sorted(names)) for names in (whole, made.metrics))
        yield f"`evaluate` measures {measured}; `metrics` says {said}"
    for name in whole:
        if not torch.allclose(whole[name], cut[name], equal_nan=True):
            yield f"'{name}' depends on how a set is cut into batches"


def _of_nothing(made: Task, outputs: Tensor, targets: Targets) -> Iterator[str]:
    found = {**_evaluated(made, outputs, targets, 1), "error": made.error(outputs, targets)}
    for name, value in found.items():
        if not value.isnan():
            yield f"'{name}' is {value:g}, and there is nothing to measure: NaN"


def _evaluated(made: Task, outputs: Outputs, targets: Targets, size: int) -> dict[str, Tensor]:
    """The metrics of both splits, cut into batches."""
    batches = [
        tree_map(lambda tensor: tensor[start : start + size], (outputs, targets))  # noqa: B023
        for start in range(0, fakes.COUNT, size)
    ]
    return {**made.evaluate(iter(batches), "train"), **made.evaluate(iter(batches), "test")}

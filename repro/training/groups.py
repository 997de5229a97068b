"""Parameter groups: an optimizer's numbers multiplied, for the parameters that a recipe's words name.

FCN trains biases at twice the learning rate of the rest (arXiv 1411.4038, section 4.3; in its authors' code
without decay), DeepLab its scores at ten times: `groups: {bias: {lr: 2, weight_decay: 0}, score: {lr: 10}}`.
Groups are split once the optimizer is made, so that any of torch's kind can have them.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from repro.errors import ReproError

Words = Mapping[str, Mapping[str, float]]  # factors on options, by word
NORMALISATION = "norm"  # a word for layers whose names need not tell: in an `nn.Sequential` they are numbers
SHOWN = 6  # names of parameters in an error


def split(optimizer: Optimizer, model: nn.Module, words: Words, net: str) -> None:
    """Put parameters with the same factors into a group of their own. `net` is the model's name for errors.

    Raises `ReproError` if a word names no parameter, or if a factor is on what the optimizer does not keep as
    a number for each group.
    """
    factors = _factors(model, words, net)
    whole = list(optimizer.param_groups)
    optimizer.param_groups.clear()
    for group in whole:
        parts: dict[tuple[tuple[str, float], ...], list[nn.Parameter]] = {}
        for parameter in group["params"]:
            parts.setdefault(tuple(sorted(factors[parameter].items())), []).append(parameter)
        for shared, parameters in parts.items():
            optimizer.add_param_group({**group, **_multiplied(group, dict(shared)), "params": parameters})


def _factors(model: nn.Module, words: Words, net: str) -> dict[nn.Parameter, dict[str, float]]:
    """The factors on options, by parameter: where several words name it, their product."""
    factors: dict[nn.Parameter, dict[str, float]] = {parameter: {} for parameter in model.parameters()}
    for word, of_word in words.items():
        named = _named(model, word)
        if not named:
            raise ReproError(_nothing_named(model, word, net))
        for parameter in named:
            own = factors[parameter]
            for option, factor in of_word.items():
                own[option] = own.get(option, 1.0) * factor
    return factors


def _named(model: nn.Module, word: str) -> set[nn.Parameter]:
    """The parameters whose dotted name holds the word, or those of normalisation layers."""
    if word != NORMALISATION:
        return {parameter for name, parameter in model.named_parameters() if word in name}
    layers = filter(_is_normalisation, model.modules())
    return {parameter for layer in layers for parameter in layer.parameters(recurse=False)}


def _is_normalisation(layer: nn.Module) -> bool:
    return any("Norm" in kind.__name__ for kind in type(layer).__mro__)


def _multiplied(group: dict[str, Any], factors: Mapping[str, float]) -> dict[str, float]:
    for option in factors:
        if not isinstance(group.get(option), int | float):
            raise ReproError(f"groups: the optimizer keeps no number '{option}' for a group of parameters")
    return {option: group[option] * factor for option, factor in factors.items()}


def _nothing_named(model: nn.Module, word: str, net: str) -> str:
    if word == NORMALISATION:
        return f"groups: model '{net}' has no normalisation layers, whose parameters the word '{word}' names"
    names = [name for name, _ in model.named_parameters()]
    step = max(1, len(names) // SHOWN)
    shown = ", ".join(names[::step][:SHOWN])
    return f"groups: no parameter of model '{net}' has '{word}' in its name; they are called {shown}, …"

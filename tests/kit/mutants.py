"""Faults of training and evaluation, as somebody might commit them: each is patched in by a `MonkeyPatch`."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from pytest import MonkeyPatch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from repro.catalogue import AUGMENTATIONS
from repro.contracts import Targets
from repro.data import augment
from repro.recipe import Recipe
from repro.state import net, randomness
from repro.state.net import State
from repro.training import batches, curves, loop, optimizers
from repro.training.batches import Batches


def no_step(patch: MonkeyPatch) -> None:
    _optimizers(patch, lambda optimizer: setattr(optimizer, "step", lambda: None))


def loss_with_the_wrong_sign(patch: MonkeyPatch) -> None:
    backward = Tensor.backward
    patch.setattr(Tensor, "backward", lambda loss: backward(-loss))


def no_shuffling(patch: MonkeyPatch) -> None:
    patch.setattr(torch, "randperm", lambda count, generator: torch.arange(count))  # noqa: ARG005


def labels_off_by_one(patch: MonkeyPatch) -> None:
    at = Batches.at

    def off(self: Batches, step: int) -> tuple[Tensor, Targets]:
        images, targets = at(self, step)
        classes = len(self.state.data.class_names)
        return images, ((targets.long() + 1) % classes).to(targets.dtype)

    patch.setattr(Batches, "at", off)


def batch_norm_never_in_training_mode(patch: MonkeyPatch) -> None:
    patch.setattr(_BatchNorm, "train", lambda layer, mode=True: nn.Module.train(layer, False))  # noqa: ARG005


def no_weight_decay(patch: MonkeyPatch) -> None:
    _options(patch, weight_decay=0.0)


def no_momentum(patch: MonkeyPatch) -> None:
    _options(patch, momentum=0.0)


def a_tenth_of_the_learning_rate(patch: MonkeyPatch) -> None:
    of = loop._learning_rate

    def tenth(recipe: Recipe) -> Callable[[float, int], float]:
        rate = of(recipe)
        return lambda base, step: 0.1 * rate(base, step)

    patch.setattr(loop, "_learning_rate", tenth)


def a_schedule_that_never_falls(patch: MonkeyPatch) -> None:
    patch.setattr(loop, "_learning_rate", lambda recipe: lambda base, step: base)  # noqa: ARG005


def augmentation_of_the_test_set(patch: MonkeyPatch) -> None:
    evaluate, in_batches = State.evaluate, net.in_batches

    def augmenting(state: State, split: Any, limit: int | None = None) -> dict[str, float]:
        random = torch.Generator().manual_seed(0)
        assert state.spec.recipe is not None
        augments = [AUGMENTATIONS.bound(one.name, one.options) for one in state.spec.recipe.augment]

        def augmented(*arguments: Any) -> Iterator[tuple[Tensor, Targets]]:
            for images, targets in in_batches(*arguments):
                for vary in augments if split == "test" else ():
                    images, targets = vary(images, targets, random)
                yield images, targets

        with MonkeyPatch.context() as inner:
            inner.setattr(net, "in_batches", augmented)
            return evaluate(state, split, limit)

    patch.setattr(State, "evaluate", augmenting)


def masks_not_flipped_with_images(patch: MonkeyPatch) -> None:
    flip = augment.flip
    patch.setattr(
        augment, "flip", lambda images, targets, random: (flip(images, targets, random)[0], targets)
    )


def weights_in_bf16(patch: MonkeyPatch) -> None:
    @torch.no_grad()
    def rounded(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.copy_(parameter.bfloat16())

    _optimizers(patch, lambda optimizer: optimizer.register_step_post_hook(rounded))


def half_of_the_data(patch: MonkeyPatch) -> None:
    begin = Batches.__init__

    def halved(self: Batches, state: State) -> None:
        begin(self, state)
        self.count //= 2

    patch.setattr(Batches, "__init__", halved)


def evaluation_in_training_mode(patch: MonkeyPatch) -> None:
    patch.setattr(nn.Module, "eval", lambda module: module.train())


def a_seed_that_is_not_used(patch: MonkeyPatch) -> None:
    stream = randomness.stream
    for module in (randomness, net, batches):
        patch.setattr(module, "stream", lambda seed, purpose: stream(0, purpose))  # noqa: ARG005


def no_dropout(patch: MonkeyPatch) -> None:
    patch.setattr(nn.Dropout, "forward", lambda layer, x: x)  # noqa: ARG005


def gradients_that_add_up(patch: MonkeyPatch) -> None:
    _optimizers(patch, lambda optimizer: setattr(optimizer, "zero_grad", lambda **_: None))


def images_not_normalised(patch: MonkeyPatch) -> None:
    normalise = net.normalise

    def scaled(images: Tensor, mean: Any, std: Any, **rest: Any) -> Tensor:
        return normalise(images, (0.0,) * len(mean), (1.0,) * len(std), **rest)

    patch.setattr(net, "normalise", scaled)


def the_training_set_as_test_set(patch: MonkeyPatch) -> None:
    evaluate = State.evaluate

    def leaking(state: State, split: Any, limit: int | None = None) -> dict[str, float]:
        leaky = replace(state, data=replace(state.data, test=state.data.train))
        return evaluate(leaky, split, limit)

    patch.setattr(State, "evaluate", leaking)


def curves_that_are_lost(patch: MonkeyPatch) -> None:
    patch.setattr(curves.Curves, "lists", lambda self: {})  # noqa: ARG005


def _optimizers(patch: MonkeyPatch, change: Callable[[torch.optim.Optimizer], Any]) -> None:
    """Every optimizer is changed once it is made."""

    def changing(make: Callable[..., torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
        def made(*arguments: Any, **options: Any) -> torch.optim.Optimizer:
            optimizer = make(*arguments, **options)
            change(optimizer)
            return optimizer

        return made

    for name in ("sgd", "adamw"):
        patch.setattr(optimizers, name, changing(getattr(optimizers, name)))


def _options(patch: MonkeyPatch, **options: float) -> None:
    def change(optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            group.update({name: value for name, value in options.items() if name in group})

    _optimizers(patch, change)

"""The batches of a run."""

from functools import partial

import torch
from torch import Tensor

from repro.catalogue import AUGMENTATIONS
from repro.contracts import Targets
from repro.errors import ReproError
from repro.state.net import State
from repro.state.randomness import generator, stream


class Batches:
    """The batch of every step, as a function of the seed and the step alone."""

    def __init__(self, state: State):
        recipe = state.spec.recipe
        assert recipe is not None
        self.state, self.size, seed = state, recipe.batch_size, state.spec.seed
        self.count = len(state.data.train)
        if self.size > self.count:
            raise ReproError(
                f"batch_size {self.size} is more than the {self.count} training images there are"
            )
        self.augment = [partial(AUGMENTATIONS.load(a.name), **a.options) for a in recipe.augment]
        self.generator = torch.Generator(device=state.device)
        self.augmentation, self.noise, self.seed = stream(seed, "augmentation"), stream(seed, "noise"), seed
        self.epoch, self.order = -1, torch.empty(0, dtype=torch.int64)

    def at(self, step: int) -> tuple[Tensor, Targets]:
        """Inputs [B, C, H, W] and targets. Each epoch is a new permutation; an unfilled batch is left out."""
        epoch, index = divmod(step, self.count // self.size)
        if epoch != self.epoch:
            self.epoch = epoch
            order = torch.randperm(self.count, generator=generator(self.seed, f"order/{epoch}"))
            self.order = order.to(self.state.data.train.index_device)
        indices = self.order[index * self.size : (index + 1) * self.size]
        images, targets = self.state.data.train.rows(indices)
        self.generator.manual_seed(self.augmentation + step)
        for augment in self.augment:
            images, targets = augment(images, targets, self.generator)
        return self.state.batch(images, targets)

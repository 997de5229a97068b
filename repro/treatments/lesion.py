"""Residual nets without one of their blocks: Veit et al. 2016, "Residual Networks Behave Like Ensembles of
Relatively Shallow Networks", arXiv 1605.06431, section 4.1.

A block that is deleted leaves its shortcut: half of the net's paths go with it. A plain net's block leaves
the identity, but one whose shortcut is scaled by 0 (`PreActResNet`) leaves nothing.
"""

from copy import deepcopy
from dataclasses import replace
from typing import cast

from torch import Tensor, nn

from repro.bounds import NonNegativeInt
from repro.contracts import Block
from repro.errors import ReproError
from repro.state.net import State


def lesion(state: State, *, block: NonNegativeInt) -> State:
    """The net without one of its blocks, counted from 0. Raises `ReproError` if it has no such block."""
    count = len(blocks(state.model))
    if not 0 <= block < count:
        raise ReproError(f"lesion: no block {block}; the net has {count}")
    return replace(state, model=without_block(state.model, block))


class Lesion(nn.Module):
    """What a block (`contracts.Block`) passes on besides its branch. What follows the addition stays."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        block = cast(Block, self.block)
        kept: Tensor = block.joined(block.short_cut(x))
        return kept


def blocks(net: nn.Module) -> list[str]:
    """The names of a net's blocks, from input to output."""
    # No protocol and `isinstance`: from Python 3.12 on it does not see a shortcut that is a layer.
    return [name for name, module in net.named_modules() if hasattr(module, "short_cut")]


def without_block(net: nn.Module, index: int) -> nn.Module:
    """A copy of the net with its `index`-th block deleted. Raises IndexError if it has none."""
    name = blocks(net)[index]
    copy = deepcopy(net)
    copy.set_submodule(name, Lesion(copy.get_submodule(name)))
    return copy

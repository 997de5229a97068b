"""The form of outputs and targets, in words, for errors."""

from torch import Tensor
from torch.utils._pytree import tree_leaves

from repro.contracts import Outputs, Targets
from repro.errors import ReproError


def form(tree: Outputs | Targets) -> str:
    """The shape of a tensor; of anything else its type and the shapes of its tensors."""
    if isinstance(tree, Tensor):
        return str(list(tree.shape))
    shapes = ", ".join(form(leaf) for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
    return f"{type(tree).__name__} of {shapes or 'no tensors'}"


def check_classes(told_apart: int, classes: int) -> None:
    """Raises `ReproError` if outputs tell fewer classes apart than the data has."""
    if told_apart < classes:
        raise ReproError(
            f"outputs tell {told_apart} classes apart, the data has {classes}: "
            "leave `classes` out, and it is taken from the data"
        )

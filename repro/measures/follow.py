"""A forward pass, followed operation by operation: what is known of the image is told of every tensor."""

from abc import abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Known = TypeVar("Known")


class Call(NamedTuple):
    """One of torch's operations below its modules, as it was called."""

    operation: Any
    args: Any
    outputs: list[Tensor]


class Followed(TorchDispatchMode, Generic[Known]):
    """Within the block, `of` a tensor is what its operation makes of what is known of its inputs.

    It holds the tensors, so that no id comes twice.
    """

    def __init__(self, image: Tensor, known: Known):
        super().__init__()  # type: ignore[no-untyped-call]  # it has no annotations
        self.tensors: dict[int, tuple[Tensor, Known]] = {}
        self.tell(image, known)

    def tell(self, tensor: Tensor, known: Known) -> None:
        self.tensors[id(tensor)] = tensor, known

    def of(self, tensor: Any) -> Known | None:
        """None of what does not come from the image."""
        return self.tensors[id(tensor)][1] if id(tensor) in self.tensors else None

    @abstractmethod
    def follow(self, call: Call, inputs: list[Known]) -> list[Known]:
        """What is known of each output; [] if they are not to be followed. `inputs` is of one at least."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = [known for known in map(self.of, tree_leaves((args, kwargs))) if known is not None]
        if inputs:
            outputs = [output for output in tree_leaves(result) if isinstance(output, Tensor)]
            found = self.follow(Call(func, args, outputs), inputs)
            for output, known in zip(outputs, found, strict=False):
                self.tell(output, known)
        return result

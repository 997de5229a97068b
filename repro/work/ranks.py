"""A trial on several places of one machine: a process for each, and torch's `DistributedDataParallel`.

Each process makes the whole batch, as one alone would, puts its part through the net and gathers what comes
out of the others: so the loss is that of the whole batch, whatever a task averages over, and so is its
gradient. Batch normalisation is over the whole batch, too (`SyncBatchNorm`, which torch has on GPUs alone).
What is left of a difference to one process is the order of sums.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map

from repro.contracts import Outputs
from repro.errors import ReproError
from repro.state import devices
from repro.state.randomness import stream
from repro.work.processes import follow_the_parent, without_the_script
from repro.work.sparing import Sparing

Found = TypeVar("Found")
GRACE = 5.0  # seconds, until it is known of all why they have ended
SAID = "TORCH_CPP_LOG_LEVEL"


def together(places: tuple[int, ...], device: str, do: Callable[..., Found], *arguments: Any) -> Found:
    """Call a function in a process for each place, with the place's device before the arguments; gives what
    that of the first place gives. If one raises, or dies, all end, and it raises that, or `BrokenExecutor`.
    """
    context, many = multiprocessing.get_context("spawn"), len(places)
    with (
        tempfile.TemporaryDirectory(prefix="repro-") as folder,
        ProcessPoolExecutor(many, context, follow_the_parent) as pool,
    ):
        with without_the_script(), _errors_alone():
            ranks: list[Future[Found]] = [
                pool.submit(_rank, rank, places, device, Path(folder) / "meeting", do, *arguments)
                for rank in range(many)
            ]
        try:
            first = wait(ranks, return_when=FIRST_EXCEPTION).done
            if any(rank.exception() for rank in first):
                raise _cause([*first, *(wait(ranks, timeout=GRACE).done - first)])
        finally:
            for process in list((pool._processes or {}).values()):
                process.terminate()
        return ranks[0].result()


def _cause(ended: list[Future[Found]]) -> BaseException:
    """Why processes have ended: where one has died, or failed, the others lose the connection to it."""
    errors = [error for rank in ended if (error := rank.exception())]
    kinds = (ReproError, BrokenExecutor, BaseException)
    return next(error for kind in kinds for error in errors if isinstance(error, kind))


def _rank(
    rank: int,
    places: tuple[int, ...],
    device: str,
    meeting: Path,
    do: Callable[..., Found],
    *arguments: Any,
) -> Found:
    here = devices.resolve(device, places[rank])
    one_each = device == "cuda" and len(set(places)) == len(places)
    if device == "cuda":
        torch.cuda.set_device(here)
    dist.init_process_group(
        "nccl" if one_each else "gloo", f"file://{meeting}", rank=rank, world_size=len(places)
    )
    try:
        return do(here, *arguments)
    finally:
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process speaks for the group that it is in, if any."""
    return not dist.is_initialized() or dist.get_rank() == 0


def size() -> int:
    """How many processes there are in the group."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def spread(net: nn.Module, device: torch.device, name: str) -> Iterator[nn.Module]:
    """A net over the processes of the group, if there is one, as it is trained. It is itself that learns.

    Raises `ReproError` on a CPU if it normalises over batches.
    """
    if not dist.is_initialized():
        yield net
        return
    if device.type != "cuda" and any(isinstance(layer, _BatchNorm) for layer in net.modules()):
        raise ReproError(
            f"model '{name}' normalises over batches: over several places torch does that on GPUs alone "
            "(SyncBatchNorm). Leave `places` out of the recipe here"
        )
    yield Spread(net, device)


@contextmanager
def _errors_alone() -> Iterator[None]:
    """Of what the C++ of torch says in processes that begin meanwhile: each would be warned of a net that
    leaves nothing out.
    """
    before = os.environ.get(SAID)
    os.environ[SAID] = before or "ERROR"
    try:
        yield
    finally:
        del os.environ[SAID]
        os.environ.update({SAID: before} if before else {})


class Spread(nn.Module):
    """In training: images [N, C, H, W] → the outputs of all. This process has put its N/places through the
    net, and through those goes the gradient. In evaluation it is the net. Parameters and their names are
    the net's.
    """

    def __init__(self, net: nn.Module, device: torch.device):
        super().__init__()
        self.device, self.rank, self.many = device, dist.get_rank(), dist.get_world_size()
        self.parts = DistributedDataParallel(
            nn.SyncBatchNorm.convert_sync_batchnorm(net),
            device_ids=[device] if device.type == "cuda" else None,
            find_unused_parameters=True,  # a step may leave blocks out, as stochastic depth does
        )

    @property
    def net(self) -> nn.Module:
        net: nn.Module = self.parts.module
        return net

    def forward(self, images: Tensor) -> Outputs:
        if not self.training:
            return self.net(images)
        self._draw_apart()
        return tree_map(self._gathered, self.parts(images.chunk(self.many)[self.rank]))

    def _draw_apart(self) -> None:
        """Dropout draws for each part by itself. What a net draws on the CPU is for the whole batch (blocks
        that stochastic depth leaves out), and on GPUs the same for all parts.
        """
        if self.rank:
            on_gpu = self.device.type == "cuda"
            own = torch.cuda.default_generators[self.device.index] if on_gpu else torch.default_generator
            own.manual_seed(stream(own.initial_seed(), f"rank/{self.rank}"))

    def _gathered(self, part: Tensor) -> Tensor:
        parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(self.many)]
        dist.all_gather(parts, part.detach().contiguous())
        if part.requires_grad:
            part.register_hook(lambda gradient: gradient * self.many)  # of which torch takes the mean
        parts[self.rank] = part
        return torch.cat(parts)

    def named_parameters(self, *arguments: Any, **options: Any) -> Iterator[tuple[str, nn.Parameter]]:
        return self.net.named_parameters(*arguments, **options)

    def state_dict(self, *arguments: Any, **options: Any) -> Any:
        return self.net.state_dict(*arguments, **options)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        return self.net.load_state_dict(state_dict, strict, assign)


class OfGroup(Sparing):
    """Written by the first process. All go on from it, or, where one cannot read the same, none."""

    def due(self) -> bool:
        return is_first() and super().due()

    def load(self) -> dict[str, Any] | None:
        saved = super().load()
        if not dist.is_initialized():
            return saved
        steps: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(steps, saved and saved["step"])
        return saved if len(set(steps)) == 1 else None

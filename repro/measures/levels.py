"""What images are like before a net sees them, and what is subtracted from them then. Levels are 0 to 255."""

from typing import Literal

import torch

from repro.bounds import NonNegativeInt, PositiveInt
from repro.data.split import image_shape, in_batches
from repro.declaration import declare
from repro.errors import ReproError
from repro.state.net import EVALUATION_BATCH, State

WHITE = 255


@declare(unit="levels", seeded=False)
def mean_level(
    state: State,
    channel: NonNegativeInt = 0,
    split: Literal["train", "test"] = "train",
    images: PositiveInt | None = None,
) -> float:
    """The mean of a channel over all pixels of a split, or of its first `images` images: red is 0.

    Raises `ReproError` if there is no such channel.
    """
    _check(state, channel)
    rows = state.data.train if split == "train" else state.data.test
    total, count = 0, 0
    for batch, _ in in_batches(rows, EVALUATION_BATCH, images):
        total += int(batch[:, channel].sum(dtype=torch.int64))
        count += batch[:, channel].numel()
    return total / count


@declare(unit="levels", seeded=False)
def subtracted(state: State, channel: NonNegativeInt = 0) -> float:
    """What is subtracted from a channel before a net sees it: the level that it sees as 0.

    Raises `ReproError` if there is no such channel.
    """
    black, white = _seen(state, channel)
    return WHITE * black / (black - white)


@declare(unit="levels", seeded=False)
def divided_by(state: State, channel: NonNegativeInt = 0) -> float:
    """What a channel is divided by after that: the difference of levels that a net sees as 1.

    Raises `ReproError` if there is no such channel.
    """
    black, white = _seen(state, channel)
    return WHITE / (white - black)


def _seen(state: State, channel: int) -> tuple[float, float]:
    """What a net is given where an image is black, and where it is white."""
    _check(state, channel)
    shape = image_shape(state.data.train)
    both = torch.stack([torch.zeros(shape), torch.full(shape, WHITE)]).to(state.device, torch.uint8)
    black, white = state.inputs(both)[:, channel].flatten(1)[:, 0].double().tolist()
    return black, white


def _check(state: State, channel: int) -> None:
    channels = image_shape(state.data.train)[0]
    if channel >= channels:
        raise ReproError(f"there is no channel {channel}; images have {channels}, counted from 0")

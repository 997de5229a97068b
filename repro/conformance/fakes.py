"""Made-up images, targets of every form, outputs that fit them, and a net with such data: the same each time.

`repro check --plugins` tries entries on them, and the tests of other packages can.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from repro.catalogue import TASKS
from repro.contracts import Targets
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import IGNORE, NONE, Boxes
from repro.recipe import Named
from repro.state.net import State
from repro.trial import TrialSpec

COUNT, CHANNELS, CLASSES, SIDE = 4, 3, 5, 8


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def images() -> Tensor:
    shape = (COUNT, CHANNELS, SIDE, SIDE)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator())


def inputs() -> Tensor:
    """The images as nets take them."""
    return images().float() / 128 - 1


def targets() -> dict[str, Targets]:
    """By form. All classes are there, a pixel without label, and images with fewer items than others."""
    masks = torch.randint(CLASSES, (COUNT, SIDE, SIDE), dtype=torch.uint8, generator=generator())
    masks[:, 0, 0] = IGNORE
    corners = torch.tensor([[1.0, 2.0, 5.0, 7.0], [0.0, 0.0, 8.0, 8.0]]).repeat(COUNT, 1, 1)
    items = torch.tensor([[4, 0]]).repeat(COUNT, 1)
    items[::2, 1], corners[::2, 1] = NONE, 0
    return {"labels": torch.arange(COUNT), "masks": masks, "boxes": Boxes(corners, items)}


def unlabelled() -> dict[str, Targets]:
    """By form: targets that say nothing."""
    labels = torch.full((COUNT, 2), NONE)
    masks = torch.full((COUNT, SIDE, SIDE), IGNORE, dtype=torch.uint8)
    return {"masks": masks, "boxes": Boxes(torch.zeros(COUNT, 2, 4), labels)}


def outputs() -> dict[str, Tensor]:
    """By what they are of. Those of nets with others, detectors say, cannot be made up."""
    shapes = {
        "scores of images": (COUNT, CLASSES),
        "scores of pixels": (COUNT, CLASSES, SIDE, SIDE),
        "images": (COUNT, CHANNELS, SIDE, SIDE),
    }
    return {name: torch.randn(shape, generator=generator()) for name, shape in shapes.items()}


def state(model: nn.Module, task: str = "classification", form: str = "labels") -> State:
    """A net of 3 channels and 5 classes, as a probe or a treatment is given it.

    There are 4 images of 8×8 pixels, the same in both splits, with targets of a form.
    """
    split = InMemory(images(), targets()[form])
    names = tuple(f"class {number}" for number in range(CLASSES))
    data = ImageSet(split, split, names, (0.5,) * CHANNELS, (0.5,) * CHANNELS)
    made_up = Named(name="made-up")
    spec = TrialSpec(
        task=task,
        model=made_up,
        data=made_up,
        fingerprint="",
        recipe=None,
        seed=0,
        device="cpu",
        code="",
        torch="",
    )
    return State(spec, model, TASKS.load(task)(), data, torch.device("cpu"))


def curves() -> dict[str, list[tuple[int, float]]]:
    """Of a training of four steps, as a probe is given them."""
    falling = [(step, 1 / step) for step in range(1, 5)]
    return {"batch_loss": falling, "batch_error": falling}


def states() -> Iterator[State]:
    """Small nets that label images, label pixels, and draw."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        labels = _net(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES))
        masks = _net(nn.Conv2d(8, CLASSES, 1))
        drawn = _net(nn.Conv2d(8, CHANNELS, 1))
    yield state(labels)
    yield state(masks, "segmentation", "masks")
    yield state(drawn, "reconstruction")


def _net(*head: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(CHANNELS, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), *head)

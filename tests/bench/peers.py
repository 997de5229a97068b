"""What the training loop is held against: the loop most people write, and its own operations written bare.

Each gives the seconds that some steps take. Nets, optimizers and data are made before the clock starts, as in
the project.
"""

import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from repro.data.augment import flip, normalise, pad_crop
from repro.data.embedded import FashionMnistSmall
from repro.data.images import ImageSet
from repro.models.resnet import cifar_resnet
from repro.state import devices

LEARNING_RATE, MOMENTUM, PAD = 0.05, 0.9, 2


def usual(data: ImageSet, *, depth: int, width: int, batch_size: int, steps: int) -> float:
    """torchvision transforms of PIL images in a DataLoader, fp32, default layout and optimizer."""
    side = data.train.images.shape[-1]
    transform = transforms.Compose(
        [
            transforms.RandomCrop(side, padding=PAD),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(data.mean, data.std),
        ]
    )
    to_pil = transforms.ToPILImage()
    images, labels = data.train.images[: steps * batch_size], data.train.targets[: steps * batch_size]
    pairs = [(to_pil(image), int(label)) for image, label in zip(images, labels, strict=True)]
    assert len(pairs) == steps * batch_size, "one epoch is all the steps there are"

    class Pictures(Dataset):
        def __len__(self) -> int:
            return len(pairs)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            picture, label = pairs[index]
            return transform(picture), label

    loader = DataLoader(Pictures(), batch_size=batch_size, shuffle=True, num_workers=0)
    model = cifar_resnet(depth, width=width, in_channels=1).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    start = time.perf_counter()
    for images, labels in loader:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def bare(data: ImageSet, *, depth: int, width: int, batch_size: int, steps: int) -> float:
    """The project's operations in the shortest script: no curves, no progress, no checkpoint, no schedule.

    It starts as a trial does, whose peak memory is to be read: with a heap that has been given back, so that
    the first steps take its pages anew.
    """
    model: nn.Module = (
        cifar_resnet(depth, width=width, in_channels=1).to(memory_format=torch.channels_last).train()
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, fused=True)
    generator = torch.Generator()
    devices.PeakMemory(torch.device("cpu"))
    start = time.perf_counter()
    for _ in range(steps):
        rows = torch.randint(len(data.train.images), (batch_size,), generator=generator)
        images, labels = data.train.images[rows], data.train.targets[rows]
        images, labels = pad_crop(images, labels, generator, pad=PAD)
        images, labels = flip(images, labels, generator)
        inputs = normalise(images, data.mean, data.std, channels_last=True)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(inputs)
        loss = F.cross_entropy(outputs.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def bare_in_its_own_process(steps: int) -> float:
    """For a worker: `bare` on one thread, depth 20, width 8, batch 32, 14×14, as cpu profiles have it."""
    torch.set_num_threads(1)
    data = FashionMnistSmall(size=14).load()
    bare(data, depth=20, width=8, batch_size=32, steps=3)
    return bare(data, depth=20, width=8, batch_size=32, steps=steps)

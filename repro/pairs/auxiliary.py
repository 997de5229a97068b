"""Pairs of auxiliary classifiers, those of a narrow GoogLeNet for images of 32×32: see `repro.pairs.pair`."""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from repro.models.googlenet import GoogLeNet
from repro.pairs.numbers import numbers
from repro.tasks.classification import Classification

CLASSES = 10


def total_loss_of_classification(generator: Generator) -> tuple[Tensor, Tensor]:
    """The loss that is trained on a net's three outputs, and main + 0.3 · (auxiliary + auxiliary)."""
    outputs, labels = numbers(generator, 4, 3, CLASSES), _labels(generator)
    main, first, second = (F.cross_entropy(own.float(), labels) for own in outputs.unbind(1))
    return Classification().loss(outputs, labels), main + 0.3 * (first + second)


def scores_without_auxiliary_classifiers(generator: Generator) -> tuple[Tensor, Tensor]:
    """What the net puts out once it is trained, with its auxiliary classifiers and without."""
    net, images = _googlenet(generator).eval().requires_grad_(False), _images(generator)
    scores = net(images)
    net.auxiliary.clear()
    return scores, net(images)


def gradient_with_auxiliary_losses(generator: Generator) -> tuple[Tensor, Tensor]:
    """The gradient by the net's first weights, of the whole loss and of the main one: not the same."""
    net, images, labels = _googlenet(generator), _images(generator), _labels(generator)
    first = next(net.stem.parameters())
    return (
        _gradient(Classification().loss(net(images), labels), first),
        _gradient(Classification().loss(net(images)[:, 0], labels), first),
    )


def gradient_of_auxiliary_scores(generator: Generator) -> tuple[Tensor, Tensor]:
    """The gradient of the whole loss by an auxiliary classifier's last bias; 0.3 (softmax - truth), its mean.

    The second is that of a classifier that is trained on the images' labels. fp32, as losses are.
    """
    net, images, labels = _googlenet(generator), _images(generator), _labels(generator)
    outputs, (*_, bias) = net(images), net.auxiliary["4a"].parameters()
    wrong = outputs[:, 1].softmax(1) - F.one_hot(labels, CLASSES)
    return _gradient(Classification().loss(outputs, labels), bias), 0.3 * wrong.mean(0).detach()


def _googlenet(generator: Generator) -> GoogLeNet:
    """In training, with He's weights of the generator, in double precision; without what drops units."""
    net = GoogLeNet(
        auxiliary=True,
        norm="none",
        dropout=0.0,
        auxiliary_dropout=0.0,
        stem="small",
        width=0.125,
        image_size=32,
        classes=CLASSES,
    ).double()
    for parameter in net.parameters():
        inputs = parameter[0].numel() if parameter.ndim > 1 else 100
        nn.init.normal_(parameter, std=(2 / inputs) ** 0.5, generator=generator)
    return net


def _images(generator: Generator) -> Tensor:
    return numbers(generator, 4, 3, 32, 32)


def _labels(generator: Generator) -> Tensor:
    return torch.randint(CLASSES, (4,), generator=generator)


def _gradient(loss: Tensor, parameter: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, parameter)
    return found

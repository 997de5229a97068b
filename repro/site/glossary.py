"""What the words of the site mean: its terms, the units, and everything that is measured.

Of a count, a probe or a clock it is the first paragraph of what its code says of itself, of a metric what
stands here: a task's class has one text for all of its metrics.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from repro import catalogue, source
from repro.catalogue import CLOCKS, COUNTS, PROBES, TASKS, Catalogue
from repro.declaration import Declaration
from repro.errors import ReproError
from repro.evidence import LOOKS
from repro.site import address
from repro.site.element import Child, Markup, element, link

TERMS = {
    "paper, suite, profile": (
        "A suite is a file that states what a paper says, with the nets that it compares. A profile "
        "is the scale at which it is tried: `cpu` is small nets on small images, minutes on two cores; "
        "`gpu` is what one GPU of 24 GB does in a night; `paper` is the paper’s own recipe and data."
    ),
    "claim": (
        "A sentence of a paper, written as a comparison of numbers that is true or false: "
        "`test_error(plain56) > test_error(plain20)`. One that is joined by “and” has several parts, and "
        "holds when each of them does."
    ),
    "arm": (
        "One side of a comparison: a net, and how it is trained. Two arms of a claim differ in one thing."
    ),
    "treatment": (
        "What is done to a trained net before it is measured: ten crops of each image, a vote of several "
        "nets, a block taken out. Such an arm needs no training of its own: it is another arm’s nets, "
        "treated."
    ),
    "recipe": "How an arm is trained: steps, batch size, optimizer, learning rate, augmentation.",
    "measurement": (
        "A number of an arm, written as `name(arm)`, with options after the arm. A metric is of a trained "
        "net at its task; a probe looks into a net, after training or before it (`at=start`); a count is of "
        "the architecture alone; a clock is read while a net runs alone on the machine. All of them are "
        "explained below."
    ),
    "ledger": (
        "The list of statements of papers that are to be tested, each with its place in the paper. A claim "
        "names the entries that it tests: RS02, say."
    ),
    "seed": (
        "What the random start of a training, and the order of its images, are drawn from. Two seeds "
        "are two trainings that differ in luck alone."
    ),
    "round": "Of what is timed, a seed is a round: every net once, in a process of its own.",
    "step": "One update of a net’s weights, from one batch of training images.",
    "batch_error, batch_loss": (
        "The error and the loss of the images that a step trains on, augmented, and of the net as it was "
        "before that step. A point of the curve is the mean over a few steps; of many points only some are "
        "drawn and listed. The error "
        "is the share of wrong images, of wrong pixels in segmentation, and of wrong items in detection; in "
        "reconstruction it is the squared error as a share of the variance."
    ),
    "diverged": (
        "A training that blew up: its loss is no number any more. It counts as infinite, and the error is "
        "that of whatever the net answers."
    ),
    "margin": (
        "By how much the claim holds, seed by seed: `test_error(plain56) − test_error(plain20)`. Above "
        "0 it holds for that seed, below 0 it does not. The margin of a claim is the mean over its "
        "seeds; of several parts, that of the weakest."
    ),
    "spread": (
        "The standard deviation of the margins over the seeds. A margin of 3 spreads is three times "
        "as large as what a seed typically changes."
    ),
    "interval": (
        "All margins that the seeds seen so far still leave possible. If it lies right of 0 the claim "
        "is reproduced, if left of 0 it is refuted. More seeds make it narrower."
    ),
    "verdict": (
        "Reproduced: the seeds show it, and if there is nothing to a claim, that happens one time in "
        "twenty at most. Refuted: the seeds show the contrary as clearly. Undecided: they show "
        "neither, which is no evidence against it."
    ),
    "look": (
        f"Verdicts are asked for after {', '.join(map(str, LOOKS[:-1]))} and {LOOKS[-1]} seeds, "
        "as far as a suite allows, and never before the first of these. Looking more than once is paid "
        "for: all looks together stay within the level."
    ),
    "level (alpha)": (
        "How often a claim to which there is nothing may be reproduced by chance: 0.05 unless a suite "
        "says less."
    ),
    "p (value)": (
        "How often a change as large as the one seen would come about by chance alone, corrected for all "
        "that were compared at once. Below 0.05 it counts as a change."
    ),
    "as expected": (
        "Most claims are expected to be reproduced. Where pilots at a small scale showed another "
        "verdict, the suite says so, with the reason; then that verdict is as expected, and is marked "
        "“as known”."
    ),
    "pilot": (
        "A training with a seed from 1000 up, which never judges. Recipes are chosen on pilots, so that the "
        "seeds that judge have had no part in the choice."
    ),
    "trivial": (
        "An arm that answers no better than naming the most frequent class every time. What is "
        "claimed of it is no evidence."
    ),
    "contested": "All seeds there are would not give the verdict that the first of them gave.",
    "formulation": (
        "A claim that was worded anew after its seeds had been seen has had another chance. Every "
        "wording is kept, and its number is told."
    ),
    "register": (
        "The list of all wordings of all claims that judging seeds have been shown, in their order, each "
        "with its verdict. Nothing is taken out of it."
    ),
    "without seeds": (
        "Numbers of an architecture, such as its parameters, are the same each time: they hold or "
        "they do not, and chance has no part in it."
    ),
    "IoU, mIoU (intersection over union)": (
        "How well two areas agree: what both have in common, as a share of what they cover together. 1 if "
        "they are the same, 0 if they do not meet. The mIoU is its mean over the classes."
    ),
    "AP (average precision)": (
        "Of a class, over its detections with the surest first: the mean of the share that is right, as "
        "ever more of the items are found. A detection is right if it overlaps an item by an IoU of .5 or "
        "more."
    ),
    "trimap": (
        "The band along the outlines of things: pixels at most so many (`width`) from where the true label "
        "changes. What a coarse map blurs is lost there first."
    ),
    "matmul peak": (
        "What the machine reaches in one large matrix product, measured beside each training. The share of "
        "it that a training reaches says how well the machine was used."
    ),
}

UNITS = {
    "share": "A part of the whole, from 0 to 1: an error of 0.25 is one image in four.",
    "nats": (
        "The unit of a cross entropy with natural logarithms: minus the logarithm of the probability that a "
        "net gives to the right class. To guess among 10 classes costs ln 10 = 2.3 nats."
    ),
    "steps": "Updates of a net’s weights, each from one batch of images.",
    "levels": "The brightness of a channel as images store it, from 0 to 255.",
    "pixels": "Of the image that goes into the net, or of the map that comes out.",
    "multiply-adds": "A product that is added to a sum: what convolutions and linear layers consist of.",
    "FLOP": "Floating point operations: two for each multiply-add.",
    "bytes": "Of memory. On these pages they are often shown as MiB, of 1,048,576 bytes.",
    "ms": "Milliseconds.",
    "images/s": "Images a second.",
    "J/image": "Joules an image: a joule is a watt for a second.",
}

TEXTS = {  # and of measures whose docstring begins with what readers of code know
    "test_error": "The share of the test images for which the net’s likeliest class is the wrong one.",
    "test_loss": (
        "What trainings make small, over the test set. In classification it is the cross entropy of an "
        "image, in segmentation that of a labelled pixel; in detection it is a sum of several losses, "
        "without a unit."
    ),
    "test_mse": (
        "The mean squared error of reconstructed test images, over all pixels and channels. Images are "
        "normalised: 1 is about what their mean colour reaches."
    ),
    "miou": (
        "Mean intersection over union: for each class, the pixels that are of it and are predicted as it, as "
        "a share of those that are either; then the mean over the classes. It is of the test set as one."
    ),
    "pixel_accuracy": "The share of the test set’s labelled pixels that is right.",
    "mean_accuracy": "The share of a class’s pixels that is right, in the mean over the classes.",
    "frequency_weighted_iou": "As `miou`, with each class weighted by its share of the pixels.",
    "map": (
        "Mean average precision as PASCAL VOC has measured it since 2010: the mean over the classes of the "
        "area under precision over recall, with an IoU of .5 or more asked for."
    ),
    "map_11_point": "As `map`, by the precision at 11 recalls, as PASCAL VOC measured it in 2007.",
    "coco_map": (
        "As `map`, in the mean over IoUs from .5 to .95, as COCO measures it: boxes have to be close."
    ),
    "correct": (
        "Of the N surest detections of a class, where N is the number of its items, the share that is right: "
        "the class, and an IoU of .5 or more."
    ),
    "localisation_errors": (
        "Of the same detections as for `correct`, the share that has the class and is badly placed, or found "
        "an item a second time."
    ),
    "other_errors": (
        "Of the same detections as for `correct`, the share that lies on an item of another class."
    ),
    "background_errors": (
        "Of the same detections as for `correct`, the share that lies on no item, or hardly on one."
    ),
    "flops": "Floating point operations of the forward pass of one image: two for each of its `macs`.",
    "divided_by": (
        "What a channel is divided by once `subtracted` is taken off: as many levels a net sees as 1."
    ),
    "overlap_ratio": (
        "How unevenly a transposed convolution covers its output: the kernel’s weights that meet where most "
        "do, over those where fewest do. 1 is even. Of a net’s transposed convolutions, the largest."
    ),
    "overlap_variation": (
        "How unevenly a transposed convolution covers its output: the standard deviation of the number of "
        "weights that meet in a place, over its mean. 0 is even. Of a net’s transposed convolutions, the "
        "largest."
    ),
    "centre_cells": (
        "Of the test set’s items that a cell of the grid finds, the share that is found by the cell in which "
        "their centre lies."
    ),
}
OF_TRAINING = (
    "One with `train_` in front is of the training images, or of the first so many of them, as the recipe "
    "says (`evaluate`): measured once, after the last step, without augmentation. The others are of the test "
    "images."
)
TRAIN = "train_"
RAISES = re.compile(r"\s*Raises `\w+`[^.]*\.")
CODE = re.compile(r"`([^`]+)`")
CALLED = re.compile(r"\b([A-Za-z_]\w*)(?=\()")  # what stands before a bracket in an expectation


@dataclass(frozen=True)
class Measure:
    """What is measured under a name, in plain language, and in which units, by kinds of measurement."""

    says: str
    declared: tuple[Declaration, ...]  # several where tasks declare the same name otherwise


@cache
def measures() -> dict[str, dict[str, Measure]]:
    """All that have a text, by kind and name."""
    return {
        "Metrics: of a trained net, at its task": dict(_metrics()),
        "Probes: a look into a net, after training or at its start": dict(_of(PROBES)),
        "Counts: of an architecture": dict(_of(COUNTS)),
        "Clocks: read while a net runs alone on the machine": dict(_of(CLOCKS)),
    }


@cache
def names() -> frozenset[str]:
    """The measurements that have an entry."""
    return frozenset(name for kind in measures().values() for name in kind)


def of_metric(name: str) -> str | None:
    """None for one that another package brings."""
    return TEXTS.get(of_test(name) or name)


def of_test(name: str) -> str | None:
    """What `train_miou` or `train_error` is of the test images: `miou`, `test_error`. Else None."""
    bare = name.removeprefix(TRAIN)
    return next((known for known in (bare, f"test_{bare}") if bare != name and known in TEXTS), None)


def anchor(word: str) -> str:
    """The place of a word on the page of the glossary."""
    return word.split()[0].strip(",")


def term(word: str, *text: Child, up: str = address.UP) -> Markup:
    """A link to what a word means. `KeyError` if there is no such word."""
    place = anchor(word)
    if place not in map(anchor, (*TERMS, *UNITS)):
        raise KeyError(word)
    return link(f"{up}{address.GLOSSARY}#{place}", *(text or (word,)), class_="word")


def unit(declared: Declaration, up: str = address.UP) -> list[Child]:
    """`share, lower is better`, with a link where the unit has an entry."""
    named = term(declared.unit, up=up) if declared.unit in UNITS else declared.unit or "a plain number"
    return [named, f", {declared.better} is better" if declared.better else None]


def named(measurement: str, up: str = address.UP) -> Child:
    """The name of what is measured, as a link where it has an entry."""
    place = f"{up}{address.GLOSSARY}#{measurement}"
    return link(place, measurement, class_="word") if measurement in names() else measurement


def linked(expectation: str) -> list[Child]:
    """An expectation, with links from what it measures."""
    return [named(part) if i % 2 else part for i, part in enumerate(CALLED.split(expectation))]


def prose(text: str) -> list[Child]:
    """Of the page itself: a text with what stands between backticks as code, linked where it has an entry."""
    return [element("code", named(part, up="")) if i % 2 else part for i, part in enumerate(CODE.split(text))]


def _metrics() -> Iterator[tuple[str, Measure]]:
    declared: dict[str, dict[Declaration, None]] = {}
    for task in sorted(TASKS.targets):
        try:
            for name, one in catalogue.metrics(task).items():
                declared.setdefault(name, {})[one] = None
        except ReproError:  # a package that is broken breaks no page
            continue
    for name in sorted(declared):
        if says := of_metric(name):
            yield name, Measure(says, tuple(declared[name]))


def _of(kind: Catalogue) -> Iterator[tuple[str, Measure]]:
    for name in sorted(kind.targets):
        try:
            first = source.docstring(kind.target(name)).partition("\n\n")[0]
            says = TEXTS.get(name) or RAISES.sub("", " ".join(first.split()))
            if says:
                yield name, Measure(says, (catalogue.declared(kind, name),))
        except ReproError:
            continue

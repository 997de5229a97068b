"""Boxes of a set that has items, too, which nobody is asked to find."""

from typing import NamedTuple

from repro.data.targets import Boxes


class DifficultBoxes(NamedTuple):
    """`ignored` are items that VOC calls difficult: no net is trained on them, and who finds one is neither
    right nor wrong.
    """

    items: Boxes
    ignored: Boxes

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from repro.conformance import fakes
from repro.data.difficult import DifficultBoxes
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.measures.proposals import proposal_recall, regions_found
from repro.models.region_detector import RegionAnswers, Rules
from repro.state.net import State


class Fixed(nn.Module):
    """The same two regions in every image: all of it, and its upper left quarter."""

    def forward(self, x: Tensor) -> RegionAnswers:
        regions = torch.tensor([[0.0, 0, 8, 8], [0, 0, 4, 4]]).expand(len(x), -1, -1)
        return RegionAnswers(
            regions, torch.zeros(len(x), 2, 3), torch.zeros(len(x), 2, 2, 4), Rules(8, 8, 0, 1)
        )


def looked_at(targets: object, model: nn.Module | None = None) -> State:
    made = fakes.state(model or Fixed())
    split = InMemory(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), targets)
    return replace(made, data=ImageSet(split, split, ("a", "b"), (0.5,) * 3, (0.5,) * 3))


BOXES = Boxes(
    torch.tensor([[[0.0, 0, 8, 4], [0, 0, 4, 3]], [[0, 0, 4, 2], [0, 0, 0, 0]]]),
    torch.tensor([[0, 1], [1, NONE]]),
)  # the image overlaps them by .5, .19 and .125, its quarter by .33, .75 and .5


def test_an_item_is_found_where_one_of_the_first_regions_overlaps_it_enough():
    state = looked_at(BOXES)
    assert proposal_recall(state, proposals=1) == pytest.approx(1 / 3)
    assert proposal_recall(state, proposals=2) == 1
    assert proposal_recall(state, proposals=2, iou=0.75) == pytest.approx(1 / 3)
    assert proposal_recall(state, proposals=2, iou=0.8) == 0
    assert proposal_recall(state, proposals=1, images=1) == 0.5
    assert state.model.training


def test_what_is_difficult_need_not_be_found_and_of_nothing_there_is_no_recall():
    none = Boxes(BOXES.corners, torch.full_like(BOXES.labels, NONE))
    hard = Boxes(BOXES.corners, BOXES.labels.where(BOXES.labels == 0, NONE))
    assert proposal_recall(looked_at(DifficultBoxes(hard, BOXES)), proposals=1) == 1
    assert proposal_recall(looked_at(none), proposals=1) != proposal_recall(
        looked_at(none), proposals=1
    )  # NaN


def test_a_net_without_as_many_regions_and_data_without_boxes_are_refused():
    with pytest.raises(ReproError, match=r"3 regions .* has 2: give its arm `regions: 3`, or ask for fewer"):
        proposal_recall(looked_at(BOXES), proposals=3)
    with pytest.raises(ReproError, match="model 'made-up' has none"):
        proposal_recall(looked_at(BOXES, nn.Flatten()), proposals=1)
    with pytest.raises(ReproError, match="wants data with boxes"):
        proposal_recall(looked_at(torch.zeros(2, dtype=torch.int64)), proposals=1)
    with pytest.raises(ReproError, match=r"an IoU above 0, at most 1, not 1\.5"):
        proposal_recall(looked_at(BOXES), iou=1.5)


def test_regions_that_are_repeated_count_once():
    class Repeats(Fixed):
        """The first image's second region is its first one."""

        def forward(self, x: Tensor) -> RegionAnswers:
            made = super().forward(x)
            regions = made.regions.clone()
            regions[0, 1] = regions[0, 0]
            return made._replace(regions=regions)

    assert regions_found(looked_at(BOXES)) == 2
    assert regions_found(looked_at(BOXES, Repeats())) == 1.5
    assert regions_found(looked_at(BOXES, Repeats()), images=1) == 1
    with pytest.raises(ReproError, match="1 regions of an image are wanted; model 'made-up' has none"):
        regions_found(looked_at(BOXES, nn.Flatten()))

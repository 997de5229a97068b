from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from repro.data.images import ImageSet
from repro.data.scenes import Scenes
from repro.data.split import InMemory
from repro.data.targets import IGNORE
from repro.errors import ReproError
from repro.measures.segmentation import interior_miou, near_change, stride_upper_bound_miou, trimap_miou
from repro.recipe import Named
from repro.state.net import State
from repro.tasks.segmentation import Segmentation, confusion, scores

HALVES = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]] * 6)  # 6 rows, the change between columns 4 and 5


class Painted(nn.Module):
    """Whatever the images are, it predicts classes [N, H, W], in this order, in evaluation mode."""

    def __init__(self, classes: torch.Tensor, number: int):
        super().__init__()
        self.outputs = nn.functional.one_hot(classes.long(), number).movedim(-1, 1).float()
        self.start = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert not self.training and not torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")
        self.start += len(images)
        return self.outputs[self.start - len(images) : self.start]


def state(targets: torch.Tensor, predicted: torch.Tensor, classes: int = 2) -> State:
    images = torch.zeros(len(targets), 3, *targets.shape[1:], dtype=torch.uint8)
    names = tuple(map(str, range(classes)))
    split = InMemory(images, targets)
    data = ImageSet(split, split, names, (0.5,) * 3, (0.2,) * 3)
    recipe = SimpleNamespace(precision="bf16", channels_last=True)
    spec = SimpleNamespace(recipe=recipe, data=Named(name="made-up"))
    return State(spec, Painted(predicted, classes), Segmentation(), data, torch.device("cpu"))


@pytest.mark.parametrize(
    ("width", "columns"), [(1, [4, 5]), (2, [3, 4, 5, 6]), (4, [1, 2, 3, 4, 5, 6, 7, 8]), (9, range(10))]
)
def test_the_trimap_is_what_lies_within_so_many_pixels_of_a_change(width, columns):
    near = near_change(HALVES[None].to(torch.uint8), width)
    assert near.shape == (1, 6, 10) and near.dtype == torch.bool
    assert near[0].all(0).nonzero().flatten().tolist() == list(columns)
    assert torch.equal(near[0].any(0), near[0].all(0))


def test_the_trimap_of_a_single_pixel_is_a_square_and_of_one_label_nothing():
    mask = torch.zeros(2, 9, 9, dtype=torch.uint8)
    mask[0, 4, 3] = 200
    expected = torch.zeros(2, 9, 9, dtype=torch.bool)
    expected[0, 2:7, 1:6] = True
    assert torch.equal(near_change(mask, 2), expected)


def test_mious_along_boundaries_and_inside_are_those_of_their_own_pixels():
    predicted = HALVES.clone()
    predicted[:, 5:7] = 0  # two columns next to the change are wrong
    predicted[0, 0] = 1  # and one pixel far from it
    looked_at = state(HALVES[None], predicted[None])
    assert trimap_miou(looked_at) == pytest.approx((12 / 24 + 0 / 12) / 2)  # columns 3, 4 right; 5, 6 wrong
    looked_at.model.start = 0
    assert interior_miou(looked_at) == pytest.approx((17 / 18 + 18 / 19) / 2)
    looked_at.model.start = 0
    assert trimap_miou(looked_at, width=1) == pytest.approx((6 / 12 + 0 / 6) / 2)
    assert looked_at.model.training and type(looked_at.task) is Segmentation


def test_pixels_without_label_make_a_boundary_but_are_not_measured():
    targets = torch.zeros(1, 5, 9, dtype=torch.uint8)
    targets[:, :, 4] = IGNORE
    predicted = torch.zeros(1, 5, 9, dtype=torch.int64)
    predicted[:, :, 3:5] = 1
    looked_at = state(targets, predicted)
    # Columns 3 (wrong) and 5 (right)
    assert trimap_miou(looked_at, width=1) == pytest.approx(((5 / 10) + 0) / 2)
    looked_at.model.start = 0
    assert interior_miou(looked_at, width=1) == 1


def test_probes_of_outputs_that_are_of_the_middle_look_at_the_middle():
    targets = torch.zeros(1, 10, 14, dtype=torch.int64)
    targets[:, 2:8, 2:12] = HALVES
    looked_at = state(targets, HALVES[None])
    assert trimap_miou(looked_at) == 1
    looked_at.model = Painted(1 - HALVES[None], 2)
    assert interior_miou(looked_at) == 0


def test_a_width_or_a_stride_of_none_is_refused_and_so_are_labels_of_images():
    looked_at = state(HALVES[None], HALVES[None])
    for probe in (trimap_miou, interior_miou):
        with pytest.raises(ReproError, match="a trimap wants a width of 1 or more pixels, not 0"):
            probe(looked_at, width=0)
    with pytest.raises(ReproError, match="stride_upper_bound_miou wants a stride of 1 or more, not 0"):
        stride_upper_bound_miou(looked_at, stride=0)
    looked_at.data = replace(looked_at.data, test=InMemory(looked_at.data.test.images, torch.tensor([1])))
    for probe in (trimap_miou, interior_miou, stride_upper_bound_miou):
        with pytest.raises(
            ReproError, match="wants data with a label for each pixel, which 'made-up' does not have"
        ):
            probe(looked_at)


def test_the_upper_bound_of_a_coarse_grid_by_hand():
    targets = torch.zeros(1, 4, 8, dtype=torch.uint8)
    targets[:, :, 5:] = (
        1  # cells of 4 hold shares 0 and 3/4 of class 1; halfway between centres, at column 4, it is 3/8
    )
    # Bilinearly along a row: 0 0 .09 .28 .47 .66 .75 .75, so columns 5 to 7 have class 1.
    assert stride_upper_bound_miou(state(targets, targets), stride=4) == 1
    targets[:, :, 5] = 0  # 1/2 in the cell, a tie at columns 6 and 7, which the first class wins
    assert stride_upper_bound_miou(state(targets, targets), stride=4) == pytest.approx((24 / 32 + 0) / 2)


def test_upper_bounds_leave_out_what_has_no_label_and_take_any_size():
    targets = torch.randint(2, (2, 7, 9), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    nothing = torch.zeros_like(targets)
    targets[:, 2:4] = IGNORE
    assert stride_upper_bound_miou(state(targets, nothing), stride=1) == 1
    only_one = torch.where(targets == IGNORE, targets, 1)
    assert stride_upper_bound_miou(state(only_one, nothing), stride=4) == 1


@pytest.mark.slow
def test_upper_bounds_of_scenes_are_those_measured_on_canvases_of_all_of_fashion_mnist():
    looked_at = SimpleNamespace(data=Scenes(train=1).load(), device=torch.device("cpu"))
    measured = {
        32: 0.317,
        16: 0.585,
        8: 0.801,
        4: 0.922,
        2: 0.978,
    }  # 500 canvases of the full set's 5,000 test images
    bounds = [stride_upper_bound_miou(looked_at, stride=stride) for stride in measured]
    assert bounds == sorted(bounds)
    assert bounds == pytest.approx(list(measured.values()), abs=0.02)
    # 0.23 of their pixels were within 2 of a change.
    assert near_change(looked_at.data.test.targets, 2).float().mean().item() == pytest.approx(0.23, abs=0.01)


def test_trimap_and_interior_pixels_together_are_all_pixels():
    targets = Scenes(train=1, test=20).load().test.targets
    outputs = torch.randn(20, 6, 64, 64, generator=torch.Generator().manual_seed(1))
    near = near_change(targets, 2)
    parts = [confusion(outputs, targets.masked_fill(left_out, IGNORE)) for left_out in (near, ~near)]
    assert torch.equal(parts[0] + parts[1], confusion(outputs, targets))
    assert 0 < float(scores(parts[0])["miou"]) < 1

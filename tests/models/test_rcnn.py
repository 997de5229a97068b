import pytest
import torch
from models.detectors import SIDE, learns, scenes

from repro.models.rcnn import RCNN
from repro.models.region_detector import by_image

SMALL = {
    "trunk": "vgg16",
    "widths": (4, 8),
    "depths": (1, 1),
    "levels": (3,),
    "fc": 24,
    "dropout": 0.0,
    "side": 20,
    "context": 2,
    "classes": 3,
    "proposals": "spread",
    "regions": 40,
}


def made(**options) -> RCNN:
    torch.manual_seed(0)
    return RCNN(**{**SMALL, **options})


def test_the_papers_net_sees_227_pixels_of_each_region_and_has_21_scores_of_them():
    with torch.device("meta"):
        net = RCNN(proposals="spread", regions=3)
        out = net(torch.empty(1, 3, 300, 400))
    assert net.warped(torch.empty(1, 3, 300, 400, device="meta"), by_image(out.regions)).shape == (
        3,
        3,
        227,
        227,
    )
    assert out.scores.shape == (1, 3, 21) and net.head.hidden[0].in_features == 256 * 6 * 6


def test_a_region_fills_the_side_but_for_its_context_and_beyond_the_image_is_its_mean():
    images = torch.zeros(1, 1, SIDE, SIDE)
    images[:, :, 8:24, 4:20] = 1
    net = made(side=20, context=2)
    inside, _ = net.warped(images, torch.tensor([[0.0, 4, 8, 20, 24], [0, 0, 0, 16, 16]]))
    assert (
        (inside[0, 3:17, 3:17] == 1).all() and (inside[0, :2] < 0.5).all() and (inside[0, :, :2] < 0.5).all()
    )
    ones = torch.ones_like(images)
    (corner,) = net.warped(ones, torch.tensor([[0.0, 0, 0, 16, 16]]))
    assert (corner[0, 0] == 0).all() and (corner[0, 2:, 2:] == 1).all()


def test_each_region_is_seen_by_itself_however_many_are_seen_at_once():
    images, _ = scenes()
    with torch.no_grad():
        together, alone = (made(at_once=n).eval()(images) for n in (80, 7))
    torch.testing.assert_close(together.scores, alone.scores)
    assert not together.scores[0].allclose(together.scores[1], atol=1e-4)
    assert together.scores.shape == (2, 40, 4)


def test_training_takes_some_of_the_regions_at_random():
    images, _ = scenes()
    net = made(train_regions=8)
    first, second = net(images).regions, net(images).regions
    assert first.shape == (2, 8, 4) and not torch.equal(first, second)
    everywhere = net.proposals(images, SIDE, SIDE)[0]
    assert all((everywhere == region).all(1).any() for region in first[0])


def test_it_learns():
    learns(made(regions=150, train_regions=150), *scenes(), lr=0.01)


def test_more_context_than_there_is_room_for_is_refused():
    with pytest.raises(ValueError, match="the side within its context must be at least 1, not 0"):
        made(side=20, context=10)

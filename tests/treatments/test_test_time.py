"""Treatments that look at an image more than once, or at another size."""

import pytest
import torch
from torch import nn
from torchvision.transforms.functional import five_crop, resize, ten_crop

from repro.conformance.fakes import CLASSES, state
from repro.errors import ReproError
from repro.treatments.crops import Crops, crops
from repro.treatments.ensemble import ensemble
from repro.treatments.resized import resized


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(8, CLASSES))


def images(side: int = 8) -> torch.Tensor:
    return torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(1))


def mean_probability(net, views):
    return torch.stack([net(view).softmax(1) for view in views]).mean(0)


WINDOWS = {
    (True, True): lambda x: ten_crop(x, 5),
    (True, False): lambda x: five_crop(x, 5),
    (False, True): lambda x: (five_crop(x, 5)[4], five_crop(x.flip(3), 5)[4]),
    (False, False): lambda x: five_crop(x, 5)[4:],
}


@pytest.mark.parametrize(("corners", "mirror"), WINDOWS)
@pytest.mark.parametrize("side", [5, 9])
@torch.no_grad()
def test_ten_crops_are_torchvisions_and_their_probabilities_are_averaged(corners, mirror, side):
    plain, x = state(net()), images(side)
    treated = crops(plain, size=5, corners=corners, mirror=mirror).model
    windows = WINDOWS[corners, mirror](x)
    assert len([*treated.windows(x)]) == len(windows)
    torch.testing.assert_close(treated(x).exp(), mean_probability(plain.model, windows))


def test_of_two_places_that_are_as_central_the_upper_left_one_is_taken():
    x = torch.arange(64.0).view(1, 1, 8, 8)
    own = [window.flatten()[0].item() for window in Crops(nn.Identity(), 5, mirror=False).windows(x)]
    assert own == [9.0, 0.0, 3.0, 24.0, 27.0]


def test_windows_that_are_larger_than_the_images_are_an_error():
    with pytest.raises(ReproError, match="crops of 9 pixels are larger than the images of 8×8"):
        crops(state(net()), size=9).evaluate("test")


@torch.no_grad()
def test_an_ensemble_gives_the_mean_of_its_members_probabilities():
    states, x = [state(net(seed)) for seed in range(3)], images()
    joined = ensemble(states[0], states[1:], members=3)
    expected = torch.stack([one.model(x).softmax(1) for one in states]).mean(0)
    torch.testing.assert_close(joined.model(x).exp(), expected)
    alone = ensemble(states[0], members=1).evaluate("test")
    assert alone == pytest.approx(states[0].evaluate("test"), rel=1e-6)


def test_an_ensemble_that_lacks_a_member_is_an_error():
    with pytest.raises(ReproError, match="an ensemble of 3 wants as many nets, not 2"):
        ensemble(state(net()), [state(net(1))], members=3)


@pytest.mark.parametrize("size", [4, 8, 13])
@torch.no_grad()
def test_an_image_is_seen_at_another_size_as_torchvision_makes_it(size):
    plain, x = state(net()), images()
    expected = plain.model(resize(x, [size, size], antialias=True))
    torch.testing.assert_close(resized(plain, size=size).model(x), expected)


@pytest.mark.parametrize("treat", [lambda s: crops(s, size=4), ensemble, lambda s: resized(s, size=4)])
def test_nets_that_label_pixels_are_refused(treat):
    with pytest.raises(ReproError, match="wants a net that labels images; the task here is 'segmentation'"):
        treat(state(net(), "segmentation", "masks"))

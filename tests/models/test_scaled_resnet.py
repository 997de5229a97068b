import pytest
import torch
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size

from repro.models.resnet import cifar_resnet
from repro.models.scaled_resnet import ScaledResNet

SMALL = {"depth": 8, "width": 4, "resolution": 7}


def test_it_is_the_net_for_cifar_of_images_that_are_shrunk():
    mine, its, x = made(ScaledResNet, **SMALL), made(cifar_resnet, 8, width=4), images(2, 3, 28, 28)
    means = x.reshape(2, 3, 7, 4, 7, 4).mean(dim=(3, 5))
    torch.testing.assert_close(mine(x), its(means))


def test_a_resolution_that_does_not_divide_the_side_takes_means_of_the_pixels_that_a_new_one_covers():
    net, seen = made(ScaledResNet, depth=8, width=4, resolution=2, in_channels=1), []
    net.stem.register_forward_pre_hook(lambda _stem, inputs: seen.append(inputs[0]))
    net.eval()(torch.arange(9.0).reshape(1, 1, 3, 3))
    assert seen[0].flatten().tolist() == [2.0, 3.0, 5.0, 6.0]  # of 0 1 3 4, of 1 2 4 5, …


@pytest.mark.parametrize(
    ("scale", "times"), [({"depth": 26}, 2), ({"width": 16}, 4), ({"resolution": 24}, 4)]
)
def test_multiply_adds_grow_with_depth_and_with_the_squares_of_width_and_resolution(scale, times):
    base = {"depth": 14, "width": 8, "resolution": 12, "in_channels": 1}
    counts = [multiply_adds(on_meta(ScaledResNet, **of), 1, 1, 28, 28) for of in (base, {**base, **scale})]
    assert counts[1] / counts[0] == pytest.approx(times, rel=0.05)


def test_small_images_have_one_logit_a_class():
    assert size(on_meta(ScaledResNet, **SMALL), 5, 3, 7, 9) == (5, 10)


def test_it_learns():
    learns(made(ScaledResNet, **SMALL), images(6, 3, 14, 14), 10)


def test_a_resolution_above_that_of_the_images_is_an_error():
    with pytest.raises(ValueError, match="images of 6×9 pixels have no resolution 7"):
        size(on_meta(ScaledResNet, **SMALL), 1, 3, 6, 9)


def test_a_depth_that_is_not_possible_is_an_error():
    with pytest.raises(ValueError, match=r"depth must be 6n\+2 \(8, 14, 20, …\) with basic blocks, not 9"):
        ScaledResNet(depth=9)

import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size, stays_on_a_gpu
from torch import nn
from torch.nn import functional as F

from repro.measures.static import params
from repro.models.upsampling import UPSAMPLE, EncoderDecoder, unpool

KINDS = [*UPSAMPLE, "unpool"]
SMALL = {"widths": [4, 6, 8], "depths": [1, 1, 2], "context": 10, "decoder": [8, 6]}


def stamps(kind: str, side: int = 8) -> torch.Tensor:
    """How often each output pixel is written, inside the border."""
    layer = UPSAMPLE[kind](1, 1, False)
    for p in layer.parameters():
        nn.init.ones_(p)
    return layer(torch.ones(1, 1, side, side))[0, 0, 4:-4, 4:-4]


def test_a_3x3_transposed_convolution_writes_some_pixels_4_times_as_often_as_others():
    assert stamps("transposed3")[:2, :2].flatten().tolist() == [1, 2, 2, 4]
    assert stamps("transposed3").unique().tolist() == [1, 2, 4]


TIMES = {"transposed2": 1, "transposed4": 4, "nearest": 9, "bilinear": 9, "fixed": 1}


@pytest.mark.parametrize(("kind", "times"), TIMES.items())
def test_the_others_write_all_pixels_equally(kind, times):
    assert stamps(kind).unique().tolist() == [times]


@pytest.mark.parametrize("kind", UPSAMPLE)
def test_a_map_becomes_twice_as_high_and_wide(kind):
    assert UPSAMPLE[kind](3, 5, True)(images(2, 3, 4, 7)).shape == (2, 5, 8, 14)


def test_nearest_repeats_values_and_bilinear_weighs_them_by_distance():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
    nearest = UPSAMPLE["nearest"](1, 1, False)[0](x)[0, 0]
    bilinear = UPSAMPLE["bilinear"](1, 1, False)[0](x)[0, 0]
    assert nearest.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert bilinear[0].tolist() == [1, 1.25, 1.75, 2] and bilinear[:, 0].tolist() == [1, 1.5, 2.5, 3]
    assert UPSAMPLE["fixed"](1, 1, False)[1](x)[0, 0].equal(bilinear)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(64, 64), (9, 13), (1, 2)])
def test_outputs_have_the_size_of_the_image_whatever_it_is(kind, shape):
    assert size(on_meta(EncoderDecoder, upsample=kind, classes=6, **SMALL), 2, 3, *shape) == (2, 6, *shape)


def test_outputs_are_the_classes_unless_they_are_those_of_an_autoencoder():
    assert size(on_meta(EncoderDecoder, upsample="nearest", classes=6), 1, 3, 8, 8) == (1, 6, 8, 8)
    assert size(on_meta(EncoderDecoder, upsample="nearest", classes=6, outputs=3), 1, 3, 8, 8) == (1, 3, 8, 8)


def test_resizing_costs_as_many_parameters_as_a_transposed_convolution_of_the_same_kernel():
    count = {kind: params(on_meta(EncoderDecoder, upsample=kind, classes=6)) for kind in KINDS}
    taps = 64 * 48 + 48 * 32 + 32 * 6
    assert count["nearest"] == count["bilinear"] == count["transposed3"]
    assert count["transposed4"] - count["transposed3"] == (16 - 9) * taps
    assert count["transposed2"] - count["fixed"] == (4 - 1) * taps


@pytest.mark.parametrize("shape", [(8, 10), (7, 9)])
def test_unpooling_puts_values_where_the_maxima_were(shape):
    before = images(2, 3, *shape)
    pooled, indices = F.max_pool2d(before, 2, ceil_mode=True, return_indices=True)
    values = images(*pooled.shape).abs() + 1
    expected = F.max_unpool2d(values, indices, 2, output_size=before.shape)
    found = unpool(values, before)
    torch.testing.assert_close(found[..., : shape[0], : shape[1]], expected)
    assert (found != 0).sum() == values.numel()


def test_a_decoder_of_another_depth_than_the_encoder_is_an_error():
    with pytest.raises(ValueError, match="decoder must have 2 widths with 3 stages, not 3"):
        EncoderDecoder(upsample="nearest", decoder=[48, 32, 16])


@pytest.mark.parametrize("kind", KINDS)
def test_small_nets_learn_and_stay_on_a_gpu(kind):
    learns(made(EncoderDecoder, upsample=kind, classes=6, **SMALL), images(4, 3, 32, 32), 6, 32, 32)
    stays_on_a_gpu(EncoderDecoder, 2, 3, 16, 24, upsample=kind, **SMALL)

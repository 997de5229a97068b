import sys

import pytest
import torch
from models.pixels import multiply_adds, on_meta, size
from torch import nn
from torchvision.models.inception import InceptionOutputs

from repro.measures.static import params
from repro.models.inception import InceptionV3, TimmInception

pytestmark = pytest.mark.slow  # makes large nets


@pytest.mark.parametrize(("auxiliary", "count"), [(False, 23_834_568), (True, 27_161_264)])
def test_parameters_and_multiply_adds_of_v3(auxiliary, count):
    net = on_meta(InceptionV3, auxiliary=auxiliary)
    assert params(net) == count
    assert multiply_adds(net, 1, 3, 299, 299) / 1e9 == pytest.approx(5.71, abs=0.005)


@pytest.mark.parametrize(
    ("version", "count", "gigas"),
    [
        ("inception_v4", 42_679_816, 12.25),
        ("inception_resnet_v2", 55_843_464, 13.16),
        ("legacy_xception", 22_855_952, 8.36),
    ],
)
def test_parameters_and_multiply_adds_of_timms_nets(version, count, gigas):
    pytest.importorskip("timm", reason="these nets are timm's: pip install 'repro[reference]'")
    net = on_meta(TimmInception, version=version)
    assert params(net) == count
    assert multiply_adds(net, 1, 3, 299, 299) / 1e9 == pytest.approx(gigas, abs=0.005)


def test_timms_nets_take_other_channels_and_classes():
    pytest.importorskip("timm", reason="these nets are timm's: pip install 'repro[reference]'")
    assert size(
        on_meta(TimmInception, version="legacy_xception", in_channels=1, classes=10), 2, 1, 96, 96
    ) == (2, 10)


def test_v3_takes_other_channels_and_classes_and_images_from_75_pixels_on():
    assert size(on_meta(InceptionV3, in_channels=1, classes=10), 2, 1, 75, 75) == (2, 10)


def test_logits_of_the_auxiliary_classifier_come_second_and_in_training_only():
    net = on_meta(InceptionV3, auxiliary=True, classes=7)
    x = torch.empty(2, 3, 299, 299, device="meta")
    assert net.train()(x).logits.shape == (2, 2, 7) and net.eval()(x).shape == (2, 7)

    class Inner(nn.Module):
        def forward(self, _: torch.Tensor) -> InceptionOutputs:
            return InceptionOutputs(torch.zeros(2, 7), torch.ones(2, 7))

    net.net = Inner()
    logits, weight = net(x)
    assert logits[:, 0].unique().tolist() == [0] and logits[:, 1].unique().tolist() == [1]
    assert weight == 0.4  # TF-Slim's


def test_without_timm_its_nets_are_an_error_that_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ValueError,
        match=r"inception_v4 comes from timm, which is not installed: pip install 'repro\[reference\]'",
    ):
        TimmInception("inception_v4")

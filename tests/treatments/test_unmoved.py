import pytest
import torch
from torch import nn

from repro.conformance import fakes
from repro.errors import ReproError
from repro.models.fast_rcnn import FastRCNN
from repro.treatments.unmoved import unmoved


def test_boxes_are_the_regions_and_scores_stay():
    torch.manual_seed(0)
    net = FastRCNN(regions=12, widths=(4,), depths=(1,), levels=(2,), fc=8, dropout=0.0, classes=2).eval()
    nn.init.normal_(net.head.offsets.weight)
    before = fakes.state(net, "detection", "boxes")
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        moved, still = before.model(x), unmoved(before).model(x)
    assert torch.equal(still.scores, moved.scores)
    assert moved.offsets.abs().min() > 0 and not still.offsets.any()
    found = still.detections()
    corners = found.corners[found.labels >= 0]
    assert len(corners) > 3
    assert (corners[:, None] - still.regions[0]).abs().sum(2).amin(1).max() < 1e-3


def test_a_net_without_regions_is_refused():
    with pytest.raises(ReproError, match="unmoved wants a net that scores regions"):
        unmoved(fakes.state(nn.Flatten()))

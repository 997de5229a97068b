"""What the tests of detectors share: two scenes, and whether a net learns them."""

import torch
from torch import Tensor, nn

from repro.data.targets import NONE, Boxes

SIDE = 32


def scenes() -> tuple[Tensor, Boxes]:
    """Squares on noise, [2, 3, 32, 32]: one in the first image, two in the second."""
    random = torch.Generator().manual_seed(0)
    images = 0.3 * torch.randn(2, 3, SIDE, SIDE, generator=random)
    corners = torch.tensor([[[2.0, 4, 14, 16], [0, 0, 0, 0]], [[6, 6, 20, 18], [16, 18, 30, 30]]])
    labels = torch.tensor([[0, NONE], [2, 1]])
    for image, boxes, of in zip(images, corners.long().tolist(), labels.tolist(), strict=True):
        for (left, top, right, bottom), label in zip(boxes, of, strict=True):
            image[label, top:bottom, left:right] += 2
    return images, Boxes(corners, labels)


def learns(net: nn.Module, images: Tensor, truth: Boxes, *, lr: float, steps: int = 12) -> None:
    """Its loss falls, every weight has a part in it, and what it finds keeps to its form."""
    optimizer, losses = torch.optim.Adam(net.train().parameters(), lr), []
    for _ in range(steps):
        losses.append(net(images).loss(truth).mean())
        optimizer.zero_grad()
        losses[-1].backward()
        assert [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0] == []
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0], losses
    with torch.no_grad():
        outputs = net.eval()(images)
    found = outputs.detections()
    assert outputs.loss(truth).shape == (2,) and len(found.corners) == 2
    assert (found.corners >= 0).all() and (found.corners <= SIDE).all()
    assert found.scores.equal(found.scores.sort(dim=1, descending=True).values)
    assert ((found.labels == -1) == found.scores.isinf()).all() and found.labels.max() < outputs.classes

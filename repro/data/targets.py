"""What outputs are held against. Imports no torch.

Targets are a tensor, `Boxes`, or a tuple or dict of such; the first dimension of every tensor is that of the
images. What each is, its form says:

- labels, int64 [N] or [N, K], are of whole images;
- masks, of any integer type [N, H, W], have a class a pixel, `IGNORE` for none;
- `Boxes` are the items of each image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from repro.contracts import Targets

if TYPE_CHECKING:
    from torch import Tensor

IGNORE = 255  # the class of a pixel that no loss and no metric counts, as in PASCAL VOC
NONE = -1  # the label of a box that is none


class Boxes(NamedTuple):
    """The items of images, M at most.

    `corners` are float32 [N, M, 4]: x1, y1, x2, y2 in pixels, the latter two exclusive. `labels` are int64
    [N, M]; where an image has fewer than M items they are `NONE`, and the corners 0.
    """

    corners: Tensor
    labels: Tensor


def are_masks(targets: Targets) -> bool:
    return not isinstance(targets, tuple | dict) and targets.ndim == 3

"""Linear support vector machines on a detector's features: R-CNN, Girshick et al. 2013, arXiv 1311.2524.

One machine a class is fitted to the last hidden layer, after training, and stands where the softmax stood
(section 2.3). They are least-squares ones (Suykens and Vandewalle 1999), which have a closed form, instead of
the paper's with a hinge: the labels are 1 and -1, and each of the two sides weighs half. So all regions are
used at once, where the paper collects hard ones.

Negative are regions whose IoU with all items of the class is below .3, as in the paper (appendix B); positive
are those of .7 or more, where the paper has the items' own boxes.
"""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from repro.bounds import PositiveFloat, PositiveInt
from repro.data.difficult import DifficultBoxes
from repro.data.split import head, in_batches
from repro.data.targets import Boxes
from repro.errors import ReproError
from repro.models.layers.boxes import ious
from repro.models.region_detector import RegionHead
from repro.state.net import State

POSITIVE, NEGATIVE = 0.7, 0.3
AT_ONCE = 16  # images


@torch.no_grad()
def linear_svm(state: State, *, images: PositiveInt = 500, penalty: PositiveFloat = 0.001) -> State:
    """The net with machines fitted to regions of the first `images` training images instead of its softmax.

    `penalty` weighs the squared weights, of features whose mean square is 1. Raises `ReproError` for a net
    without region head, data without boxes, and a class that no region shows.
    """
    model = deepcopy(state.model)
    regions = getattr(model, "head", None)
    if not isinstance(regions, RegionHead):
        raise ReproError(f"linear_svm wants a net that scores regions, not '{state.spec.model.name}'")
    if not isinstance(head(state.data.train, 1)[1], Boxes | DifficultBoxes):
        raise ReproError(f"linear_svm wants data with boxes, which '{state.spec.data.name}' does not have")
    features, overlaps = _seen(replace(state, model=model), regions, images)
    scale = features.square().mean().sqrt().clamp(min=1e-12)
    scores = nn.Linear(features.shape[1], 1 + overlaps.shape[1]).to(features.device, torch.float32)
    scores.weight.zero_()
    scores.bias.zero_()  # background's, which nobody looks at
    for label, overlap in enumerate(overlaps.T):
        positive, negative = overlap >= POSITIVE, overlap < NEGATIVE
        if not positive.any() or not negative.any():
            name = state.data.class_names[label]
            raise ReproError(
                f"linear_svm: of {images} images no region shows, or none is without, a '{name}'"
            )
        weights, bias = fitted(features / scale, positive, negative, penalty)
        scores.weight[1 + label], scores.bias[1 + label] = weights / scale, bias
    regions.scores, regions.apart = scores, True
    return replace(state, model=model)


def fitted(features: Tensor, positive: Tensor, negative: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """The weights [F] and the bias that have the least Σ w (x·v + b ∓ 1)² + penalty |v|² of rows [R, F]."""
    weights = positive / positive.sum() / 2 + negative / negative.sum() / 2
    aims = positive.double() - negative.double()
    rows = torch.cat([features, features.new_ones(len(features), 1)], dim=1).double()
    weighted = rows * weights[:, None]
    ridge = torch.full((rows.shape[1],), penalty, dtype=rows.dtype, device=rows.device)
    ridge[-1] = 0  # the bias
    found = torch.linalg.solve(weighted.T @ rows + ridge.diag(), weighted.T @ aims)
    return found[:-1].float(), found[-1].float()


def _seen(state: State, regions: RegionHead, images: int) -> tuple[Tensor, Tensor]:
    """Of all regions: what the hidden layers say, [R, F], and the IoU with the nearest item of each class."""
    features, overlaps = list[Tensor](), list[Tensor]()
    hook = regions.hidden.register_forward_hook(lambda _layer, _inputs, out: features.append(out.float()))
    was_training = state.model.training
    state.model.eval()
    classes = torch.arange(len(state.data.class_names), device=state.device)
    for some, targets in in_batches(state.data.train, AT_ONCE, images):
        truth = targets.items if isinstance(targets, DifficultBoxes) else targets
        with state.autocast():
            outputs = state.model(state.inputs(some))
        nearest = ious(outputs.regions, truth.corners)[..., None]  # [N, R, M, 1]
        of_class = truth.labels[:, None, :, None] == classes
        overlaps.append(nearest.where(of_class, 0).amax(2).flatten(0, 1))
    hook.remove()
    state.model.train(was_training)
    return torch.cat(features), torch.cat(overlaps)

import pytest
import torch
from kit.tiny import spec
from models.pixels import made
from torch import nn

from repro.errors import ReproError
from repro.measures.lesions import lesions_error, mean_lesion_error
from repro.models.resnet import cifar_resnet
from repro.state.net import State, build
from repro.tasks.classification import Classification
from repro.treatments.lesion import lesion
from repro.work.execute import images

CPU = torch.device("cpu")
SAME = (0, 1, 3, 5)  # the blocks at depth 14 that keep the shape of their maps


def state(net: nn.Module | None = None) -> State:
    """A net, of 14 layers, with data and task; `made` gives it normalisation that is no identity."""
    trial = spec(trained=False)
    looked_at = build(trial, images(trial.data, CPU), CPU)
    looked_at.model = made(cifar_resnet, 14, width=4, in_channels=1) if net is None else net
    return looked_at


def error(looked_at: State, *deleted: int) -> float:
    for block in deleted:
        looked_at = lesion(looked_at, block=block)
    return looked_at.evaluate("test")["test_error"]


def test_the_mean_lesion_error_is_over_the_blocks_that_keep_the_shape():
    each = [error(state(), block) for block in SAME]
    assert len(set(each)) > 1
    assert mean_lesion_error(state()) == pytest.approx(sum(each) / 4)


def test_without_all_of_them_there_is_one_way_to_draw():
    assert lesions_error(state(), count=4, draws=3) == pytest.approx(error(state(), *SAME))


def test_a_draw_of_two_blocks_holds_that_of_one():
    (one,) = (b for b in SAME if error(state(), b) == lesions_error(state(), count=1, draws=1))
    pairs = [error(state(), one, other) for other in SAME if other != one]
    assert lesions_error(state(), count=2, draws=1) in pairs


def test_draws_are_of_different_blocks_and_the_same_each_time():
    single, drawn = [error(state(), block) for block in SAME], lesions_error(state(), count=1, draws=20)
    assert drawn == pytest.approx(sum(single) / 4, abs=0.05) and drawn == lesions_error(
        state(), count=1, draws=20
    )
    assert all(abs(drawn - alone) > 1e-3 for alone in single)


def test_more_blocks_than_there_are_cannot_be_deleted():
    with pytest.raises(
        ReproError, match="lesions_error: 4 blocks of the net keep the shape of their maps, fewer"
    ):
        lesions_error(state(), count=5)


def test_a_net_without_a_block_that_keeps_the_shape_has_no_mean_lesion_error():
    with pytest.raises(ReproError, match="has no block that keeps the shape"):
        mean_lesion_error(state(nn.Sequential(nn.Flatten(), nn.Linear(49, 10))))


class Unscored(Classification):
    def evaluate(self, batches, split):
        return {f"{split}_loss": torch.stack([outputs.mean() for outputs, _ in batches]).mean()}


def test_a_task_without_errors_has_no_lesion_error():
    looked_at = state()
    looked_at.task = Unscored()
    with pytest.raises(ReproError, match="a lesion's error: the task 'classification' has no test_error"):
        mean_lesion_error(looked_at)

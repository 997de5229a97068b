import pytest
import torch
from models.pixels import images, made

from repro.models.resnet import Block, cifar_resnet
from repro.models.stochastic_depth import StochasticBlock, StochasticResNet
from repro.treatments.lesion import blocks, without_block


def net(active: int) -> StochasticResNet:
    return made(StochasticResNet, 14, active=active, width=4)


def whole() -> torch.nn.Module:
    return made(cifar_resnet, 14, width=4)


def test_it_starts_from_the_weights_of_the_whole_net():
    mine, its = net(2).state_dict(), whole().state_dict()
    assert mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in its)


def trained_through(model: StochasticResNet, seed: int) -> list[int]:
    torch.manual_seed(seed)
    model.train()(images(2, 3, 8, 8))
    return [
        index for index, block in enumerate(m for m in model.modules() if isinstance(m, Block)) if block.drawn
    ]


def test_each_batch_goes_through_as_many_blocks_drawn_anew():
    with torch.random.fork_rng():
        model = net(2)
        drawn = [trained_through(model, seed) for seed in range(30)]
        assert {len(each) for each in drawn} == {2}
        assert {index for each in drawn for index in each} == {0, 1, 2, 3, 4, 5}
        assert drawn == [trained_through(model, seed) for seed in range(30)]


def test_the_others_pass_on_their_shortcut():
    with torch.random.fork_rng():
        model, expected, x = net(2), whole().train(), images(2, 3, 8, 8)
        drawn = trained_through(model, 0)
        for index in set(range(6)) - {*drawn}:
            expected = without_block(expected, index)
        torch.manual_seed(0)
        torch.testing.assert_close(model(x), expected(x))


def test_blocks_that_are_not_drawn_get_a_gradient_of_0():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = net(2).train()
        model(images(2, 3, 8, 8)).square().sum().backward()
    kinds = [block for block in model.modules() if isinstance(block, StochasticBlock)]
    reached = [any(weight.grad.any() for weight in block.branch.parameters()) for block in kinds]
    assert reached == [block.drawn for block in kinds] and sum(reached) == 2


def test_in_evaluation_every_branch_is_weighed_by_how_often_it_was_drawn():
    model, expected, x = net(2).eval(), whole().eval(), images(2, 3, 8, 8)
    for name in blocks(expected):
        expected.get_submodule(name).branch.register_forward_hook(
            lambda _layer, _inputs, output: output * 2 / 6
        )
    torch.testing.assert_close(model(x), expected(x))
    assert all(isinstance(model.get_submodule(name), StochasticBlock) for name in blocks(model))


def test_with_all_blocks_it_is_the_whole_net():
    for mode in (True, False):
        x = images(2, 3, 8, 8)
        torch.testing.assert_close(net(6).train(mode)(x), whole().train(mode)(x))


@pytest.mark.parametrize("active", [0, 7])
def test_a_net_cannot_train_more_blocks_than_it_has_or_none(active):
    with pytest.raises(ValueError, match=f"active must be 1 to 6, the blocks at depth 14, not {active}"):
        net(active)

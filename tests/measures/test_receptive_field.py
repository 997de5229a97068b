import math
from types import SimpleNamespace

import pytest
import torch
from kit.tiny import counting
from torch import nn
from torch.nn import functional as F

from repro import source
from repro.catalogue import COUNTS, PROBES
from repro.data.split import InMemory
from repro.errors import ReproError
from repro.measures.receptive_field import effective_receptive_field, receptive_field
from repro.models.resnet import cifar_resnet
from repro.state.net import State
from repro.store import Store
from repro.work.execute import execute

TARGETS = [COUNTS.target("receptive_field"), PROBES.target("effective_receptive_field")]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As measures run; with a thread a core these tests take five times as long on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def chain(*rates):
    return nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=rate, dilation=rate) for rate in rates))


class Net(nn.Module):
    """What `forward` does with a first convolution's output."""

    def __init__(self, forward, *modules):
        super().__init__()
        self.first, self.rest, self.then = nn.Conv2d(1, 4, 3, padding=1), nn.ModuleList(modules), forward

    def forward(self, x):
        return self.then(self.first(x), *self.rest)


def by_gradients(net, side):
    """The support of gradients by weights that are all positive, over the units around the middle."""
    net = net.double().eval()
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.1)
    image = torch.ones(1, 1, side, side, dtype=torch.double, requires_grad=True)
    output = net(image)
    largest, middle = 0, output.shape[-1] // 2
    for place in range(middle - 4, middle + 5):
        (gradient,) = torch.autograd.grad(output[0, :, place, place].sum(), image, retain_graph=True)
        seen = (gradient.abs().sum((0, 1)) > 0).nonzero()
        largest = max(largest, *(seen.amax(0) - seen.amin(0) + 1).tolist())
    return largest


def test_rates_that_double_see_exponentially_and_a_constant_rate_linearly():
    assert [receptive_field(chain(*(2**i for i in range(layers)))) for layers in range(1, 6)] == [
        3,
        7,
        15,
        31,
        63,
    ]
    assert [receptive_field(chain(*[2] * layers)) for layers in range(1, 6)] == [5, 9, 13, 17, 21]
    assert [receptive_field(chain(*[1] * layers)) for layers in range(1, 6)] == [3, 5, 7, 9, 11]


def test_vgg16_sees_212_pixels_after_its_last_pooling_and_404_after_fc7():
    torchvision = pytest.importorskip("torchvision", reason="the reference net is torchvision's")
    with torch.device("meta"):
        features = torchvision.models.vgg16(weights=None).features
        net = nn.Sequential(
            features, nn.Conv2d(512, 4096, 7), nn.ReLU(inplace=True), nn.Conv2d(4096, 4096, 1)
        )
    assert receptive_field(features) == 212
    assert receptive_field(net) == 404
    assert receptive_field(net, layer="0") == 212
    assert receptive_field(net, layer="0.4") == 6  # two 3×3 convolutions and the first pooling


NETS = {
    "a stride": nn.Sequential(nn.Conv2d(1, 2, 5, 3, 1), nn.ReLU(), nn.Conv2d(2, 2, 3, 2), nn.BatchNorm2d(2)),
    "one-sided kernels": nn.Sequential(
        nn.Conv2d(1, 2, (1, 7), padding=(0, 3)), nn.Conv2d(2, 2, (3, 1), dilation=(4, 1))
    ),
    "groups": nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=4, padding=1)),
    "average pooling": nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.AvgPool2d(3, 2, 1), nn.Conv2d(2, 2, 3), nn.AvgPool2d(2, ceil_mode=True)
    ),
    "transposed 3": nn.Sequential(
        nn.Conv2d(1, 2, 3, 2), nn.ConvTranspose2d(2, 2, 3, 2, 1, 1), nn.Conv2d(2, 1, 3)
    ),
    "transposed 5, rate 2": nn.Sequential(
        nn.Conv2d(1, 2, 3, 2), nn.ConvTranspose2d(2, 2, 5, 3, 2, dilation=2)
    ),
    "nearest": nn.Sequential(
        nn.Conv2d(1, 2, 3, 4, 1), nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=1)
    ),
    "bilinear": nn.Sequential(
        nn.Conv2d(1, 2, 3, 4, 1), nn.Upsample(scale_factor=4, mode="bilinear"), nn.Conv2d(2, 2, 3)
    ),
    "pixel shuffle": nn.Sequential(
        nn.Conv2d(1, 4, 3, 2), nn.Conv2d(4, 4, 3), nn.PixelShuffle(2), nn.Conv2d(1, 2, 3)
    ),
    "pixel unshuffle": nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.PixelUnshuffle(2), nn.Conv2d(8, 2, 3)),
    "branches that are added": Net(
        lambda x, a, b: a(x) + b(x), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=6, dilation=6)
    ),
    "branches that are stacked": Net(
        lambda x, a: torch.cat([x, a(x)], 1)[:, 2:6], nn.Conv2d(4, 4, 5, padding=2)
    ),
    "a sum of a stack": Net(lambda x, a: torch.stack([x, a(x)]).sum(dim=0), nn.Conv2d(4, 4, 7, padding=3)),
    "a crop": Net(lambda x, a: x[..., 2:-2, 2:-2] + a(x), nn.Conv2d(4, 4, 5)),
    "every second pixel": Net(
        lambda x, a: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4)) + a(x), nn.Conv2d(4, 8, 3, 2, 1)
    ),
    "a shifted copy": Net(
        lambda x, a: x + F.pad(a(x), (9, 0, 0, 0))[..., :-9], nn.Conv2d(4, 4, (1, 7), padding=(0, 3))
    ),
    "down and up beside": Net(
        lambda x, a, b: x + b(a(x)), nn.Conv2d(4, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 6, 2, 2)
    ),
    "pooling without a stride": Net(lambda x, a: a(F.avg_pool2d(x, 3)), nn.Conv2d(4, 4, 3)),
    "a channel shuffle": Net(
        lambda x, a: a(x).unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2), nn.Conv2d(4, 4, 3)
    ),
    "no more than a mean of channels": Net(
        lambda x, a: a(x).mean(1, keepdim=True) * x.amax(1, keepdim=True), nn.Conv2d(4, 4, 3, 1, 1)
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_the_receptive_field_is_the_support_of_the_gradient_with_positive_weights(name):
    seen = receptive_field(NETS[name])
    assert 3 <= seen <= 32
    assert seen == by_gradients(NETS[name], 96)


def test_max_pooling_sees_its_whole_window():
    net = nn.Sequential(
        nn.Conv2d(1, 1, 3),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(1, 1, 3),
        nn.MaxPool2d(2, dilation=2),
    )
    assert receptive_field(net) == 3 + 2 + 2 * 2 + 2 * 2
    assert receptive_field(net, layer="1") == 5


def test_normalisation_sees_nothing():
    norms = (nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.GroupNorm(4, 4))
    assert [
        receptive_field(Net(lambda x, norm, a: a(norm(x)), norm, nn.Conv2d(4, 4, 3))) for norm in norms
    ] == [5, 5, 5]


def test_a_residual_net_sees_as_much_as_its_longest_path():
    net = cifar_resnet(8)
    # Four of maps at stride 1, …
    assert receptive_field(net, layer="stages") == 1 + 2 * (4 * 1 + 2 * 2 + 1 * 4)
    assert receptive_field(net, layer="stages") == receptive_field(
        cifar_resnet(8, residual=False), layer="stages"
    )
    assert receptive_field(net, layer="stem.0") == 3


def test_a_net_whose_outputs_see_everything_has_no_receptive_field_but_for_a_size():
    net = cifar_resnet(8)
    with pytest.raises(
        ReproError,
        match="units see all of the image, whatever its size; give a `size`, or a `layer` before them",
    ):
        receptive_field(net)
    assert receptive_field(net, size=32) == 32
    gated = Net(lambda x: x * x.mean((2, 3)).sigmoid()[:, :, None, None])
    assert receptive_field(gated, size=40) == 40
    image_pool = Net(
        lambda x, a: a(F.adaptive_avg_pool2d(x, 1).expand(-1, -1, *x.shape[2:])), nn.Conv2d(4, 4, 3)
    )
    assert receptive_field(image_pool, size=40) == 40


def test_coarse_adaptive_pooling_sees_its_share_of_the_image():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(3))
    assert receptive_field(net, size=30) == 10
    assert receptive_field(net, size=32) == 12  # rows 10 to 21, in the middle


def test_nothing_is_seen_beyond_the_border():
    assert receptive_field(chain(8), size=16) == 9  # the middle tap and one at the side
    assert receptive_field(chain(8), size=17) == 17
    assert receptive_field(chain(8), size=5) == 1


def test_a_net_for_one_size_needs_it():
    net = nn.Sequential(nn.Conv2d(3, 2, 5), nn.Flatten(), nn.Linear(2 * 16 * 16, 4))
    with pytest.raises(
        ReproError, match=r"the net takes no image of a side that was tried; give a `size` \(.+\)"
    ):
        receptive_field(net)
    assert receptive_field(net, size=20) == 20
    assert receptive_field(net, layer="0", size=20) == 5


def test_what_cannot_be_followed_is_an_error_and_not_a_number():
    for forward in (
        lambda x: x.roll(3, 2),
        lambda x: x.flip(2),
        lambda x: x.transpose(1, 2),
        lambda x: x.permute(0, 2, 3, 1),
    ):
        with pytest.raises(
            ReproError, match=r"receptive_field: cannot follow the operation '(roll|flip|transpose|permute)'"
        ):
            receptive_field(Net(forward))
    with pytest.raises(ReproError, match="cannot follow the operation 'cat'"):
        receptive_field(Net(lambda x: torch.cat([x, x], dim=2)))


def test_layers_and_nets_that_see_nothing_are_errors():
    with pytest.raises(ReproError, match="no layer 'head'; there are 0, 1"):
        receptive_field(chain(1, 2), layer="head")
    with pytest.raises(ReproError, match="has no convolution"):
        receptive_field(nn.Sequential(nn.Flatten(), nn.Linear(4, 4)))
    with pytest.raises(ReproError, match=r"layer 'rest\.0' is not part of the forward pass"):
        receptive_field(Net(lambda x, _unused: x, nn.Conv2d(4, 4, 1)), layer="rest.0")
    with pytest.raises(ReproError, match="the units do not depend on the image"):
        receptive_field(Net(lambda x: torch.zeros_like(x)))


def test_a_net_is_left_as_it_was():
    net = chain(1, 2).train()
    weights = [parameter.clone() for parameter in net.parameters()]
    receptive_field(net)
    assert net.training
    assert all(torch.equal(old, new) for old, new in zip(weights, net.parameters(), strict=True))
    assert not net._forward_hooks and not net[0]._forward_hooks


def test_a_claim_measures_it_on_the_meta_device(tmp_path):
    store, number = Store(tmp_path), counting("receptive_field", layer="stages")
    execute(number, store)
    assert store.read(number)["value"] == 25


@pytest.mark.parametrize("target", TARGETS)
def test_options_can_be_read_from_the_source(target):
    first, *options = source.parameters(target).values()
    assert first.required
    assert all(option.bare in (int, float, str) and not option.required for option in options)


# ---- the effective one


def state(net, side=33, images=4):
    pixels = torch.randint(
        256, (images, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    data = SimpleNamespace(test=InMemory(pixels, torch.zeros(images)), mean=(0.5,), std=(0.25,))
    return State(SimpleNamespace(seed=0, recipe=None), net, None, data, torch.device("cpu"))


def convolution(kernel):
    layer = nn.Conv2d(1, 1, len(kernel), padding="same", bias=False)
    layer.weight.data = kernel[None, None]
    return layer


@pytest.mark.parametrize("side", [1, 3, 9, 15])
def test_a_kernel_of_ones_counts_the_pixels_that_make_up_the_share(side):
    net = state(convolution(torch.ones(side, side)))
    assert effective_receptive_field(net) == pytest.approx(math.sqrt(math.ceil(0.95 * side**2)))
    assert effective_receptive_field(net, share=1.0) == side


def test_a_gaussian_kernel_has_the_effective_field_of_a_gaussian():
    deviation, place = 4.0, torch.arange(41) - 20.0
    kernel = torch.exp(-(place**2) / (2 * deviation**2))
    found = effective_receptive_field(state(convolution(kernel[:, None] * kernel), side=61))
    # The energy is a Gaussian of variance deviation²/2: a disc of radius² = -deviation² ln 0.05 holds 95 %.
    assert found == pytest.approx(math.sqrt(-math.pi * deviation**2 * math.log(0.05)), rel=0.02)


def test_many_small_layers_use_a_part_of_what_they_see_that_shrinks_with_depth():
    ones = torch.full((3, 3), 1 / 9)
    shares = []
    for depth in (2, 4, 8):
        net = nn.Sequential(*(convolution(ones) for _ in range(depth)))
        shares.append(effective_receptive_field(state(net)) / receptive_field(net))
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] == pytest.approx(shares[0] / 2, rel=0.15)  # as 1/√depth, Luo et al., section 2


def test_a_layer_has_a_smaller_effective_field_than_those_after_it():
    net = state(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 5, padding=2), nn.Conv2d(8, 2, 3, padding=1)
        )
    )
    assert effective_receptive_field(net, layer="0") <= 3
    assert (
        effective_receptive_field(net, layer="0")
        < effective_receptive_field(net, layer="1")
        < effective_receptive_field(net)
    )
    assert effective_receptive_field(net) <= 9
    assert net.model.training
    assert all(parameter.grad is None for parameter in net.model.parameters())


def test_a_net_of_one_output_for_an_image_is_its_own_middle():
    assert effective_receptive_field(
        state(nn.Sequential(nn.Flatten(), nn.Linear(81, 3)), side=9)
    ) == pytest.approx(7.5, abs=1)


def test_a_unit_without_a_gradient_has_no_field_and_one_that_the_image_does_not_lead_to_is_an_error():
    assert math.isnan(effective_receptive_field(state(convolution(torch.zeros(3, 3)))))
    assert math.isnan(effective_receptive_field(state(convolution(torch.full((3, 3), torch.inf)))))
    with pytest.raises(ReproError, match="does not depend on the image"):
        effective_receptive_field(state(Unled()))


class Unled(nn.Module):
    """Its outputs are weights of its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1, 9, 9))

    def forward(self, x):
        return self.weight.expand(len(x), -1, -1, -1)

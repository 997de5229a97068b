import math
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from repro import source
from repro.catalogue import TREATMENTS
from repro.data.augment import normalise
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.errors import ReproError
from repro.measures.segmentation import trimap_miou
from repro.state.net import State
from repro.tasks.classification import Classification
from repro.tasks.segmentation import Segmentation
from repro.treatments.crf import Kernels, WithCRF, crf, mean_field

KERNELS = Kernels(bilateral=6.0, colour=20.0, weight=5.0, gaussian=1.5, gaussian_weight=2.0)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As measures run; with a thread a core these tests take five times as long on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def picture(side, seed=0):
    """A disc of another colour than its surroundings, with noise: uint8 [3, side, side], and where it is."""
    place = torch.arange(side) - side / 2
    disc = place[:, None] ** 2 + place**2 < (side / 3) ** 2
    colours = torch.where(
        disc,
        torch.tensor([200.0, 60.0, 60.0])[:, None, None],
        torch.tensor([90.0, 120.0, 150.0])[:, None, None],
    )
    return (colours + 10 * random(3, side, side, seed=seed)).clamp(0, 255).to(torch.uint8), disc.long()


def blurred(truth, classes=2, cell=8):
    """Scores [classes, H, W] as of a net with an output of a cell for so many pixels."""
    one_hot = F.one_hot(truth, classes).permute(2, 0, 1)[None].float()
    return 4 * F.interpolate(F.avg_pool2d(one_hot, cell), scale_factor=cell, mode="bilinear")[0]


def iou(labels, truth):
    return (((labels == 1) & (truth == 1)).sum() / ((labels == 1) | (truth == 1)).sum()).item()


# ---- mean field


def by_definition(logits, image, kernels, iterations):
    """Pixel by pixel, in double precision: Krähenbühl and Koltun 2011, algorithm 1."""
    classes, height, width = logits.shape
    pixels = [(y, x) for y in range(height) for x in range(width)]
    shades = {p: [image[c][p].item() for c in range(image.shape[0])] for p in pixels}

    def gram(kernel):
        k = {(p, q): kernel(p, q) for p in pixels for q in pixels}
        norm = {p: sum(k[p, q] for q in pixels) for p in pixels}
        return {(p, q): value / math.sqrt(norm[p] * norm[q]) for (p, q), value in k.items()}

    def distance(p, q):
        return (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2

    def difference(p, q):
        return sum((a - b) ** 2 for a, b in zip(shades[p], shades[q], strict=True))

    near = gram(lambda p, q: math.exp(-distance(p, q) / (2 * kernels.gaussian**2)))
    alike = gram(
        lambda p, q: math.exp(
            -distance(p, q) / (2 * kernels.bilateral**2) - difference(p, q) / (2 * kernels.colour**2)
        )
    )
    both = {pair: kernels.weight * alike[pair] + kernels.gaussian_weight * near[pair] for pair in near}
    unary = {p: [logits[c][p].item() for c in range(classes)] for p in pixels}

    def softmax(values):
        powers = [math.exp(v - max(values)) for v in values]
        return [power / sum(powers) for power in powers]

    beliefs = {p: softmax(unary[p]) for p in pixels}
    for _ in range(iterations):
        messages = {
            p: [sum(both[p, q] * beliefs[q][c] for q in pixels) for c in range(classes)] for p in pixels
        }
        beliefs = {p: softmax([u + m for u, m in zip(unary[p], messages[p], strict=True)]) for p in pixels}
    return torch.tensor(
        [[[beliefs[y, x][c] for x in range(width)] for y in range(height)] for c in range(classes)]
    )


def test_the_exact_sum_is_the_definition():
    image = (60 * random(3, 8, 6).abs()).to(torch.uint8)
    logits = 2 * random(3, 8, 6, seed=1)
    expected = by_definition(logits, image, KERNELS, 3)
    torch.testing.assert_close(
        mean_field(logits, image, KERNELS, iterations=3), expected.float(), atol=2e-5, rtol=1e-4
    )


def test_the_lattice_gives_nearly_the_labels_of_the_exact_sum():
    image, truth = picture(48)
    logits = blurred(truth) + random(2, 48, 48, seed=2)
    exact, lattice = (mean_field(logits, image, KERNELS, exact=way) for way in (True, False))
    assert (exact.argmax(0) == lattice.argmax(0)).float().mean() > 0.98
    assert torch.corrcoef(torch.stack([exact[0].flatten(), lattice[0].flatten()]))[0, 1] > 0.98


def test_labels_and_probabilities_are_those_of_the_authors_code():
    reason = "the cross-check wants the authors' code, and that a C++ compiler: pip install -e '.[compiled]'"
    authors = pytest.importorskip("pydensecrf.densecrf", reason=reason)
    image, truth = picture(72)
    logits = blurred(truth, 3) + random(3, 72, 72, seed=2)
    crf = authors.DenseCRF2D(72, 72, 3)
    crf.setUnaryEnergy((-logits.log_softmax(0)).flatten(1).contiguous().numpy())
    crf.addPairwiseGaussian(sxy=KERNELS.gaussian, compat=KERNELS.gaussian_weight)
    rgb = image.permute(1, 2, 0).contiguous().numpy()
    crf.addPairwiseBilateral(sxy=KERNELS.bilateral, srgb=KERNELS.colour, rgbim=rgb, compat=KERNELS.weight)
    expected = torch.from_numpy(np.array(crf.inference(10))).view(3, 72, 72)
    found = mean_field(logits, image, KERNELS, iterations=10)  # above 64×64, so by the lattice
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    assert torch.equal(found.argmax(0), expected.argmax(0))


@pytest.mark.parametrize("exact", [True, False])
def test_what_a_crf_cannot_know_stays_and_what_has_no_name_does_not_matter(exact):
    image, truth = picture(24)
    logits = blurred(truth, 3) + random(3, 24, 24)
    found = mean_field(logits, image, KERNELS, exact=exact)
    torch.testing.assert_close(found.sum(0), torch.ones(24, 24))
    undecided = mean_field(torch.zeros(3, 24, 24), image, KERNELS, exact=exact)
    torch.testing.assert_close(undecided, torch.full((3, 24, 24), 1 / 3))
    sure = torch.tensor([0.5, 2.0, 0.0])[:, None, None].expand(3, 24, 24)
    assert torch.equal(mean_field(sure, image, KERNELS, exact=exact).argmax(0), torch.ones(24, 24).long())
    order = [2, 0, 1]
    torch.testing.assert_close(
        mean_field(logits[order], image, KERNELS, exact=exact), found[order], atol=1e-4, rtol=1e-3
    )
    offset = 100 * random(1, 24, 24, seed=4)
    torch.testing.assert_close(
        mean_field(logits + offset, image, KERNELS, exact=exact), found, atol=1e-3, rtol=1e-3
    )
    torch.testing.assert_close(
        mean_field(logits, image, KERNELS, iterations=0, exact=exact), logits.softmax(0)
    )


def test_the_exact_sum_turns_with_the_image_and_does_not_see_its_brightness():
    image, truth = picture(24)
    logits = blurred(truth) + random(2, 24, 24)
    found = mean_field(logits, image, KERNELS)
    torch.testing.assert_close(
        mean_field(logits.rot90(1, (1, 2)), image.rot90(1, (1, 2)), KERNELS),
        found.rot90(1, (1, 2)),
        atol=1e-4,
        rtol=1e-3,
    )
    torch.testing.assert_close(mean_field(logits, image.float() + 30, KERNELS), found, atol=1e-4, rtol=1e-3)
    swapped = mean_field(logits, image[[2, 0, 1]], KERNELS)
    torch.testing.assert_close(swapped, found, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("exact", [True, False])
def test_a_crf_draws_the_boundary_where_the_colours_change(exact):
    image, truth = picture(48)
    logits = blurred(truth, cell=12)
    before = iou(logits.argmax(0), truth)
    after = [
        iou(mean_field(logits, image, KERNELS, iterations=n, exact=exact).argmax(0), truth)
        for n in (1, 3, 10)
    ]
    assert before < 0.85
    assert before + 0.1 < after[0] < after[1] <= after[2]
    assert after[2] > 0.99
    colour_blind = Kernels(6.0, 1e5, 5.0, 1.5, 2.0)
    assert iou(mean_field(logits, image, colour_blind, exact=exact).argmax(0), truth) < before


@pytest.mark.parametrize("exact", [True, False])
def test_scores_without_bounds_or_numbers_give_probabilities_all_the_same(exact):
    image, _ = picture(16)
    logits = random(3, 16, 16)
    logits[0, 0, 0], logits[1, 0, 1], logits[:, 0, 2] = math.inf, -math.inf, math.nan
    logits[2, 1, 1], logits[:, 2, 2] = 1e30, -math.inf
    found = mean_field(logits, image, KERNELS, exact=exact)
    assert found.isfinite().all()
    torch.testing.assert_close(found.sum(0), torch.ones(16, 16))
    assert (found[0, 0, 0], found[1, 0, 1], found[2, 1, 1]) == (1, 0, 1)
    flat = mean_field(logits, torch.zeros(3, 16, 16), KERNELS, exact=exact)
    assert flat.isfinite().all()
    assert mean_field(logits.bfloat16(), image[:1], KERNELS, exact=exact).isfinite().all()  # one channel


# ---- the treatment


class Coarse(nn.Module):
    """Makes up scores from the images' red, at a cell for 8 pixels, without padding if `border`."""

    def __init__(self, border=0):
        super().__init__()
        self.border = border

    def forward(self, x):
        red = F.avg_pool2d((x[:, :1] > 0.2).float(), 8)
        scores = F.interpolate(torch.cat([1 - red, red], 1), scale_factor=8, mode="bilinear") * 4
        return scores[..., self.border : 32 - self.border, self.border : 32 - self.border]


def state(net=None, images=5):
    pixels, truth = zip(*(picture(32, seed=seed) for seed in range(images)), strict=True)
    inputs, targets = torch.stack(pixels), torch.stack(truth)
    targets[:, 0] = 255
    mean, std = (0.5,) * 3, (0.25,) * 3
    split = InMemory(inputs, targets)
    data = ImageSet(split, split, ("ground", "disc"), mean, std)
    spec = SimpleNamespace(seed=0, recipe=None, task="discs")
    return State(spec, net or Coarse(), Segmentation(), data, torch.device("cpu"))


def miou(looked_at, **options):
    return crf(looked_at, **options).evaluate("test")["miou"]


def test_without_iterations_it_is_the_net_itself():
    looked_at = state()
    nothing_done = crf(looked_at, iterations=0)
    assert nothing_done.evaluate("test", 3) == pytest.approx(looked_at.evaluate("test", 3))
    assert nothing_done.evaluate("train") == pytest.approx(looked_at.evaluate("train"))


def test_a_crf_raises_the_miou_of_coarse_scores_and_most_at_the_boundary():
    looked_at = state()
    gain = miou(looked_at) - looked_at.evaluate("test")["miou"]
    gain_at_the_boundary = trimap_miou(crf(looked_at)) - trimap_miou(looked_at)
    assert 0.02 < gain < gain_at_the_boundary
    assert looked_at.model.training


@pytest.mark.parametrize("iterations", [0, 3])
def test_outputs_are_the_logarithms_of_the_beliefs_about_each_image(iterations):
    looked_at = state()
    images = looked_at.data.test.images
    net, options = crf(looked_at, iterations=iterations).model, defaults("crf")
    kernels = Kernels(**{field.name: options[field.name] for field in fields(Kernels)})
    inputs = looked_at.inputs(images)
    with torch.no_grad():
        found, scores = net(inputs), looked_at.model(inputs)
    for logits, image, refined in zip(scores, images, found, strict=True):
        beliefs = mean_field(logits, image, kernels, iterations=iterations)
        torch.testing.assert_close(refined.exp(), beliefs, atol=1e-6, rtol=1e-5)
    assert found.isfinite().all()  # for a loss, where a belief is 0


def test_the_loss_of_a_treated_net_is_that_of_its_beliefs():
    looked_at = state()
    treated = crf(looked_at)
    with torch.no_grad():
        logs = treated.model(looked_at.inputs(looked_at.data.test.images))
    truth = looked_at.data.test.targets.long()
    own = logs.gather(1, truth.where(truth != 255, 0)[:, None])[:, 0][truth != 255]
    assert treated.evaluate("test")["test_loss"] == pytest.approx(-own.mean().item(), rel=1e-4)


@pytest.fixture
def seen(monkeypatch):
    """What the mean field is asked about: logits and image, and whether in mixed precision."""
    asked = []

    def watched(logits, image, *_, **__):
        asked.append((logits, image, torch.is_autocast_enabled("cpu")))
        return logits.float().softmax(0)

    monkeypatch.setattr("repro.treatments.crf.mean_field", watched)
    return asked


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ((0.5,) * 3, (0.25,) * 3),
        ((0.01, 0.99, 0.3333), (0.05, 1.0, 0.3081)),
    ],
)
def test_colours_are_exactly_those_of_the_image_whatever_it_was_normalised_with(
    seen, mean, std, channels_last
):
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    images = torch.cat([levels, levels.flip(2), levels.transpose(2, 3)], 1)
    inputs = normalise(images, mean, std, dtype=torch.float32, channels_last=channels_last)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))
    WithCRF(nn.Identity(), KERNELS, 5, mean, std)(inputs)
    ((_, image, _),) = seen
    assert torch.equal(image.float(), images[0].float())


def test_in_mixed_precision_the_net_is_and_the_crf_is_not(seen):
    net = crf(state(nn.Conv2d(3, 2, 1))).model
    with torch.autocast("cpu", torch.bfloat16):
        net(state().inputs(state().data.test.images[:1]))
    ((logits, _, mixed),) = seen
    assert logits.dtype == torch.bfloat16 and not mixed


def test_outputs_of_the_middle_of_an_image_meet_its_middle(seen):
    looked_at = state(Coarse(border=3))
    crf(looked_at).evaluate("test", 1)
    ((logits, image, _),) = seen
    assert logits.shape == (2, 26, 26)
    assert torch.equal(image.float(), looked_at.data.test.images[0, :, 3:29, 3:29].float())


def test_a_net_without_padding_gains_too():
    looked_at = state(Coarse(border=3))
    assert miou(looked_at, iterations=0) == pytest.approx(looked_at.evaluate("test")["miou"])
    assert miou(looked_at) > looked_at.evaluate("test")["miou"] + 0.02


def test_a_net_that_diverged_predicts_the_first_class():
    nothing = state(Coarse())
    nothing.model.forward = lambda x: torch.full((len(x), 2, 32, 32), math.nan)
    assert miou(nothing) == pytest.approx(nothing.evaluate("test")["miou"])


def test_a_treated_net_is_another_one_with_the_same_data_and_task():
    looked_at = state()
    treated = crf(looked_at)
    assert treated.model is not looked_at.model and isinstance(looked_at.model, Coarse)
    assert (treated.data, treated.task, treated.spec) == (looked_at.data, looked_at.task, looked_at.spec)


def test_wrong_options_and_another_task_are_errors():
    with pytest.raises(
        ReproError,
        match=r"a CRF wants bilateral, colour and gaussian above 0, not Kernels\(bilateral=12.0, colour=0.0,",
    ):
        crf(state(), colour=0.0)
    with pytest.raises(ReproError, match="a CRF wants 0 or more iterations, not -1"):
        crf(state(), iterations=-1)
    of_images = replace(state(), task=Classification())
    with pytest.raises(ReproError, match="a CRF wants a net that labels pixels; the task here is 'discs'"):
        crf(of_images)


def defaults(name):
    _, *options = source.parameters(TREATMENTS.target(name)).items()
    return {option: parameter.default for option, parameter in options}


def test_options_can_be_read_from_the_source():
    (first, _), *options = source.parameters(TREATMENTS.target("crf")).items()
    assert first == "state" and {name for name, _ in options} == {
        "iterations",
        *(field.name for field in fields(Kernels)),
    }
    assert all(option.bare in (int, float) and type(option.default) is option.bare for _, option in options)

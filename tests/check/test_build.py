"""`repro check --build`: nets that cannot be built, or do not take the images of their data."""

import pytest
from click.testing import CliRunner
from conftest import TINY

from repro.cli import main
from repro.plan.built import unbuildable
from repro.reading import load

DEPTH = "depth must be 6n+2 (8, 14, 20, …) with basic blocks, not 15"


def check(*arguments):
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


@pytest.fixture
def problems(tmp_path):
    """What is wrong with the nets of the tiny suite with pieces replaced, as `LINE:COL: message`."""
    path = tmp_path / "tiny.yaml"

    def problems(*changes):
        text = TINY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text)
        return [str(one).removeprefix(f"{path}:") for one in unbuildable({path: load(path)})]

    return problems


def test_a_net_that_cannot_be_built_is_a_mistake_at_its_arm(tiny):
    tiny.write_text(TINY.replace("depth: 14", "depth: 15"))
    alone, built = check(tiny), check("--build", tiny)
    assert alone.exit_code == 0 and alone.output.endswith("can be built: `repro check --build`\n")
    options = "{'depth': 15, 'width': 4}"
    assert (
        built.exit_code == 2 and f"{tiny}:6:3: model 'cifar_resnet' with {options}: {DEPTH}" in built.output
    )


def test_nets_that_can_be_built_are_no_mistake_and_nothing_more_is_advised(tiny):
    run = check("--build", tiny)
    assert run.exit_code == 0 and run.output == "1 suite with 6 claims, 0 named recipes: no mistakes found\n"


def test_a_net_that_does_not_take_images_of_its_data_is_told_at_each_profile(problems):
    vgg = "small: {model: vgg, configuration: A, image_size: 64}"
    cpu, cifar = problems(("small: {model: cifar_resnet, depth: 8}", vgg), ("    model: {width: 4}\n", ""))
    assert cpu.startswith("4:3: model 'vgg' does not take this data's images of 1×7×7: ")
    assert cpu.endswith(" (at cpu)")
    assert cifar.startswith("4:3: model 'vgg' does not take this data's images of 3×32×32: ")


def test_a_net_whose_parameters_alone_are_counted_need_not_take_images(problems):
    vgg = ("large: {model: cifar_resnet, depth: 14}", "large: {model: vgg, configuration: A}")
    assert problems(vgg, ("    model: {width: 4}\n", "")) == []

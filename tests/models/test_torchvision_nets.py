import pytest
import torch
from torchvision.models import get_model, get_model_weights

from repro.models.torchvision_nets import TorchvisionNet
from repro.state.weights import imagenet

SIDES = {"googlenet": 64, "inception_v3": 75, "resnet50": 64}
NETS = ("alexnet", "googlenet", "inception_v3", "resnet50", "resnet101", "resnet152", "vgg16", "vgg19")


@pytest.mark.slow
@pytest.mark.parametrize("name", SIDES)
def test_it_takes_torchvisions_file_and_gives_what_torchvisions_net_gives(name, monkeypatch, tmp_path):
    torch.manual_seed(0)
    options = {} if name == "resnet50" else {"transform_input": True, "init_weights": False}
    theirs = get_model(name, **options).eval()
    url = get_model_weights(name).IMAGENET1K_V1.url
    (tmp_path / "weights").mkdir()
    torch.save(theirs.state_dict(), tmp_path / "weights" / url.rpartition("/")[2])
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    ours = TorchvisionNet(name).eval()
    imagenet(ours)
    images = torch.randn(2, 3, SIDES[name], SIDES[name])
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize("name", NETS)
def test_parameters_are_those_of_torchvisions_documentation_without_auxiliary_classifiers(name):
    documented = get_model_weights(name).IMAGENET1K_V1.meta["num_params"]
    auxiliary = {"inception_v3": 27_161_264 - 23_834_568}.get(name, 0)
    with torch.device("meta"):
        net = TorchvisionNet(name)
    assert sum(parameter.numel() for parameter in net.parameters()) == documented - auxiliary
    assert net.source == name


def test_with_other_classes_there_are_no_weights_for_it():
    with torch.device("meta"):
        net = TorchvisionNet("vgg16", classes=10)
    assert net.source is None and net(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)


def test_grey_images_are_refused():
    with pytest.raises(ValueError, match="3 channels, not 1"):
        TorchvisionNet("vgg16", in_channels=1)

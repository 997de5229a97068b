import torch

from repro.data.images import ImageSet


def test_a_set_moves_to_a_device_as_it_is():
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    here = ImageSet(images, torch.arange(2), images, torch.arange(2), ("a", "b"), (0.5,), (0.25,))
    there = here.to("meta")
    tensors = (there.train_images, there.train_targets, there.test_images, there.test_targets)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert (
        there.train_images.dtype == torch.uint8
        and there.mean == here.mean
        and there.class_names == here.class_names
    )
    assert here.train_images.device.type == "cpu"

"""A net that does not fit its data is a user's mistake, said before anything is trained."""

import pytest
from kit.tiny import RESNET, spec

from repro.errors import ReproError
from repro.recipe import Named
from repro.trial import fingerprint_of
from repro.work.execute import execute


def trial(model, task="classification", **data):
    made = spec(model=RESNET)
    chosen = Named(**data) if data else made.data
    update = {"task": task, "model": Named(**model), "data": chosen, "fingerprint": fingerprint_of(chosen)}
    return made.model_copy(update=update)


UNET = {"name": "unet", "widths": (4, 8, 8), "depths": (1, 1, 1), "depth_up": 1, "padded": True}


def test_too_few_classes_are_an_error_that_names_both_numbers_and_the_remedy(store):
    said = (
        "model 'cifar_resnet' with data set 'fashion-mnist-small': outputs tell 3 classes apart, "
        "the data has 10: leave `classes` out"
    )
    with pytest.raises(ReproError, match=said):
        execute(trial({**RESNET, "classes": 3}), store)
    with pytest.raises(ReproError, match="outputs tell 2 classes apart, the data has 6"):
        execute(
            trial({**UNET, "classes": 2}, "segmentation", name="scenes", size=32, train=32, test=8), store
        )


def test_images_of_a_size_that_the_net_cannot_take_are_an_error_that_says_why(store):
    said = (
        r"does not take this data's images of 3×30×30: "
        r"a side of 30 pixels does not go through 2 poolings by 2; 32 does"
    )
    with pytest.raises(ReproError, match=said):
        execute(trial(UNET, "segmentation", name="scenes", size=30, train=32, test=8), store)
    with pytest.raises(ReproError, match="model 'cifar_resnet' does not take this data's images of 1×7×7"):
        execute(trial({**RESNET, "in_channels": 3}), store)


def test_outputs_or_targets_of_another_task_are_an_error_that_says_what_is_wanted(store):
    scenes = {"name": "scenes", "size": 32, "train": 32, "test": 8}
    with pytest.raises(ReproError, match=r"classification wants a label an image, not \[2, 32, 32\]"):
        execute(trial(RESNET, **scenes), store)
    with pytest.raises(ReproError, match=r"segmentation wants outputs \[N, classes, H, W\], not \[2, 6\]"):
        execute(trial(RESNET, "segmentation", **scenes), store)
    with pytest.raises(ReproError, match=r"segmentation wants a label for each pixel, not \[2\]"):
        execute(trial(RESNET, "segmentation"), store)
    with pytest.raises(ReproError, match=r"outputs as the images, \[2, 3, 32, 32\], not \[2, 6, 32, 32\]"):
        execute(trial(UNET, "reconstruction", **scenes), store)


def test_what_does_not_fit_is_not_recorded(store):
    wrong = trial({**RESNET, "classes": 3})
    with pytest.raises(ReproError):
        execute(wrong, store)
    assert store.read(wrong) is None and store.running() == []

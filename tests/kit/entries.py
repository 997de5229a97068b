"""What the catalogues have of our own, and options for what has none without."""

from typing import Any

from repro.conformance.entries import CATALOGUES

ENTRIES = [(known, name) for known in CATALOGUES for name in known.builtin]
BY_NAME: dict[str, dict[str, Any]] = {
    "cifar_resnet": {"depth": 20},
    "densenet": {"depth": 121},
    "encoder_decoder": {"upsample": "bilinear"},
    "fcn_trunks": {"trunk": "alexnet"},
    "pair": {"case": "gate_of_ones"},
    "preact_resnet": {"depth": 20},
    "rectifier_net": {"depth": 3},
    "resnet": {"depth": 50},
    "sequential": {"layers": ["conv 8 3x3", "relu"]},
    "stochastic_resnet": {"depth": 8, "active": 1},
    "timm_inception": {"version": "inception_v4"},
    "unnormalised_resnet": {"depth": 8},
    "digits": {"size": 8},
    "fashion-mnist-small": {"size": 7},
    "detection-scenes": {"size": 32, "train": 20, "test": 10},
    "scenes": {"size": 16, "train": 20, "test": 10},
    "step": {"at": [2]},
    "lesion": {"block": 0},
    "lesions_error": {"count": 1},
    "path_gradient_share": {"least": 0, "most": 1},
    "scale_crop": {"size": 6},
    "steps_to_error": {"error": 0.5},
    "steps_to_loss": {"loss": 0.5},
    "crop": {"size": 6},
    "crops": {"size": 6},
    "resized": {"size": 6},
    "truncated_svd": {"rank": 1},
}

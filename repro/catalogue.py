"""Everything a suite can name, and the class or function behind each name.

A line here and a file there adds a model, a data set, a measure …; another package adds its own through entry
points of the same groups (`[project.entry-points."repro.models"]`). Targets are text: looking a name up
imports nothing.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from repro import source
from repro.document import nearest
from repro.errors import ReproError


class UnknownName(ReproError):
    """A name that no catalogue has."""


class Catalogue:
    """The names of one kind. `given` are the parameters that the harness fills in itself; the others are
    options.
    """

    def __init__(self, kind: str, group: str, builtin: Mapping[str, str], given: tuple[str, ...] = ()):
        self.kind, self.group, self.builtin, self.given = kind, group, builtin, given
        self._classes: dict[str, type[BaseModel]] = {}

    @cached_property
    def targets(self) -> dict[str, str]:
        return {**{point.name: point.value for point in entry_points(group=self.group)}, **self.builtin}

    def target(self, name: str) -> str:
        if name not in self.targets:
            raise UnknownName(f"unknown {self.kind} '{name}'{nearest(name, self.targets)}")
        return self.targets[name]

    def load(self, name: str) -> Any:
        """The class or function itself; imports its module."""
        module, _, attribute = self.target(name).partition(":")
        return getattr(import_module(module), attribute)

    def parameters(self, name: str) -> dict[str, source.Parameter]:
        return {k: v for k, v in source.parameters(self.target(name)).items() if k not in self.given}

    def options(self, name: str) -> type[BaseModel]:
        """A strict class for the options of a name, made from the signature behind it."""
        if name not in self._classes:
            fields: dict[str, Any] = {  # under names that cannot clash with those of pydantic
                f"option_{key}": (p.annotation, Field(... if p.required else p.default, alias=key))
                for key, p in self.parameters(name).items()
            }
            self._classes[name] = create_model(
                name, __config__=ConfigDict(extra="forbid", strict=True), **fields
            )
        return self._classes[name]

    def errors(self, name: str, options: Mapping[str, Any]) -> list[Any]:
        """What is wrong with the options, as pydantic says it."""
        try:
            self.options(name).model_validate_json(json.dumps(dict(options)))
        except ValidationError as error:
            return list(error.errors(include_url=False))
        return []


MODELS = Catalogue(
    "model",
    "repro.models",
    {
        "alexnet": "repro.models.alexnet:AlexNet",
        "cifar_resnet": "repro.models.resnet:cifar_resnet",
        "deeplab": "repro.models.deeplab:DeepLab",
        "deeplab_v3": "repro.models.deeplab_v3:DeepLabV3",
        "densenet": "repro.models.densenet:DenseNet",
        "efficientnet": "repro.models.efficientnet:EfficientNet",
        "encoder_decoder": "repro.models.upsampling:EncoderDecoder",
        "fcn": "repro.models.fcn:FCN",
        "fcn_trunks": "repro.models.fcn_trunks:CoarseFCN",
        "googlenet": "repro.models.googlenet:GoogLeNet",
        "hypercolumn": "repro.models.hypercolumn:Hypercolumn",
        "inception_v2": "repro.models.inception_v2:InceptionV2",
        "inception_v3": "repro.models.inception:InceptionV3",
        "mobilenet": "repro.models.mobilenet:MobileNet",
        "pair": "repro.pairs.pair:Pair",
        "preact_resnet": "repro.models.preact_resnet:PreActResNet",
        "region_net": "repro.models.region_net:RegionNet",
        "resnet": "repro.models.resnet:ResNet",
        "sequential": "repro.models.sequential:Layers",
        "spatial_pyramid": "repro.models.spatial_pyramid:SpatialPyramidNet",
        "timm_inception": "repro.models.inception:TimmInception",
        "unet": "repro.models.unet:UNet",
        "vgg": "repro.models.vgg:VGG",
    },
)

DATASETS = Catalogue(
    "data set",
    "repro.datasets",
    {
        "fashion-mnist-small": "repro.data.embedded:FashionMnistSmall",
        "fashion-mnist": "repro.data.torchvision_sets:FashionMnist",
        "cifar10": "repro.data.torchvision_sets:Cifar10",
        "cifar100": "repro.data.torchvision_sets:Cifar100",
        "hugging-face": "repro.data.hugging_face:HuggingFace",
        "scenes": "repro.data.scenes:Scenes",
        "pascal-voc": "repro.data.segmentation_sets:PascalVoc",
        "oxford-pets": "repro.data.segmentation_sets:OxfordPets",
        "cityscapes": "repro.data.segmentation_sets:Cityscapes",
    },
)

# A task's class has a constant `metrics`: what a trained net of this task is measured by.
TASKS = Catalogue(
    "task",
    "repro.tasks",
    {
        "classification": "repro.tasks.classification:Classification",
        "segmentation": "repro.tasks.segmentation:Segmentation",
        "reconstruction": "repro.tasks.reconstruction:Reconstruction",
    },
)

# The first parameter of a measure says what it looks at: `model` is a net on the meta device (no seed, no
# memory), `network` the same net with the random weights of seed 0, `state` a net of a trial with its data
# and its task, and `timed` what was read off a clock while a net ran, in a process of its own; its options
# are those of `recipe.Timing`.
MEASURES = Catalogue(
    "measure",
    "repro.measures",
    {
        "params": "repro.measures.static:params",
        "weights": "repro.measures.static:weights",
        "fc_share": "repro.measures.static:fc_share",
        "layers": "repro.measures.static:layers",
        "macs": "repro.measures.static:macs",
        "flops": "repro.measures.static:flops",
        "takes": "repro.measures.static:takes",
        "out_size": "repro.measures.static:out_size",
        "out_channels": "repro.measures.static:out_channels",
        "out_elements": "repro.measures.static:out_elements",
        "activation_elements": "repro.measures.static:activation_elements",
        "activation_bytes": "repro.measures.static:activation_bytes",
        "depth": "repro.measures.paths:depth",
        "paths": "repro.measures.paths:paths",
        "path_share": "repro.measures.paths:path_share",
        "weight_std": "repro.measures.initialisation:weight_std",
        "max_abs_diff": "repro.measures.equality:max_abs_diff",
        "gradient_norm": "repro.measures.probes:gradient_norm",
        "response_std": "repro.measures.residual:response_std",
        "mean_response_std": "repro.measures.residual:mean_response_std",
        "lesion_error": "repro.measures.residual:lesion_error",
        "mean_lesion_error": "repro.measures.residual:mean_lesion_error",
        "path_gradient_share": "repro.measures.residual:path_gradient_share",
        "latency": "repro.measures.timed:latency",
        "throughput": "repro.measures.timed:throughput",
        "peak_memory": "repro.measures.timed:peak_memory",
        "energy": "repro.measures.timed:energy",
        "crf_miou": "repro.treatments.crf:crf_miou",
        "crf_trimap_miou": "repro.treatments.crf:crf_trimap_miou",
        "overlap_ratio": "repro.measures.checkerboard:overlap_ratio",
        "overlap_variation": "repro.measures.checkerboard:overlap_variation",
        "phase_energy": "repro.measures.checkerboard:phase_energy",
        "gradient_phase_energy": "repro.measures.checkerboard:gradient_phase_energy",
        "flat_high_pass": "repro.measures.checkerboard:flat_high_pass",
        "line_index": "repro.measures.checkerboard:line_index",
        "residual_point_index": "repro.measures.checkerboard:residual_point_index",
        "receptive_field": "repro.measures.receptive_field:receptive_field",
        "effective_receptive_field": "repro.measures.receptive_field:effective_receptive_field",
        "trimap_miou": "repro.measures.segmentation:trimap_miou",
        "interior_miou": "repro.measures.segmentation:interior_miou",
        "stride_upper_bound_miou": "repro.measures.segmentation:stride_upper_bound_miou",
    },
    given=("model", "network", "state", "timed"),
)

OPTIMIZERS = Catalogue(
    "optimizer",
    "repro.optimizers",
    {"sgd": "repro.training.optimizers:sgd", "adamw": "repro.training.optimizers:adamw"},
    given=("parameters",),
)

SCHEDULES = Catalogue(
    "schedule",
    "repro.schedules",
    {
        "constant": "repro.training.schedules:constant",
        "step": "repro.training.schedules:step",
        "cosine": "repro.training.schedules:cosine",
        "poly": "repro.training.schedules:poly",
        "one_cycle": "repro.training.schedules:one_cycle",
    },
    given=("now", "steps"),
)

AUGMENTATIONS = Catalogue(
    "augmentation",
    "repro.augmentations",
    {
        "pad_crop": "repro.data.augment:pad_crop",
        "scale_crop": "repro.data.augment:scale_crop",
        "flip": "repro.data.augment:flip",
        "elastic": "repro.data.elastic:elastic",
    },
    given=("images", "targets", "generator"),
)

# What a net starts from, where that is not random.
WEIGHTS = Catalogue(
    "set of weights", "repro.weights", {"imagenet": "repro.state.weights:imagenet"}, given=("model",)
)

# What draws pictures of the nets of several arms, side by side.
PICTURES = Catalogue(
    "picture",
    "repro.pictures",
    {
        "predictions": "repro.pictures.predictions:predictions",
        "crf": "repro.pictures.predictions:crf",
        "spectrum": "repro.pictures.spectrum:spectrum",
    },
    given=("states",),
)


def metrics(task: str | None) -> tuple[str, ...]:
    """What a trained net of a task is measured by."""
    return tuple(source.constant(TASKS.target(task), "metrics") or ()) if task else ()


def looks_at(measure: str) -> str:
    """What a measure is of: `model`, `network`, `state` or `timed`."""
    first = next(iter(source.parameters(MEASURES.target(measure))), "")
    if first not in MEASURES.given:
        raise ReproError(
            f"measure '{measure}': its first parameter must be one of "
            f"{', '.join(MEASURES.given)}, not '{first}'"
        )
    return first


def kind(measurement: str, task: str | None) -> str:
    """`metric` (of a trained net), `probe` (of a trial's net), `timed` (in a process of its own) or `static`.

    What is static is of the architecture, the same for all seeds.
    """
    if measurement in metrics(task):
        return "metric"
    return {"state": "probe", "timed": "timed"}.get(looks_at(measurement), "static")

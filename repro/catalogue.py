"""Everything a suite can name, and the class or function behind each name.

A line here and a file there adds a model, a data set, a measure …; another package adds its own through entry
points of the same groups (`[project.entry-points."repro.models"]`). Targets are text: looking a name up
imports nothing.
"""

import json
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from repro import source
from repro.declaration import Declaration, declare
from repro.document import nearest
from repro.errors import ReproError
from repro.faults import told


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
        """The class or function itself. Raises `ReproError` if its module cannot be imported."""
        module, _, attribute = self.target(name).partition(":")
        with told(f"{self.kind} '{name}' cannot be imported"):
            return getattr(import_module(module), attribute)

    def bound(self, name: str, options: Mapping[str, Any]) -> Callable[..., Any]:
        """The class or function with its options given."""
        known = source.parameters(self.target(name))
        keywords = {key: value for key, value in options.items() if key in known}
        keywords |= {f"{key}_": value for key, value in options.items() if f"{key}_" in known}
        return partial(self.load(name), **keywords)

    def parameters(self, name: str) -> dict[str, source.Parameter]:
        """Its options. `except_` is the option `except`, which no parameter of Python can be called."""
        known = source.parameters(self.target(name))
        return {key.removesuffix("_"): value for key, value in known.items() if key not in self.given}

    def numbers(self, name: str) -> list[str]:
        """The options of a name that can be multiplied: numbers, and those of a type that is not known."""
        return [key for key, p in self.parameters(name).items() if p.bare in (int, float, Any)]

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
            found = error.errors(include_url=False)
            # A list of which nothing is sound is not one with nothing in it
            return [one for one in found if not (one["type"] == "too_short" and one["input"])]
        return []


MODELS = Catalogue(
    "model",
    "repro.models",
    {
        "alexnet": "repro.models.alexnet:AlexNet",
        "cifar_resnet": "repro.models.resnet:cifar_resnet",
        "deeplab": "repro.models.deeplab:DeepLab",
        "deeplab_v3": "repro.models.deeplab_v3:DeepLabV3",
        "deformable_net": "repro.models.deformable_net:DeformableNet",
        "densenet": "repro.models.densenet:DenseNet",
        "efficientnet": "repro.models.efficientnet:EfficientNet",
        "encoder_decoder": "repro.models.upsampling:EncoderDecoder",
        "fast_rcnn": "repro.models.fast_rcnn:FastRCNN",
        "faster_rcnn": "repro.models.faster_rcnn:FasterRCNN",
        "fcn": "repro.models.fcn:FCN",
        "fcn_trunks": "repro.models.fcn_trunks:CoarseFCN",
        "googlenet": "repro.models.googlenet:GoogLeNet",
        "hypercolumn": "repro.models.hypercolumn:Hypercolumn",
        "inception_v2": "repro.models.inception_v2:InceptionV2",
        "inception_v3": "repro.models.inception:InceptionV3",
        "mobilenet": "repro.models.mobilenet:MobileNet",
        "oriented_gradients": "repro.models.oriented_gradients:OrientedGradientNet",
        "pair": "repro.pairs.pair:Pair",
        "pixel_head": "repro.models.pixel_head:PixelHead",
        "preact_resnet": "repro.models.preact_resnet:PreActResNet",
        "rcnn": "repro.models.rcnn:RCNN",
        "rectifier_net": "repro.models.rectifier_net:RectifierNet",
        "region_net": "repro.models.region_net:RegionNet",
        "resnet": "repro.models.resnet:ResNet",
        "scaled_googlenet": "repro.models.scaled_googlenet:ScaledGoogLeNet",
        "scaled_resnet": "repro.models.scaled_resnet:ScaledResNet",
        "sequential": "repro.models.sequential:Layers",
        "spatial_pyramid": "repro.models.spatial_pyramid:SpatialPyramidNet",
        "stochastic_resnet": "repro.models.stochastic_depth:StochasticResNet",
        "timm_inception": "repro.models.inception:TimmInception",
        "torchvision": "repro.models.torchvision_nets:TorchvisionNet",
        "unet": "repro.models.unet:UNet",
        "unnormalised_resnet": "repro.models.unnormalised_resnet:unnormalised_resnet",
        "vgg": "repro.models.vgg:VGG",
        "yolo": "repro.models.yolo:Yolo",
    },
)

DATASETS = Catalogue(
    "data set",
    "repro.datasets",
    {
        "digits": "repro.data.digits:Digits",
        "fashion-mnist-small": "repro.data.small_fashion_mnist:SmallFashionMnist",
        "fashion-mnist": "repro.data.torchvision_sets:FashionMnist",
        "cifar10": "repro.data.torchvision_sets:Cifar10",
        "cifar100": "repro.data.torchvision_sets:Cifar100",
        "imagenet": "repro.data.imagenet:ImageNet",
        "hugging-face": "repro.data.hugging_face:HuggingFace",
        "detection-scenes": "repro.data.detection_scenes:DetectionScenes",
        "scenes": "repro.data.scenes:Scenes",
        "pascal-voc": "repro.data.segmentation_sets:PascalVoc",
        "pascal-voc-boxes": "repro.data.voc_boxes:PascalVocBoxes",
        "oxford-pets": "repro.data.segmentation_sets:OxfordPets",
        "cityscapes": "repro.data.segmentation_sets:Cityscapes",
    },
)

# A task's class has a constant `metrics`: what a trained net is measured by, with unit and direction.
TASKS = Catalogue(
    "task",
    "repro.tasks",
    {
        "classification": "repro.tasks.classification:Classification",
        "detection": "repro.tasks.detection:Detection",
        "segmentation": "repro.tasks.segmentation:Segmentation",
        "reconstruction": "repro.tasks.reconstruction:Reconstruction",
    },
)

# Counts of an architecture: functions of a net on the meta device, which has shapes but no memory; those
# that declare `weights` are given a net with the random weights of seed 0.
COUNTS = Catalogue(
    "count",
    "repro.counts",
    {
        "params": "repro.measures.static:params",
        "weights": "repro.measures.static:weights",
        "fc_share": "repro.measures.static:fc_share",
        "layers": "repro.measures.static:layers",
        "dropout": "repro.measures.static:dropout",
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
        "overlap_ratio": "repro.measures.checkerboard:overlap_ratio",
        "overlap_variation": "repro.measures.checkerboard:overlap_variation",
        "receptive_field": "repro.measures.receptive_field:receptive_field",
        "weight_std": "repro.measures.initialisation:weight_std",
        "max_abs_diff": "repro.measures.equality:max_abs_diff",
    },
    given=("model",),
)

# Probes look at a trial's net, with its data and its task: before the first step (`at=start`), or after
# the last. One that has a parameter `curves` is given those of the training, too.
PROBES = Catalogue(
    "probe",
    "repro.probes",
    {
        "gradient_norm": "repro.measures.probes:gradient_norm",
        "gradient_cosine": "repro.measures.jacobian:gradient_cosine",
        "jacobian_norm": "repro.measures.jacobian:jacobian_norm",
        "gabor_share": "repro.measures.filters:gabor_share",
        "steps_to_loss": "repro.measures.course:steps_to_loss",
        "steps_to_error": "repro.measures.course:steps_to_error",
        "response_std": "repro.measures.residual:response_std",
        "mean_response_std": "repro.measures.residual:mean_response_std",
        "block_change": "repro.measures.residual:block_change",
        "dead_unit_share": "repro.measures.units:dead_unit_share",
        "top5_error": "repro.measures.top5:top5_error",
        "mean_level": "repro.measures.levels:mean_level",
        "subtracted": "repro.measures.levels:subtracted",
        "divided_by": "repro.measures.levels:divided_by",
        "response_peak": "repro.measures.units:response_peak",
        "mean_lesion_error": "repro.measures.lesions:mean_lesion_error",
        "lesions_error": "repro.measures.lesions:lesions_error",
        "path_gradient_share": "repro.measures.residual:path_gradient_share",
        "effective_dilation": "repro.measures.offsets:effective_dilation",
        "phase_energy": "repro.measures.checkerboard:phase_energy",
        "gradient_phase_energy": "repro.measures.checkerboard:gradient_phase_energy",
        "flat_high_pass": "repro.measures.checkerboard:flat_high_pass",
        "corner_index": "repro.measures.checkerboard:corner_index",
        "axis_index": "repro.measures.checkerboard:axis_index",
        "phase_index": "repro.measures.checkerboard:phase_index",
        "effective_receptive_field": "repro.measures.receptive_field:effective_receptive_field",
        "centre_cells": "repro.measures.grid:centre_cells",
        "proposal_recall": "repro.measures.proposals:proposal_recall",
        "regions_found": "repro.measures.proposals:regions_found",
        "trimap_miou": "repro.measures.segmentation:trimap_miou",
        "interior_miou": "repro.measures.segmentation:interior_miou",
        "stride_upper_bound_miou": "repro.measures.segmentation:stride_upper_bound_miou",
    },
    given=("state", "curves"),
)

# Clocks say what was read off while a net ran, in a process of its own. Their options are those of
# `recipe.Timing`.
CLOCKS = Catalogue(
    "clock",
    "repro.clocks",
    {
        "latency": "repro.measures.timed:latency",
        "throughput": "repro.measures.timed:throughput",
        "peak_memory": "repro.measures.timed:peak_memory",
        "energy": "repro.measures.timed:energy",
    },
    given=("timed",),
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
        "upside_down": "repro.data.upside_down:upside_down",
        "crop": "repro.data.crop:crop",
        "colour_pca": "repro.data.colour_pca:colour_pca",
        "elastic": "repro.data.elastic:elastic",
    },
    given=("images", "targets", "generator"),
)

# What a net starts from, where that is not random.
WEIGHTS = Catalogue(
    "set of weights",
    "repro.weights",
    {
        "imagenet": "repro.state.weights:imagenet",
        "shallower": "repro.state.shallower:shallower",
        "trial": "repro.state.weights:trial",
    },
    given=("model", "start"),
)

# What is done to a trained net before it is measured: functions (state, *, options) → state. One that wants
# further nets of the arm has a second parameter, `others`, and an option `members`.
TREATMENTS = Catalogue(
    "treatment",
    "repro.treatments",
    {
        "crf": "repro.treatments.crf:crf",
        "crops": "repro.treatments.crops:crops",
        "ensemble": "repro.treatments.ensemble:ensemble",
        "lesion": "repro.treatments.lesion:lesion",
        "linear_svm": "repro.treatments.linear_svm:linear_svm",
        "resized": "repro.treatments.resized:resized",
        "truncated_svd": "repro.treatments.truncated_svd:truncated_svd",
        "unmoved": "repro.treatments.unmoved:unmoved",
    },
    given=("state", "others"),
)

# What draws pictures of the nets of several arms, side by side.
PICTURES = Catalogue(
    "picture",
    "repro.pictures",
    {
        "checkerboards": "repro.pictures.checkerboards:checkerboards",
        "detection_errors": "repro.pictures.detection_errors:detection_errors",
        "detections": "repro.pictures.detections:detections",
        "predictions": "repro.pictures.predictions:predictions",
        "proposals": "repro.pictures.proposals:proposals",
        "spectrum": "repro.pictures.spectrum:spectrum",
    },
    given=("states",),
)


def metrics(task: str | None) -> dict[str, Declaration]:
    """What a trained net of a task is measured by, as its class declares it in `metrics`."""
    if task is None:
        return {}
    said = source.constant(TASKS.target(task), "metrics")
    try:
        return {name: Declaration.model_validate(facts) for name, facts in dict(said).items()}
    except (TypeError, ValueError):
        raise ReproError(
            f"task '{task}': its class has to declare its metrics, each with unit and direction: "
            'metrics = {"test_error": {"unit": "share", "better": "lower"}}'
        ) from None


def declaration(measure: str) -> Declaration:
    """What a count, a probe or a clock declares: unit and direction."""
    return declared(next(c for c in (COUNTS, PROBES, CLOCKS) if measure in c.targets), measure)


def declared(catalogue: Catalogue, measure: str) -> Declaration:
    """What a measure of one of the catalogues declares."""
    said = source.decoration(catalogue.target(measure), declare.__name__) or {}
    try:
        return Declaration.model_validate({k: v for k, v in said.items() if k not in ("weights", "seeded")})
    except ValidationError as error:
        raise ReproError(f"{catalogue.kind} '{measure}': @declare(…): {error.errors()[0]['msg']}") from None


def members(treatment: str, options: Mapping[str, Any]) -> int:
    """How many nets of an arm, each of its own seed, a treatment wants: one, unless it asks for `others`."""
    known = source.parameters(TREATMENTS.target(treatment))
    return int(options.get("members", known["members"].default)) if "others" in known else 1


def looks_at_weights(count: str) -> bool:
    """Whether a count wants a net with weights."""
    return bool((source.decoration(COUNTS.target(count), declare.__name__) or {}).get("weights"))


def looks_at_curves(probe: str) -> bool:
    """Whether a probe wants the curves of a training."""
    return "curves" in source.parameters(PROBES.target(probe))


def differs_by_seed(probe: str) -> bool:
    """Whether a probe gives another number for another seed; else it looks at the data alone."""
    return bool((source.decoration(PROBES.target(probe), declare.__name__) or {}).get("seeded", True))

"""What must be on the machine before nets are trained: data sets, and weights of other people's nets.

Torch is imported only for the latter.
"""

from collections.abc import Iterator

from repro.catalogue import DATASETS
from repro.contracts import Pretrained
from repro.data.images import MissingData
from repro.data.outlines import outline
from repro.data.torchvision_sets import root
from repro.format import size
from repro.recipe import Named, Strict
from repro.trial import TrialSpec, fingerprint_of


class Supply(Strict):
    """A data set, or a file of weights."""

    name: str
    is_here: bool
    downloads: bool = False  # the run gets it itself
    bytes: int | None = None  # to be got; None if nobody knows
    source: str = ""
    problem: str = ""  # what is wrong with it, or how to get it


def supplies(spec: TrialSpec) -> list[Supply]:
    """What a trial needs of the machine. Nothing is downloaded for the answer."""
    return [of_data(spec.data), *_weights(spec)]


def of_data(data: Named) -> Supply:
    """A data set. One that is made, or comes with a package, is there."""
    downloads = bool(data.options.get("download"))
    known = outline(data)
    if known is None:
        try:
            fingerprint_of(_offline(data))
        except MissingData as error:
            return Supply(name=data.name, is_here=False, downloads=downloads, problem=str(error))
        return Supply(name=data.name, is_here=True)
    problem = (
        f"data set '{data.name}' is not in {root()}: {size(known.bytes)} from {known.source}. Set REPRO_DATA "
        "to the folder that holds it"
    )
    if "download" in DATASETS.parameters(data.name):
        problem += ", or give the option `download: true`"
    return Supply(
        name=data.name,
        is_here=known.is_here,
        downloads=downloads,
        bytes=known.bytes,
        source=known.source,
        problem="" if known.is_here else problem,
    )


def _offline(data: Named) -> Named:
    """The same set, for which no hub is asked."""
    told = data.model_dump()
    return Named.model_validate({**told, "download": False} if "download" in told else told)


def _weights(spec: TrialSpec) -> Iterator[Supply]:
    """Those of torchvision that the net says it can take, where it starts from such."""
    if spec.weights is None or spec.start is not None:
        return
    from torchvision.models import get_model_weights

    from repro.training.footprint import on_meta

    parts = on_meta(spec.model, spec.data).modules()
    source = next((part.source for part in parts if isinstance(part, Pretrained) and part.source), None)
    if source is None:
        return
    found = get_model_weights(source).IMAGENET1K_V1
    path = root() / "weights" / found.url.rpartition("/")[2]
    count = round(found.meta["_file_size"] * 2**20)
    yield Supply(
        name=path.name,
        is_here=path.is_file(),
        downloads=bool(spec.weights.options.get("download")),
        bytes=count,
        source=found.url,
        problem="" if path.is_file() else f"there is no {path}: {size(count)} from {found.url}",
    )

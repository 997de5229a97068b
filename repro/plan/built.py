"""Whether nets can be built, and take images of their data's size: tried on the meta device, without numbers.

So neither data nor weights need be here, and nothing is computed.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from repro import document
from repro.catalogue import DATASETS
from repro.data.outlines import outline
from repro.document import Problem
from repro.errors import ReproError
from repro.faults import told
from repro.quantity import kind_of
from repro.recipe import Named
from repro.suite import Suite
from repro.training.footprint import META, MOST, TooMany, Watch, on_meta

NO_NUMBERS = "meta"  # what torch says where a net looks at numbers, of which the device has none


def unbuildable(
    suites: Mapping[Path, Suite], begins: Callable[[int, int, str], None] = lambda *_: None
) -> list[Problem]:
    """The arms of sound suites whose nets cannot be, each at its place with the profiles where that is so.
    Before each arm `begins` is told how many are done, of how many, and which it is.
    """
    arms = [(path, suite, arm) for path, suite in suites.items() for arm in suite.arms]
    found, known = list[Problem](), dict[str, str | None]()
    for done, (path, suite, arm) in enumerate(arms):
        begins(done, len(arms), f"{suite.suite}: {arm}")
        used_at = [profile for profile in suite.profiles if arm in suite.arms_at(profile)]
        why = defaultdict[str, list[str]](list)
        for profile in used_at:
            if suite.arms[arm].of is None and (wrong := _wrong(suite, arm, profile, known)):
                why[wrong].append(profile)
        for wrong, at in why.items():
            where = "" if at == used_at else f" (at {', '.join(at)})"
            found.append(document.read(path).problem(("arms", arm), wrong + where, at_key=True))
    return found


def _wrong(suite: Suite, arm: str, profile: str, known: dict[str, str | None]) -> str | None:
    """What is wrong with an arm's net, in one line. What is `known` of the same net is not tried again."""
    resolved = suite.resolve(arm, profile)
    model, data, is_fed = resolved.model, resolved.data, arm in _fed(suite, profile)
    key = f"{model.model_dump_json()} {data.model_dump_json() if data else ''} {is_fed}"
    if key not in known:
        try:
            with told(f"model '{model.name}'"):
                _try(model, data, is_fed)
            known[key] = None
        except ReproError as error:
            known[key] = " ".join(str(error).split())
    return known[key]


def _fed(suite: Suite, profile: str) -> set[str]:
    """The arms whose nets see images: of others claims ask for counts alone."""
    asked = [one for _, claim in suite.claims_at(profile) for one in claim.expectation.measurements]
    arms = {one.arm for one in asked if "data" in kind_of(one.name, suite.task).wants(one)}
    return {start for arm in arms for start in suite.trained_for(arm, profile)}


def _try(model: Named, data: Named | None, is_fed: bool) -> None:
    """Raises `ReproError` where there is no such net, or it does not take such images."""
    net = on_meta(model, data).eval()
    shape = _shape(data) if is_fed else None
    if shape is None:
        return
    try:
        with torch.no_grad(), Watch(MOST):
            net(torch.empty(2, *shape, device=META))
    except (TooMany, NotImplementedError):
        return
    except (RuntimeError, ValueError, IndexError) as error:
        if NO_NUMBERS not in str(error).lower():
            of = "×".join(map(str, shape))
            raise ReproError(
                f"model '{model.name}' does not take this data's images of {of}: {error}"
            ) from error


def _shape(data: Named | None) -> tuple[int, int, int] | None:
    """Channels, height and width of a set's images, as far as it says so without being read."""
    if data is None:
        return None
    known = outline(data)
    if known is not None:
        return known.shape
    made = DATASETS.load(data.name)(**data.options)
    size = getattr(made, "size", None)
    return (made.channels, size, size) if isinstance(size, int) else None

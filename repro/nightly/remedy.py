"""What to type next where something has changed: the claims that hang on it, and what finds the commit."""

import shlex
from collections.abc import Mapping

from repro.catalogue import CLOCKS, COUNTS
from repro.expectation import parse_measurement
from repro.expression import Measurement
from repro.result import ClaimResult, Result


def hanging(result: Result, name: str, quantity: str) -> dict[str, float]:
    """The claims that measure it or, of what none measures, its arm; with the seconds that a seed took."""
    arm = name.partition("(")[0]
    arms = {
        arm,
        *(other for other, of in result.arms.items() if arm in (of.of, (of.weights or {}).get("arm"))),
    }
    exact, of_arm = dict[str, float](), dict[str, float]()
    for claim_name, claim in result.claims.items():
        asked = [parse_measurement(text) for text in claim.values]
        seconds = claim.seconds / max(1, len(claim.evidence.seeds))
        if any((of.subject, of.name) == (name, quantity) for of in asked):
            exact[claim_name] = seconds
        if any(of.arm in arms and _is_trained(of) for of in asked):
            of_arm[claim_name] = seconds
    return exact or of_arm


def bisect(old: str, new: str, file: str, claims: Mapping[str, float], profile: str) -> str:
    """The command that finds the commit between two, by that of the claims which takes least."""
    at = ["--profile", profile] if profile != "cpu" else []
    return shlex.join(["repro", "bisect", old, new, file, *narrowed(claims), *at])


def is_bisected(claim: ClaimResult) -> bool:
    """Whether it measures a net after training. Commits are told apart by nothing else."""
    return any(_is_trained(parse_measurement(text)) for text in claim.values)


def narrowed(claims: Mapping[str, float]) -> list[str]:
    """The option for that of the claims which takes least; none, if there are none."""
    return ["-k", min(claims, key=lambda claim: claims[claim])] if claims else []


def _is_trained(of: Measurement) -> bool:
    """Whether it is of a net after training."""
    return (
        of.name not in COUNTS.targets and of.name not in CLOCKS.targets and ("at", "start") not in of.options
    )

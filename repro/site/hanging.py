"""What hangs on a trained net: the claims of all suites that rest on the same trainings."""

from collections import defaultdict
from collections.abc import Iterable

from repro.archive import Latest
from repro.errors import ReproError
from repro.expectation import Measurement, parse
from repro.result import ClaimResult
from repro.site.archive import Scale

Place = tuple[Scale, str]  # a claim: its suite at a profile, and its name


def measurements(claim: ClaimResult) -> Iterable[Measurement]:
    """Those that the expectation names, in its order."""
    try:
        return parse(claim.expect).measurements
    except ReproError:
        return ()  # a result of another version, with a larger language


class Hanging:
    """Claims by the arms of a suite that they name, and by the trials that those arms are."""

    def __init__(self, scales: Iterable[Scale]):
        self._of_key: dict[tuple[str, ...], list[Place]] = defaultdict(list)
        self._keys: dict[tuple[str, str, str], list[tuple[str, ...]]] = {}
        for scale in scales:
            trials = defaultdict[str, set[str]](set)
            for trial in scale.trials:
                trials[trial.arm].add(trial.digest)
            for name, latest in scale.claims.items():
                keys = [
                    key
                    for arm in dict.fromkeys(found.arm for found in measurements(latest.claim))
                    for key in (
                        (scale.suite, scale.profile, arm),
                        *((digest,) for digest in sorted(trials[arm])),
                    )
                ]
                self._keys[scale.suite, scale.profile, name] = keys
                for key in keys:
                    self._of_key[key].append((scale, name))

    def on(self, scale: Scale, name: str) -> list[tuple[Scale, str, Latest]]:
        """The other claims that share an arm with this one, those of its own suite first."""
        found: dict[tuple[str, str, str], tuple[Scale, str, Latest]] = {}
        for key in self._keys[scale.suite, scale.profile, name]:
            for other, other_name in self._of_key[key]:
                place = (other.suite, other.profile, other_name)
                found.setdefault(place, (other, other_name, other.claims[other_name]))
        found.pop((scale.suite, scale.profile, name), None)
        return sorted(found.values(), key=lambda hung: hung[0] is not scale)

"""The seeds that a run may take for the claims of a suite, and after how many of them it looks."""

from dataclasses import dataclass

from repro.errors import ReproError
from repro.evidence import LOOKS, first_look
from repro.suite import CONFIRMING, PILOT

LAST = 2**63 - 1  # seed that a generator, and a result, can have


@dataclass(frozen=True)
class Seeds:
    """`most` from `first` on, for verdicts at level `alpha`. Those of pilots, 1000 to 1999, never judge."""

    first: int
    most: int
    alpha: float
    pilot: bool = False

    def take(self, many: int) -> range:
        """The first so many."""
        return range(self.first, self.first + many)

    @property
    def looks(self) -> list[int]:
        """The numbers of seeds after which to look, up to the most that are allowed."""
        least = first_look(self.alpha) or self.most
        return [*(look for look in LOOKS if least <= look < self.most), self.most]

    def may_take(self, many: int) -> bool:
        """Whether the last of so many is not one of a pilot's, or this is a pilot."""
        return self.pilot or self.take(many)[-1] != PILOT

    def check(self) -> None:
        """Raises `ReproError` where seeds of pilots would judge, or others would be a pilot's."""
        seeds = self.take(self.most)
        if seeds[-1] > LAST:
            raise ReproError(f"seeds {seeds[0]} to {seeds[-1]}: there are none after {LAST}")
        if self.pilot and seeds[0] < PILOT:
            raise ReproError(f"seed {seeds[0]} may judge; pilots are trained on seeds from {PILOT} up")
        if self.pilot and seeds[-1] >= CONFIRMING:
            raise ReproError(
                f"seeds {seeds[0]} to {seeds[-1]}: those from {CONFIRMING} up confirm what a night found; "
                f"pilots end with seed {CONFIRMING - 1}"
            )
        if not self.pilot and seeds[0] < CONFIRMING and seeds[-1] >= PILOT:
            of_pilots = f"those from {PILOT} to {CONFIRMING - 1} are for pilots and never judge"
            raise ReproError(
                f"seeds {seeds[0]} to {seeds[-1]}: {of_pilots}; "
                f"begin at {PILOT - len(seeds)} at most, or use `--pilot`"
            )

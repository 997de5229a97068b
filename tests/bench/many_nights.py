"""Many nights made up from kept results, and the site that is built of them, with what that takes.

python tests/bench/many_nights.py FOLDER NIGHTS [SUITE…]: results of FOLDER/results, NIGHTS of the suites that
are named and one of each other, and FOLDER/site. Numbers move by some per cent from night to night; pictures
are left out.
"""

import random
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from repro.archive import files
from repro.result import Result, read
from repro.site.build import build

KEPT = Path(__file__).parents[2] / "results" / "kept"
FORM = "%Y-%m-%dT%H:%M:%SZ"


def night(kept: Result, before: int, noise: random.Random) -> Result:
    """The result as it might have been so many nights before."""

    def moved(values):
        return {name: value and value * noise.gauss(1, 0.03) for name, value in values.items()}

    at = datetime.strptime(kept.finished, FORM).replace(tzinfo=UTC) - timedelta(days=before)
    trials = [
        one.model_copy(update={"measurements": moved(one.measurements), "cost": moved(one.cost)})
        for one in kept.trials
    ]
    timings = [one.model_copy(update={"measurements": moved(one.measurements)}) for one in kept.timings]
    named = {"id": f"{at:%Y%m%dT%H%M%SZ}-{before:06x}", "finished": at.strftime(FORM)}
    measured = {"trials": tuple(trials), "timings": tuple(timings), "pictures": {}}
    return kept.model_copy(update=named | measured)


def main(folder: Path, nights: int, suites: list[str]) -> str:
    noise = random.Random(0)
    for kept in map(read, files(KEPT)):
        for before in reversed(range(nights if kept.suite in suites else 1)):
            made = night(kept, before, noise)
            path = folder / "results" / made.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made.model_dump_json(by_alias=True))
    start = time.process_time()
    site = build([folder / "results"], folder / "site")
    took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    pages = sorted((page.stat().st_size, page.name) for page in (folder / "site").rglob("*.html"))
    largest = ", ".join(f"{name} {size / 1024:.0f} KiB" for size, name in reversed(pages[-3:]))
    return f"{site.runs} runs, {site.pages} pages: {took:.1f} s of CPU, {peak} MiB; largest: {largest}\n"


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))

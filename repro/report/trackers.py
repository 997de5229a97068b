"""Results for trackers of experiments, into folders of this machine: nothing is sent anywhere.

What is at the place already is not written again, so a folder can be added to every night. TensorBoard and
W&B show infinite values as they are; MLflow's database holds the largest double, 1.8e308, in their place.
"""

import json
import logging
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from repro.errors import ReproError
from repro.format import counted, markdown_table, verbatim
from repro.report import tidy
from repro.report.tracked import Tracked, scalars, tracked
from repro.result import Result

PROJECT = "repro"  # of W&B
QUIET = {  # neither is asked to tell its makers that it was used
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}
ID = "repro.id"  # tag of an MLflow run
IN_MLFLOW = str.maketrans({"(": "/", "=": ":", ")": None, ",": None})  # it allows few signs in names
LONGEST = 6000  # signs of an MLflow parameter
AT_ONCE = 1000  # metrics that MLflow takes in a call; of parameters, 100, which no run has


def tensorboard(results: Sequence[Result], out: Path, what: str | None) -> str:
    """Runs with scalars: `<suite>/<profile>/<run id>/<arm>-<seed>` of a trial its curves, `…/<arm>` what was
    measured, at the number of the seed, `…/<name>-round-<number>` of a timing the seconds of each pass, and
    its measurements at the round's number. A result's verdicts are a text of the run `…/verdicts`.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise _missing("TensorBoard", "tensorboard") from None
    runs, tables, points = defaultdict[str, list[tuple[str, int, float]]](list), dict[str, str](), 0
    for one in tracked(results, "numbers") if what != "verdicts" else ():
        runs[f"{one.group}/{one.name}"] += [
            (name, step, value) for name, curve in one.curves.items() for step, value in curve
        ]
        arm = one.name if one.kind == "timing" else one.settings["arm"]
        runs[f"{one.group}/{arm}"] += [
            (name, one.seed or 0, _number(value)) for name, value in one.numbers.items()
        ]
    for result in results if what != "numbers" else ():
        tables[f"{result.suite}/{result.profile}/{result.id}/verdicts"] = _table(result)
    for run in [*runs, *tables]:
        if not (runs.get(run) or run in tables) or (out / run).is_dir():
            continue
        writer: Any = SummaryWriter(str(out / run))
        for name, step, value in runs.get(run, ()):
            writer.add_scalar(name, value, step)
        points += len(runs.get(run, ()))
        if run in tables:
            writer.add_text("verdicts", tables[run])
        writer.close()
    return f"{out}: {points} points of {_of(results)}; tensorboard --logdir {out} shows them"


def wandb(results: Sequence[Result], out: Path, what: str | None) -> str:
    """Offline runs of W&B, in the project `repro`: in a group for each result, of the job types `trial`,
    `timing`, `net` and `claim`."""
    with _quiet():
        try:
            import wandb as client
        except ImportError:
            raise _missing("W&B", "wandb") from None
        out.mkdir(parents=True, exist_ok=True)
        there = {run.name.rpartition("-")[2] for run in (out / "wandb").glob("offline-run-*")}
        new = [one for one in tracked(results, what) if one.digest not in there]
        settings = client.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        for one in new:
            run = client.init(
                project=PROJECT,
                dir=str(out),
                id=one.digest,
                name=one.name,
                group=one.group,
                job_type=one.kind,
                config={**_of_run(one.result), **one.settings},
                mode="offline",
                reinit="create_new",
                settings=settings,
            )
            for step, values in scalars(one.curves):
                run.log(values, step=step, commit=True)
            texts = one.settings if one.kind == "claim" else {}
            run.summary.update({**texts, **one.numbers})
            run.finish()
    return f"{out}: {_runs(new)} of {_of(results)}; wandb sync {out}/wandb/offline-run-* sends them"


def mlflow(results: Sequence[Result], out: Path, what: str | None) -> str:
    """Runs in `mlflow.db`, SQLite: in an experiment for each suite, with what they were as parameters, and a
    tag `kind`: `trial`, `timing`, `net` or `claim`. A name has : for = and / for what brackets begin.
    """
    with _quiet():
        try:
            import alembic  # noqa: F401  the database wants both
            import sqlalchemy
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError:
            raise _missing("MLflow", "mlflow") from None
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        out.mkdir(parents=True, exist_ok=True)
        place = f"sqlite:///{out.absolute() / 'mlflow.db'}"
        try:
            new = _into(MlflowClient(tracking_uri=place), tracked(results, what), out)
        except (MlflowException, sqlalchemy.exc.SQLAlchemyError) as error:
            why = str(error).strip().partition("\n")[0]
            raise ReproError(f"{out}: MLflow cannot write there: {why}") from None
    return f"{out}: {_runs(new)} of {_of(results)}; mlflow ui --backend-store-uri {place} shows them"


def _into(client: Any, runs: Iterable[Tracked], out: Path) -> list[Tracked]:
    """Those that were not there, by a client of MLflow."""
    from mlflow.entities import Metric, Param

    known, new = dict[str, tuple[str, set[str]]](), list[Tracked]()
    for one in runs:
        suite = one.result.suite
        if suite not in known:
            known[suite] = _experiment(client, suite, out)
        experiment, there = known[suite]
        if one.digest not in there:
            new.append(one)
            at = int(datetime.fromisoformat(one.result.finished).timestamp() * 1000)
            tags = {ID: one.digest, "kind": one.kind, **_of_run(one.result)}
            run = client.create_run(experiment, start_time=at, tags=tags, run_name=one.name).info.run_id
            metrics = [
                Metric(_named(name), value, at, step)
                for name, curve in one.curves.items()
                for step, value in curve
            ]
            last = max((metric.step for metric in metrics), default=0)
            metrics += [
                Metric(_named(name), _number(value), at + 1, last) for name, value in one.numbers.items()
            ]
            for start in range(0, len(metrics), AT_ONCE):
                client.log_batch(run, metrics=metrics[start : start + AT_ONCE])
            params = [Param(_named(name), text[:LONGEST]) for name, text in _flat(one.settings)]
            client.log_batch(run, params=params)
            client.set_terminated(run, end_time=at + 1)
    return new


TRACKERS: dict[str, Callable[[Sequence[Result], Path, str | None], str]] = {
    "tensorboard": tensorboard,
    "wandb": wandb,
    "mlflow": mlflow,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """What users have set stays."""
    added = {name: value for name, value in QUIET.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _missing(tracker: str, extra: str) -> ReproError:
    return ReproError(f"{tracker} is not installed: pip install 'repro[{extra}]'")


def _of_run(result: Result) -> dict[str, str]:
    facts = {"commit": str(result.commit or "")}
    return {"suite": result.suite, "profile": result.profile, "run": result.id, **facts}


def _of(results: Sequence[Result]) -> str:
    return counted(len(results), "result")


def _runs(new: Sequence[Tracked]) -> str:
    return counted(len(new), "new run")


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _table(result: Result) -> str:
    """Its verdicts in Markdown, names and sources of others as code."""
    head, *rows = tidy.for_people([result])
    return markdown_table([head, *([verbatim(cell) for cell in row] for row in rows)])


def _experiment(client: Any, suite: str, out: Path) -> tuple[str, set[str]]:
    """Its id, and which runs it has."""
    found = client.get_experiment_by_name(suite)
    if found is None:
        return client.create_experiment(
            suite, artifact_location=(out.absolute() / "artifacts").as_uri()
        ), set()
    there, page = set[str](), None
    while True:
        runs = client.search_runs([found.experiment_id], max_results=1000, page_token=page)
        there |= {run.data.tags.get(ID, "") for run in runs}
        page = runs.token
        if not page:
            return found.experiment_id, there


def _named(name: str) -> str:
    """As MLflow allows it: letters, digits and _-. :/ alone."""
    return re.sub(r"[^\w\-. :/]", "_", name.translate(IN_MLFLOW))


def _flat(settings: Mapping[str, Any], of: str = "") -> Iterator[tuple[str, str]]:
    """`recipe.optimizer.lr` and its value as text, of what is not empty."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{of}{name}.")
        elif value not in (None, "", [], ()):
            yield f"{of}{name}", value if isinstance(value, str) else json.dumps(value)

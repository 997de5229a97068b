"""The page of a suite at a profile: its claims, pictures, training curves, arms and what they cost."""

from collections.abc import Mapping, Sequence

from repro import result
from repro.report.text import promise
from repro.result import ArmResult, TrialResult
from repro.site import address
from repro.site.archive import Scale
from repro.site.arms import ABSENT, differences
from repro.site.claim_table import claim_table
from repro.site.cost_charts import NOTE, SIZES, Cost, of_arm
from repro.site.curves import Arms, panels
from repro.site.element import Child, Markup, element, link
from repro.site.glossary import term
from repro.site.history import suite_history
from repro.site.page import page, time, trail
from repro.site.papers import OWN, paper
from repro.site.pictures import pictures as shown_pictures
from repro.site.plot import chart
from repro.site.tables import facts, nothing, number, spread, table
from repro.site.timings import by_net, timings
from repro.site.verdicts import legend

COSTS = {  # by the key in a trial's cost: the column, and what one of its unit is
    "seconds": ("training, s", 1.0),
    "images_per_second": ("images/s", 1.0),
    "peak_memory_bytes": ("peak memory, MiB", 2.0**20),
    "share_of_matmul_peak": ("share of matmul peak, %", 0.01),
}


def suite_page(
    scale: Scale, pictures: Mapping[str, str], curves: Mapping[str, Arms], cost: Cost | None
) -> str:
    """`pictures` are the addresses of those that there are, by name; `curves` are by quantity."""
    last, up = scale.latest, address.UP
    trials, timed = scale.trials, by_net(scale.timings)
    claims = [latest.claim for latest in scale.claims.values()]
    known = promise(claims, result.falsely_reproduced(claims))
    compared = element(
        "p",
        link(f"{up}{address.compare(scale.suite, scale.profile)}", "Compare two runs"),
        ", claim by claim.",
    )
    raw = [
        link(f"{up}{address.result(scale.suite, scale.profile, used.id)}", f"{used.id}.json")
        for used in scale.results
    ]
    return page(
        f"{scale.suite} at {scale.profile}",
        trail(of_paper(scale, up), (f"{scale.suite} at {scale.profile}", None)),
        element("h1", scale.suite, element("span", f" at {scale.profile}", class_="muted")),
        element("p", paper(last.paper), class_="lead"),
        element("p", last.about) if last.about else None,
        element(
            "section",
            element("h2", "Claims"),
            claim_table(scale, up=up),
            legend(),
            element("p", f"{known}.", class_="note") if known else None,
        ),
        _section("Pictures", shown) if (shown := shown_pictures(scale, pictures)) else None,
        _section("Training", panels(curves, last.units)) if curves else None,
        _section("Arms", _arms(scale.arms, trials)),
        _section("What training takes", _reached(cost), _costs(scale.arms, trials), id="cost")
        if trials
        else None,
        _section("What a pass takes", timings(timed, last.units)) if timed else None,
        _section("Over runs", compared, *over_runs) if (over_runs := suite_history(scale)) else None,
        _section("Where and when", _environment(scale, raw)),
        up=up,
    )


def of_paper(scale: Scale, up: str) -> tuple[str, str]:
    """The step of a trail that leads to the paper."""
    title = str((scale.latest.paper or {}).get("title") or OWN)
    return title, f"{up}{address.paper(title)}"


def _section(title: str, *content: Child, **attributes: str) -> Markup:
    return element("section", element("h2", title), *content, **attributes)


def _reached(cost: Cost | None) -> Markup | None:
    return chart("What arms reach, and what it takes", cost.chart, cost.values, NOTE) if cost else None


def _arms(arms: Mapping[str, ArmResult], trials: Sequence[TrialResult]) -> Markup:
    """Each arm with what sets it apart; what all share is folded away."""
    differing, common = differences(arms)
    sizes = {key: title for key, title in SIZES.items() if any(of_arm(trials, arm, key) for arm in arms)}
    rows = []
    for i, (arm, made) in enumerate(arms.items()):
        own = ", ".join(
            f"{path} {row[i]}" for path, row in differing.items() if path != "model" and row[i] != ABSENT
        )
        known = [of_arm(trials, arm, key) for key in sizes]
        cells = [number(values[0], f"{values[0]:,.0f}") if values else nothing() for values in known]
        rows.append([element("th", arm, scope="row"), made.model, *cells, element("td", own, class_="own")])
    head = ("arm", "model", *sizes.values(), "set apart by")
    shown = table(head, rows, caption="Arms", right=range(2, 2 + len(sizes)))
    return element(
        "div", shown, element("details", element("summary", "What the arms share"), facts(common.items()))
    )


def _costs(arms: Mapping[str, ArmResult], trials: Sequence[TrialResult]) -> Markup:
    rows = []
    for arm in arms:
        count = sum(trial.arm == arm for trial in trials)
        cells = [
            spread([value / unit for value in of_arm(trials, arm, key)]) for key, (_, unit) in COSTS.items()
        ]
        if count:
            rows.append([element("th", arm, scope="row"), number(count, str(count)), *cells])
    head = ("arm", "seeds", *(title for title, _ in COSTS.values()))
    return element(
        "div",
        element(
            "p",
            "The median over seeds, and from the lowest to the highest. "
            "Wall-clock seconds, while other trials may have run on the same machine. What is a ",
            term("matmul peak"),
            "?",
            class_="note",
        ),
        table(head, rows, caption="Cost of training", right=range(1, len(head))),
    )


def _fact(name: str, value: object) -> tuple[str, str | None]:
    """What is known of the machine and the code, in words."""
    if name == "dirty":
        return "uncommitted changes", None if value is None else "yes" if value else "none"
    return name, None if value is None else str(value)


def _environment(scale: Scale, raw: Sequence[Markup]) -> Markup:
    last = scale.latest
    keys = [
        ", ".join(f"{name} {value}" for name, value in key.items() if value) for key in last.environment.key
    ]
    about = [_fact(name, value) for name, value in last.environment.facts.items()]
    return facts(
        [
            ("last run", [time(last.finished), f" ({last.id})"]),
            ("again", element("code", last.command)),
            ("suite", [last.file, f" (digest {last.suite_digest[:12]})"]),
            ("ran on", [[element("br") if i else None, key] for i, key in enumerate(keys)] or None),
            *about,
            ("numbers", [[", " if i else None, each] for i, each in enumerate(raw)]),
        ]
    )

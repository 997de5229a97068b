"""What a measurement is: which kind, what it gives in which unit, what must be done for it."""

import math
from itertools import count

import pytest
from kit.made_up import suite

from repro import catalogue
from repro.catalogue import COUNTS, MODELS, PICTURES, PROBES, TASKS, TREATMENTS
from repro.counting import Counting
from repro.declaration import Declaration, declare
from repro.errors import ReproError
from repro.expectation import parse
from repro.experiment import Experiment
from repro.quantity import Clocked, Count, Metric, Probe, is_trivial, kind_of
from repro.round import Round
from repro.trial import Evaluating, Probing, TrialSpec

numbers = count()  # of modules: what source code says is read once


def quantity(text: str, **rest):
    """The quantity of one measurement, `test_error(good)` say."""
    asked = suite(claim=f"{text} > 0", **rest)
    (found,) = Experiment(asked, "cpu").quantities(asked.claims["claim"])
    return found


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The target of something that a module of another package defines."""

    def made(code: str, name: str) -> str:
        package = f"declaring{next(numbers)}"
        (tmp_path / f"{package}.py").write_text(code)
        return f"{package}:{name}"

    monkeypatch.syspath_prepend(tmp_path)
    return made


def mistakes(text: str, task: str = "classification") -> list[str]:
    (measurement,) = parse(f"{text} > 0").measurements
    return list(kind_of(measurement.name, task).mistakes(measurement))


@pytest.mark.parametrize(
    ("name", "kind", "declared", "seeded", "timed"),
    [
        ("test_error(good)", Metric, Declaration(unit="share", better="lower"), True, False),
        ("train_loss(good)", Metric, Declaration(unit="nats", better="lower"), True, False),
        ("mean_lesion_error(good)", Probe, Declaration(unit="share", better="lower"), True, False),
        ("gradient_norm(good)", Probe, Declaration(), True, False),
        ("stride_upper_bound_miou(good)", Probe, Declaration(unit="share", better="higher"), False, False),
        ("params(good)", Count, Declaration(), False, False),
        ("macs(good)", Count, Declaration(unit="multiply-adds"), False, False),
        ("max_abs_diff(good)", Count, Declaration(), False, False),
        ("steps_to_loss(good, loss=1)", Probe, Declaration(unit="steps", better="lower"), True, False),
        ("latency(good)", Clocked, Declaration(unit="ms", better="lower"), True, True),
        ("throughput(good)", Clocked, Declaration(unit="images/s", better="higher"), True, True),
    ],
)
def test_a_measurement_is_of_the_kind_whose_catalogue_has_it_and_declares_what_stands_there(
    name, kind, declared, seeded, timed
):
    found = quantity(name)
    assert type(found) is kind and found.declared == declared
    assert (found.seeded, found.timed) == (seeded, timed)


def test_the_metrics_of_a_task_are_known_in_suites_of_that_task_alone():
    assert kind_of("miou", "segmentation") is Metric
    for task in ("classification", None):
        with pytest.raises(ReproError, match="unknown measurement 'miou'"):
            kind_of("miou", task)


def test_an_unknown_measurement_is_an_error_with_the_nearest_one_of_any_kind():
    for wrong, right in [("test_eror", "test_error"), ("parms", "params"), ("latncy", "latency")]:
        with pytest.raises(ReproError, match=f"unknown measurement '{wrong}'; did you mean '{right}'?"):
            kind_of(wrong, "classification")


ARMS = {
    "cut": {"of": "good", "after": {"name": "lesion", "block": 0}},
    "tuned": {"model": "cifar_resnet", "depth": 14, "weights": {"name": "trial", "arm": "good"}},
}


@pytest.mark.parametrize(
    ("text", "kind", "trained"),
    [
        ("test_error(good)", TrialSpec, ["good"]),
        ("test_error(cut)", Evaluating, ["good"]),
        ("test_error(good, images=10)", Evaluating, ["good"]),
        ("test_error(tuned)", TrialSpec, ["good", "tuned"]),
        ("gradient_norm(good)", Probing, ["good"]),
        ("gradient_norm(good, at=end)", Probing, ["good"]),
        ("gradient_norm(good, at=start)", Probing, []),
        ("gradient_norm(tuned, at=start)", Probing, ["good"]),
        ("stride_upper_bound_miou(good)", Probing, []),
        ("gradient_norm(cut)", Probing, ["good"]),
        ("steps_to_loss(tuned, loss=1)", Probing, ["good", "tuned"]),
        ("params(tuned)", Counting, []),
        ("latency(tuned)", Round, []),
    ],
)
def test_a_quantity_knows_its_job_and_which_arms_are_trained_for_it(text, kind, trained):
    found = quantity(text, arms=ARMS)
    assert type(found.job(3)) is kind and found.trained == trained


def test_the_job_of_a_seed_is_of_that_seed_and_what_needs_no_seeds_is_the_same_for_all():
    assert quantity("test_error(good)").job(3).seed == 3
    assert quantity("gradient_norm(good)").job(3).subject.trial.seed == 3
    assert quantity("latency(good)").job(3).number == 3
    of_the_data = quantity("stride_upper_bound_miou(good)")
    for one in (quantity("params(good)"), of_the_data):  # pilots, too, read what was done for seed 0
        assert one.job(1000) == one.job(0)


def test_a_probe_at_the_start_looks_at_a_net_whatever_its_recipe():
    start, end = (quantity(f"gradient_norm(good, at={at})").job(0).subject.trial for at in ("start", "end"))
    assert start.recipe is None and end.recipe is not None
    other = suite(claim="gradient_norm(good, at=start) > 0", profile={"recipe": None})
    (found,) = Experiment(other, "cpu").quantities(other.claims["claim"])
    assert found.job(0).subject.trial == start
    assert "at" not in found.job(0).options


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("test_error(a, images=0)", "images: expected a whole number above 0, not 0"),
        ("test_error(a, images=0.5)", "images: expected a whole number above 0, not 0.5"),
        ("test_error(a, images=true)", "images: expected a whole number above 0, not True"),
        ("test_error(a, image=3)", "metric 'test_error' has no option 'image'; did you mean 'images'?"),
        ("gradient_norm(a, at=middle)", "'at' is one of start, end"),
        ("gradient_norm(a, layr=first)", "probe 'gradient_norm' has no option 'layr'; did you mean 'layer'?"),
        (
            "steps_to_loss(a, loss=0.5, at=start)",
            "probe 'steps_to_loss' looks at a training, and there is none at=start",
        ),
        (
            "steps_to_loss(a, loss=0.5, curves=1)",
            "probe 'steps_to_loss' has no option 'curves'; known: loss, over",
        ),
        ("params(a, layr=first)", "count 'params' has no option 'layr'; did you mean 'layer'?"),
        ("latency(a, batch_size=0)", "batch_size: must be above 0, not 0"),
    ],
)
def test_what_is_wrong_with_the_options_of_a_measurement_is_said(text, said):
    assert mistakes(text) == [said]


@pytest.mark.parametrize(
    "text", ["test_error(a, images=1)", "gradient_norm(a, at=start, layer=last)", "latency(a, batch_size=8)"]
)
def test_options_that_are_right_are_no_mistake(text):
    assert mistakes(text) == []


@pytest.mark.parametrize(
    ("text", "record", "value"),
    [
        ("test_error(good)", {"measurements": {"test_error": 0.25}}, 0.25),
        ("test_error(good)", {"measurements": {"test_error": "inf"}}, math.inf),
        ("gradient_norm(good)", {"value": 3.5}, 3.5),
        ("gradient_norm(good)", {"value": "inf"}, math.inf),
        ("params(good)", {"value": 7.0}, 7.0),
    ],
)
def test_a_value_is_read_from_the_record_of_its_job(text, record, value):
    assert quantity(text).read(record) == value


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("test_error(good)", {"measurements": {"test_error": None}}),
        ("gradient_norm(good)", {"value": None}),
        ("params(good)", {"value": None}),
    ],
)
def test_null_in_a_record_is_no_value(text, record):
    assert math.isnan(quantity(text).read(record))


def test_a_clock_reads_what_was_timed_as_the_measurement_asks():
    readings = {
        "timing": {"batch_size": 8},
        "seconds": [0.04, 0.02, 0.03],
        "peak_memory_bytes": 5000,
        "joules": None,
    }
    record = {"nets": {"good(batch_size=8)": readings}}
    assert quantity("latency(good, batch_size=8)").read(record) == pytest.approx(30)
    assert quantity("throughput(good, batch_size=8)").read(record) == pytest.approx(8 / 0.03)
    assert quantity("peak_memory(good, batch_size=8)").read(record) == 5000
    with pytest.raises(ReproError, match="energy: needs an NVIDIA GPU"):
        quantity("energy(good, batch_size=8)").read(record)


def test_a_measurement_s_options_change_how_the_profile_times_its_net():
    asked = suite(
        claim="latency(good, batch_size=8) < latency(good)", profile={"timing": {"batch_size": 4, "size": 32}}
    )
    timed = {name: timing for name, (_, timing) in Experiment(asked, "cpu").timed.items()}
    assert {name: timing.batch_size for name, timing in timed.items()} == {"good": 4, "good(batch_size=8)": 8}
    assert {timing.size for timing in timed.values()} == {32}


DRAWN = {"nets": {"picture": "predictions", "arms": ["cut"], "says": "One net."}}


def codes() -> dict[str, str]:
    """Of every kind of job that looks at a treated net: the digest of the code that does it."""
    asked = suite(claim="test_error(cut) < 1", arms=ARMS, pictures=DRAWN)
    return {
        "metric": quantity("test_error(cut)", arms=ARMS).job(0).code,
        "probe": quantity("gradient_norm(cut)", arms=ARMS).job(0).code,
        "count": quantity("params(cut)", arms=ARMS).job(0).code,
        "clock": quantity("latency(cut)", arms=ARMS).job(0).code,
        "picture": Experiment(asked, "cpu").drawing("nets", 0).code,
    }


@pytest.mark.parametrize(
    ("known", "name", "concerned"),
    [
        (TREATMENTS, "lesion", {"metric", "probe", "picture"}),
        (MODELS, "cifar_resnet", {"metric", "probe", "count", "clock", "picture"}),
        (TASKS, "classification", {"metric"}),
        (PROBES, "gradient_norm", {"probe"}),
        (COUNTS, "params", {"count"}),
        (PICTURES, "predictions", {"picture"}),
    ],
    ids=["treatment", "model", "task", "probe", "count", "picture"],
)
def test_what_does_a_job_is_part_of_its_code(module, monkeypatch, known, name, concerned):
    before = codes()
    _, _, attribute = known.target(name).partition(":")
    other = "metrics = {'test_error': {}}"
    code = f"class {attribute}:\n    {other}\n    def __init__(self, depth: int = 8): ...\n"
    monkeypatch.setitem(known.targets, name, module(code, attribute))
    after = codes()
    assert {kind for kind in before if before[kind] != after[kind]} == concerned


# ---- what is declared where a number is defined


@pytest.mark.parametrize(
    "code",
    [
        "class Detection:\n    pass\n",
        "class Detection:\n    metrics = ('miss_rate',)\n",
        "class Detection:\n    metrics = {'miss_rate': 'lower'}\n",
        "class Detection:\n    metrics = {'miss_rate': {'better': 'smaller'}}\n",
        "class Detection:\n    metrics = {'miss_rate': {'units': 'share'}}\n",
        "NAMES = {}\nclass Detection:\n    metrics = dict(NAMES)\n",
    ],
    ids=["none", "names alone", "no mapping", "another way", "another key", "not written out"],
)
def test_a_task_whose_metrics_are_not_declared_is_an_error_with_the_remedy(module, monkeypatch, code):
    monkeypatch.setitem(TASKS.targets, "detection", module(code, "Detection"))
    with pytest.raises(ReproError) as caught:
        kind_of("miss_rate", "detection")
    assert str(caught.value).startswith("task 'detection': its class has to declare its metrics, each with ")
    assert 'metrics = {"test_error": {"unit": "share", "better": "lower"}}' in str(caught.value)


def test_a_metric_may_have_neither_unit_nor_direction(module, monkeypatch):
    code = "class Detection:\n    metrics = {'miss_rate': {}, 'boxes': {'unit': 'boxes'}}\n"
    monkeypatch.setitem(TASKS.targets, "detection", module(code, "Detection"))
    assert catalogue.metrics("detection") == {"miss_rate": Declaration(), "boxes": Declaration(unit="boxes")}


def test_what_a_count_or_a_probe_of_another_package_declares_is_read_without_importing_it(
    module, monkeypatch
):
    code = (
        "raise RuntimeError('imported')\nfrom repro.declaration import declare\n"
        "@declare(unit='holes', better='lower')\ndef holes(model): ...\n"
        "def plain(state): ...\n"
    )
    target = module(code, "holes")
    monkeypatch.setitem(COUNTS.targets, "holes", target)
    monkeypatch.setitem(PROBES.targets, "plain", target.replace(":holes", ":plain"))
    assert catalogue.declaration("holes") == Declaration(unit="holes", better="lower")
    assert catalogue.declaration("plain") == Declaration()


def test_a_declaration_that_says_something_else_is_an_error_that_names_the_measure(module, monkeypatch):
    code = "from repro.declaration import declare\n@declare(better='smaller')\ndef holes(model): ...\n"
    monkeypatch.setitem(COUNTS.targets, "holes", module(code, "holes"))
    said = "Input should be 'lower' or 'higher'"
    with pytest.raises(ReproError, match=rf"count 'holes': @declare\(…\): {said}"):
        catalogue.declaration("holes")
    with pytest.raises(ValueError, match=said):
        declare(better="smaller")


def test_what_is_declared_leaves_the_function_as_it_is():
    def holes(_):
        return 3

    assert declare(unit="holes", better="lower")(holes) is holes


# ---- what has learnt nothing


@pytest.mark.parametrize(
    ("measured", "constant", "trivial"),
    [
        ({"miou": 0.5}, {"miou": 0.5}, True),
        ({"miou": 0.51}, {"miou": 0.5}, False),
        ({"test_error": 0.9}, {"test_error": 0.9}, True),
        ({"test_error": 0.89}, {"test_error": 0.9}, False),
        ({"miou": 0.1, "test_error": 0.95}, {"miou": 0.2, "test_error": 0.9}, True),
        ({"miou": 0.1, "test_error": 0.8}, {"miou": 0.2, "test_error": 0.9}, False),
        ({"miou": None}, {"miou": 0.5}, True),
        ({"miou": 0.1}, {"miou": 0.2, "test_error": 0.1}, True),
        ({"miou": 0.1}, {}, False),
        ({"pixels": 1.0, "oddity": 1.0}, {"pixels": 0.5, "oddity": 0.5}, False),
    ],
    ids=str,
)
def test_a_net_that_is_better_by_no_metric_than_one_answer_to_all_is_trivial(measured, constant, trivial):
    declared = {
        "miou": Declaration(better="higher"),
        "test_error": Declaration(better="lower"),
        "pixels": Declaration(),
    }
    assert is_trivial({"measurements": measured, "trivial": constant}, declared) is trivial

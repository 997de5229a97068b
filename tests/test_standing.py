"""What stands of a suite after all its runs: the same for every reader."""

import json

import pytest
from click.testing import CliRunner
from kit import judged_results
from kit.results import KEY, claim, result, timing, trial

from repro.archive import files, find, latest, load, stand, standings
from repro.cli import main
from repro.declaration import Declaration
from repro.errors import ReproError
from repro.places import KEPT, RESULTS, RUNS
from repro.report import kept
from repro.report.standing import as_text
from repro.result import PictureResult, TuningResult, falsely_reproduced, write
from repro.site.archive import collect


def verdicts(results):
    return {name: latest.claim.verdict for name, latest in stand(results).claims.items()}


# ---- claims


def test_a_run_of_some_claims_replaces_those_and_nothing_else():
    complete = result(claims={"a": claim(), "b": claim()}, night=1)
    partial = result(claims={"b": claim("refuted")}, night=2, complete=False)
    for runs in ([complete, partial], [partial, complete]):
        assert verdicts(runs) == {"a": "reproduced", "b": "refuted"}
    standing = stand([complete, partial])
    assert (standing.claims["a"].result, standing.claims["b"].result) == (complete, partial)
    assert standing.complete and standing.latest == partial


def test_a_run_on_seeds_that_do_not_judge_stands_nowhere_beside_one_on_those_that_do():
    confirming = claim("refuted")
    confirming = confirming.model_copy(
        update={"evidence": confirming.evidence.model_copy(update={"seeds": tuple(range(2000, 2005))})}
    )
    runs = [result(claims={"a": claim()}, night=1), result(claims={"a": confirming}, night=2)]
    assert verdicts(runs) == {"a": "reproduced"} and stand(runs).results == (runs[0],)
    assert verdicts(runs[1:]) == {"a": "refuted"}


def test_a_complete_run_replaces_all_and_what_it_no_longer_asks_is_gone():
    runs = [
        result(claims={"old": claim(), "a": claim()}, night=1),
        result(claims={"old": claim("refuted")}, night=2, complete=False),
        result(claims={"a": claim("refuted")}, night=3),
    ]
    assert verdicts(runs) == {"a": "refuted"} and stand(runs).results == (runs[2],)


def test_of_partial_runs_alone_each_claim_is_that_of_the_newest_and_the_whole_is_not_complete():
    runs = [
        result(claims={name: claim(verdict)}, night=night, complete=False)
        for night, (name, verdict) in enumerate(
            [("a", "refuted"), ("b", "reproduced"), ("a", "undecided")], 1
        )
    ]
    assert verdicts(runs) == {"b": "reproduced", "a": "undecided"} and not stand(runs).complete


def test_the_last_complete_run_counts_although_all_its_claims_were_asked_again():
    runs = [
        result(claims={"a": claim(), "b": claim()}, night=1),
        result(claims={"a": claim()}, night=2, complete=False),
        result(claims={"b": claim()}, night=3, complete=False),
    ]
    assert stand(runs).complete and [run.id for run in stand(runs).results] == [r.id for r in reversed(runs)]


def test_of_two_runs_that_ended_in_the_same_second_the_higher_id_is_the_newer_whatever_comes_first():
    twins = [
        result(claims={"a": claim(verdict)}).model_copy(update={"id": f"20260101T020000Z-{digits}"})
        for verdict, digits in (("refuted", "00000f"), ("reproduced", "00000a"))
    ]
    assert verdicts(twins) == verdicts(twins[::-1]) == {"a": "refuted"}


def test_suites_and_profiles_stand_apart():
    runs = [result(suite=suite, profile=profile) for suite in "ab" for profile in ("cpu", "gpu")]
    assert list(standings(runs)) == [("a", "cpu"), ("a", "gpu"), ("b", "cpu"), ("b", "gpu")]


# ---- what claims rest on


def test_trials_of_an_arm_that_the_newest_run_did_not_train_stay():
    complete = result([trial("a", 0), trial("b", 0)], night=1)
    partial = result([trial("a", 0, error=0.5)], night=2, complete=False)
    trials = {one.arm: one.measurements["test_error"] for one in stand([complete, partial]).trials}
    assert trials == {"a": 0.5, "b": 0.3}


def test_further_seeds_of_an_older_run_stay_beside_newer_ones_as_long_as_nothing_changed_between_them():
    older = result([trial("a", seed) for seed in range(4)], night=1)
    same = result([trial("a", seed, speed=9.0) for seed in range(2)], night=2, complete=False)
    changed = result([trial("a", seed, error=0.5) for seed in range(2)], night=2, complete=False)
    assert [(one.seed, one.cost["images_per_second"]) for one in stand([older, same]).trials] == [
        (0, 9.0),
        (1, 9.0),
        (2, 1000.0),
        (3, 1000.0),
    ]
    assert [(one.seed, one.measurements["test_error"]) for one in stand([older, changed]).trials] == [
        (0, 0.5),
        (1, 0.5),
    ]


def test_timings_stay_net_by_net():
    complete = result(timings=[timing("a", n, batch_size=size) for n in range(2) for size in (1, 8)], night=1)
    partial = result(timings=[timing("a", 0, batch_size=8, latency=9.0)], night=2, complete=False)
    found = {(one.name, one.seed): one.measurements["latency"] for one in stand([complete, partial]).timings}
    assert found == {("a(batch_size=1)", 0): 20.0, ("a(batch_size=1)", 1): 20.0, ("a(batch_size=8)", 0): 9.0}


def test_an_arm_is_as_it_was_when_it_was_measured():
    complete = result(
        [trial("a"), trial("b")], arms={"a": {"depth": 8}, "b": {"depth": 8}, "c": {"depth": 8}}
    )
    partial = result(
        [trial("a")],
        arms={"a": {"depth": 14}, "b": {"depth": 14}, "c": {"depth": 14}, "d": {"depth": 14}},
        night=2,
        complete=False,
    )
    depths = {name: arm.options["depth"] for name, arm in stand([complete, partial]).arms.items()}
    assert depths == {"a": 14, "b": 8, "c": 14, "d": 14}


def test_what_was_tuned_stays_with_its_arm_and_what_was_measured_keeps_its_unit():
    def tuned(rate):
        return TuningResult(by="test_error", seeds=(1000,), grid=(), chosen={"optimizer.lr": rate})

    complete = result(
        [trial("a"), trial("b")],
        tuning={"a": tuned(0.1), "b": tuned(0.1)},
        quantities={"test_error": Declaration(unit="share"), "test_loss": Declaration(unit="nats")},
    )
    partial = result(
        [trial("a")],
        arms={"b": {}},
        tuning={"b": tuned(0.3)},
        quantities={"test_error": Declaration(unit="%")},
        night=2,
        complete=False,
    )
    together = stand([complete, partial]).together
    assert {name: of.chosen["optimizer.lr"] for name, of in together.tuning.items()} == {"b": 0.1}
    assert {name: of.unit for name, of in together.quantities.items()} == {
        "test_error": "%",
        "test_loss": "nats",
    }


def test_a_picture_stays_with_the_result_in_whose_folder_it_is():
    def picture(file):
        return PictureResult(file=file, says="What is to be seen.", arms=("a",))

    older = result(pictures={"one": picture("1/one.png"), "two": picture("1/two.png")}, night=1)
    newer = result(pictures={"two": picture("2/two.png")}, night=2, complete=False)
    found = {name: (shown.file, run.id) for name, (shown, run) in stand([older, newer]).pictures.items()}
    assert found == {"one": ("1/one.png", older.id), "two": ("2/two.png", newer.id)}


def test_together_it_is_one_result_with_all_claims_environments_and_its_own_level():
    other = {**KEY, "device": "cpu y"}
    complete = result([trial("a")], claims={"a": claim(), "b": claim()}, night=1)
    partial = result([trial("b")], claims={"b": claim("refuted")}, night=2, complete=False, key=other)
    (whole,) = latest([complete, partial]).values()
    assert whole.id == partial.id and whole.complete and {one.arm for one in whole.trials} == {"a", "b"}
    assert {name: one.verdict for name, one in whole.claims.items()} == {"a": "reproduced", "b": "refuted"}
    assert {key["device"] for key in whole.environment.key} == {"cpu x", "cpu y"}
    assert whole.falsely_reproduced == falsely_reproduced(whole.claims.values()) == pytest.approx(0.1)
    assert latest([complete])["made-up", "cpu"] is complete


# ---- in files


@pytest.mark.parametrize(
    "name", [".run.json", "._run.json", ".ipynb_checkpoints/run.json", "made-up/.trash/run.json", "run.json~"]
)
def test_hidden_files_and_those_in_hidden_folders_are_no_results_to_any_reader(tmp_path, name):
    there = tmp_path / ".hidden-above" / "results"
    path = write(judged_results.result({"a": judged_results.sized()}, suite="made-up"), there)
    other = there / name
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text("{")
    assert files(there) == [path] and files(other) == [other]
    for arguments in (
        ("compare", there, there),
        ("export", there, "--to", "csv", "-o", tmp_path / "x.csv"),
        ("watch", there, there),
        ("report", there, "-o", tmp_path / "site"),
    ):
        run = repro(*arguments)
        assert run.exit_code == 0 and "not a result" not in run.output, arguments


def test_a_result_is_found_by_file_by_folder_by_run_id_and_by_suite(tmp_path):
    older, newer = (write(result(night=night), tmp_path) for night in (1, 2))
    gpu = write(result(profile="gpu", night=3), tmp_path)
    assert list(find(str(older), tmp_path)) == list(find(older.stem, tmp_path)) == [older]
    assert list(find("20260102", tmp_path)) == [newer]
    assert list(find(str(newer.parent), tmp_path / "nowhere")) == [older, newer]
    assert list(find("made-up", tmp_path)) == [gpu]  # the profile that was run last
    gpu.unlink()
    assert list(find("made-up", tmp_path)) == [newer]
    with pytest.raises(ReproError, match="'2026' is the start of 2 run ids: 20260101T020000Z-made-u, 2"):
        find("2026", tmp_path)
    with pytest.raises(ReproError, match="no result 'other': neither a file, nor a run id or suite under"):
        find("other", tmp_path)
    with pytest.raises(ReproError, match=r"did you mean 'made-up'\?"):
        find("made-upp", tmp_path)


def test_copies_of_a_run_count_once_and_runs_come_in_the_order_of_their_end(tmp_path):
    for night in (3, 1, 2):
        for place in ("kept", "runs"):
            write(result(night=night), tmp_path / place)
    assert [run.id for run in load(str(tmp_path), tmp_path)] == [result(night=n).id for n in (1, 2, 3)]
    assert len(find(result(night=3).id, tmp_path)) == 1


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def asked_again(tmp_path, monkeypatch):
    """In the current folder, kept results of five claims, and a later run of one of them that refuted it."""
    monkeypatch.chdir(tmp_path)
    held = judged_results.compared(3.0, 6)
    lost = judged_results.compared(-3.0, 6)
    complete = judged_results.result(dict.fromkeys("abcde", held), suite="five", run=0)
    write(complete, KEPT)
    write(judged_results.result({"c": lost}, suite="five", run=1, complete=False), RUNS)
    return {name: "refuted" if name == "c" else "reproduced" for name in "abcde"}


def of_show():
    rows = repro("show", "five").output.splitlines()
    words = (row.removeprefix("! ").split() for row in rows)
    return {word[0]: word[1].rstrip(",") for word in words if len(word) > 1 and word[0] in "abcde"}


def of_compare():
    found = json.loads(repro("compare", KEPT, RESULTS, "--format", "json").stdout)
    assert found["only_base"] == found["only_new"] == [] and found["notes"] == []
    return dict.fromkeys("abcde", "reproduced") | {each["claim"]: each["new"] for each in found["claims"]}


def of_pages():
    (scale,) = collect([RESULTS]).scales
    return {name: latest.claim.verdict for name, latest in scale.claims.items()}


def of_tables():
    assert repro("keep", "five", "--dirty").exit_code == 0
    return {name: latest.claim.verdict for name, latest in kept.kept(KEPT)["five"].claims.items()}


@pytest.mark.parametrize("reader", [of_show, of_compare, of_pages, of_tables])
def test_after_a_complete_run_and_one_of_a_single_claim_all_readers_give_the_same_answer(asked_again, reader):
    assert reader() == asked_again


@pytest.mark.usefixtures("asked_again")
def test_show_says_which_claims_are_from_an_older_run():
    assert "from 2026-11-01T00:00:00Z (20261101T000000Z-000000): a, b, d, e\n" in repro("show", "five").output
    assert "from 2026" not in repro("show", "five", "-k", "c").output


def test_where_it_was_run_says_how_many_trials_shared_a_gpu():
    shared = stand([result(claims={"c": claim()}, key={**KEY, "per_gpu": 8})])
    alone = stand([result(claims={"c": claim()})])
    assert "cpu x shared by 8 trials (fp32, torch 2.9.0), " in as_text(shared, {})
    assert "cpu x (fp32, torch 2.9.0), " in as_text(alone, {})

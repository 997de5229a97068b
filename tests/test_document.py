"""YAML with positions: the scalars of YAML 1.2, no traps, and no file that brings the process down."""

import json
import os
import pickle
import random
import time
from pathlib import Path

import pytest
import yaml

import repro.document
from repro.document import DocumentError, closest, nearest, read
from repro.errors import ReproError
from repro.reading import load

SUITES = sorted((Path(__file__).parents[1] / "suites").glob("*/*.yaml"))


def document(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return read(path)


def errors(tmp_path, text):
    """The problems as `LINE:COL: message`."""
    with pytest.raises(DocumentError) as caught:
        document(tmp_path, text)
    path = str(tmp_path / "x.yaml")
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


# ---- scalars


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("+7", 7),
        ("0", 0),
        ("999999999999999999", 999999999999999999),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("tRUE", "tRUE"),
        ("012", "012"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1__0", "1__0"),
        ("1:30", "1:30"),
        ("2020-01-02", "2020-01-02"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 400, "9" * 400),
        ("'1'", "1"),
        ('"true"', "true"),
        ("é", "é"),
    ],
)
def test_scalars_are_those_of_yaml_1_2_and_what_is_not_plainly_a_number_is_text(tmp_path, text, value):
    found = document(tmp_path, f"a: {text}\n").data["a"]
    assert (found, type(found)) == (value, type(value))


def test_block_scalars_are_text(tmp_path):
    assert document(tmp_path, "a: >\n  1\n  2\nb: |\n  3\n").data == {"a": "1 2\n", "b": "3\n"}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xef\xbb\xbfa: 1\nb: [x]\n", id="byte order mark"),
        pytest.param(b"a: 1\r\nb: [x]\r\n", id="CRLF"),
        pytest.param(b"--- # first\na: 1\nb: [x]\n...\n", id="document markers"),
    ],
)
def test_the_same_is_read_with(tmp_path, raw):
    found = document(tmp_path, raw)
    assert found.data == {"a": 1, "b": ["x"]}
    assert found.keys["a",][1] == found.keys["b",][1] == 1


# ---- positions


def test_every_key_and_value_has_its_line_and_column(tmp_path):
    found = document(tmp_path, "# comment\na: {bé: 1, c: [x, 'y']}\nd:\n  - e: 2\n")
    assert found.keys == {
        ("a",): (2, 1),
        ("a", "bé"): (2, 5),
        ("a", "c"): (2, 12),
        ("d",): (3, 1),
        ("d", 0, "e"): (4, 5),
    }
    assert found.values["a", "c", 1] == (2, 19)
    assert found.values["d", 0, "e"] == (4, 8)


@pytest.mark.parametrize(
    "scalar, column",
    [
        pytest.param("abc", 6, id="plain"),
        pytest.param("'abc'", 7, id="in quotes"),
        pytest.param("'it''s'", 4, id="with an escape: the start of the scalar"),
        pytest.param("ab\n  c", 4, id="on two lines: the start of the scalar"),
        pytest.param(">\n  abc", 4, id="a block: the start of the scalar"),
    ],
)
def test_an_offset_in_a_text_is_a_column_of_the_file_where_it_stands_there_as_it_is(tmp_path, scalar, column):
    problem = document(tmp_path, f"a: {scalar}\n").problem(("a",), "here", offset=2)
    assert (problem.line, problem.column) == (1, column)


def test_a_problem_at_a_place_that_the_file_lacks_is_at_the_nearest_place_above(tmp_path):
    found = document(tmp_path, "a:\n  b: {c: 1}\n")
    assert found.problem(("a", "b", "x", "y"), "m")[1:3] == (2, 6)
    assert found.problem(("a", "b", "x", "y"), "m", at_key=True)[1:3] == (2, 3)
    assert found.problem(("z",), "m")[1:3] == (1, 1)


# ---- what is not a suite's YAML


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("", ["1:1: the file is empty"], id="empty"),
        pytest.param("# nothing\n", ["1:1: the file is empty"], id="only a comment"),
        pytest.param(
            'a: "\\ud83d"\n', [r"1:4: the escape \ud83d is half of a character"], id="half a character"
        ),
        pytest.param(
            "a: 1\n---\nb: 2\n", ["2:1: a second document; a file holds one suite"], id="two documents"
        ),
        pytest.param(
            "a: !!python/object:os.system {x: 1}\nb: !!str 5\n",
            [
                "1:4: tag 'tag:yaml.org,2002:python/object:os.system' is not supported; "
                "write the plain value",
                "2:4: tag 'tag:yaml.org,2002:str' is not supported; write the plain value",
            ],
            id="tags",
        ),
        pytest.param(
            "!x k: 1\n", ["1:1: tag '!x' is not supported; write the plain value"], id="tag of a key"
        ),
        pytest.param(
            "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n",
            [
                f"{place}: anchors and aliases are not supported; write the value out"
                for place in ("1:4", "2:4", "4:7")
            ],
            id="anchor, alias and merge key",
        ),
        pytest.param("a: 1\n? {b: 1}\n: 2\n", ["2:3: a key must be plain text"], id="a mapping as a key"),
        pytest.param("? [a, b]\n: 2\n", ["1:3: a key must be plain text"], id="a list as a key"),
        pytest.param("a: 1\nb: x\x00\n", ["2:5: not YAML: the character U+0000 is not allowed"], id="NUL"),
        pytest.param(
            "a: \x1b[31m\n", ["1:4: not YAML: the character U+001B is not allowed"], id="a control character"
        ),
        pytest.param(b"a: 1\nb: \xc3\xa9\xff\n", ["2:5: not UTF-8 text"], id="not UTF-8"),
        pytest.param("a: 1\n".encode("utf-16"), ["1:1: not UTF-8 text"], id="UTF-16"),
        pytest.param("[" * 33 + "]" * 33, ["1:33: nested more than 32 deep"], id="nested 33 deep"),
        pytest.param("[" * 50_000, ["1:33: nested more than 32 deep"], id="50,000 open brackets"),
        pytest.param("{a: " * 50_000, ["1:129: nested more than 32 deep"], id="50,000 open mappings"),
        pytest.param("- " * 50_000 + "x", ["1:65: nested more than 32 deep"], id="50,000 dashes"),
    ],
)
def test_what_is_not_plain_yaml_is_an_error_with_its_place(tmp_path, text, expected):
    started = time.process_time()
    assert errors(tmp_path, text) == expected
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param(
            "a: [1, 2\nb: 3\n",
            "2:2: not YAML: ':' does not fit in what begins at 1:4; text with ': ' in it must be in quotes",
            id="a bracket that stays open",
        ),
        pytest.param(
            "a: Fig. 1: b\n",
            "1:10: not YAML: ':' does not fit here; text with ': ' in it must be in quotes",
            id="a colon in a text",
        ),
        pytest.param("a: {b: [1}\n", "1:10: not YAML: '}' does not fit in what begins at 1:8", id="a brace"),
        pytest.param("a: - b\n", "1:4: not YAML: '-' does not fit here", id="a list beside its key"),
        pytest.param("a:\n\t- b\n", "2:1: not YAML: a tab, where only blanks may be", id="a tab"),
        pytest.param(
            "a: @b\n",
            "1:4: not YAML: a text that begins with '@' must be in quotes",
            id="a reserved character",
        ),
        pytest.param("a: 'x\n", "2:1: not YAML: the file ends in what begins at 1:4", id="an open quote"),
        pytest.param(
            "a: *\r\nb: 1", "1:5: not YAML: the line ends in what begins at 1:4", id="a star without a name"
        ),
    ],
)
def test_what_is_no_yaml_is_said_in_our_words_whichever_parser_finds_it(
    tmp_path, monkeypatch, text, expected
):
    assert errors(tmp_path, text) == [expected]
    monkeypatch.setattr(repro.document, "FAST", yaml.SafeLoader)
    assert errors(tmp_path, text) == [expected]


def test_a_limit_of_the_fast_parser_is_none_of_ours(tmp_path, monkeypatch):
    class Narrow(yaml.SafeLoader):
        def check_event(self):
            raise yaml.YAMLError("too much")

    monkeypatch.setattr(repro.document, "FAST", Narrow)
    assert document(tmp_path, "a: [1]\n").data == {"a": [1]}


def test_an_alias_bomb_is_not_expanded(tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert len(errors(tmp_path, "\n".join(lines))) == 60 + 2 * 59


def test_duplicate_keys_are_noted_with_the_first_line_and_what_is_below_them_is_not(tmp_path):
    found = document(tmp_path, "a: {x: 1}\nb: 2\na: {x: 3}\n'a': {x: 4, x: 5}\n")
    assert [problem[1:] for problem in found.duplicates] == [
        (3, 1, "duplicate key 'a' (first on line 1)"),
        (4, 1, "duplicate key 'a' (first on line 1)"),
        (4, 13, "duplicate key 'x' (first on line 4)"),
    ]
    assert found.data["a"] == {"x": 5}


def test_duplicate_keys_are_told_along_with_what_makes_a_file_unreadable(tmp_path):
    assert errors(tmp_path, "a: 1\na: &x 2\n") == [
        "2:1: duplicate key 'a' (first on line 1)",
        "2:4: anchors and aliases are not supported; write the value out",
    ]


def test_a_path_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ReproError, match=r"nothing\.yaml: cannot be read: No such file or directory"):
        read(tmp_path / "nothing.yaml")
    with pytest.raises(ReproError, match=r"cannot be read: Is a directory"):
        read(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    (tmp_path / "x.yaml").write_text("a: 1")
    (tmp_path / "x.yaml").chmod(0)
    with pytest.raises(ReproError, match=r"x\.yaml: cannot be read: Permission denied"):
        read(tmp_path / "x.yaml")


def test_a_megabyte_is_read_in_seconds(tmp_path):
    text = "".join(f"key{n}: {{a: {n}, b: {'x' * 80}}}\n" for n in range(10_000))
    assert len(text) > 1_000_000
    started = time.process_time()
    assert len(document(tmp_path, text).data) == 10_000
    assert time.process_time() - started < 10


def test_an_error_survives_the_way_between_processes(tmp_path):
    with pytest.raises(DocumentError) as caught:
        document(tmp_path, "a: *b")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


# ---- names


def test_the_nearest_name_is_offered_or_else_all_of_them():
    assert nearest("plain02", ["plain20", "resnet20"]) == "; did you mean 'plain20'?"
    assert nearest("zzz", ["b", "a"]) == "; known: a, b"
    assert nearest("zzz", []) == ""
    assert closest("depht", ["width", "depth"]) == "depth"
    assert closest("zzz", ["width"]) is None


METRICS = ["flops", "miou", "params", "test_error", "top5_error", "train_error", "train_loss"]
RECIPE = ["augment", "batch_size", "evaluate", "optimizer", "schedule", "steps"]
OF_SGD = ["lr", "momentum", "weight_decay"]
DATA = ["cifar10", "cifar100", "fashion-mnist", "fashion-mnist-small", "pascal-voc", "scenes"]
NETS = ["cifar_resnet", "deeplab_v3", "densenet", "resnet", "resnext", "vgg"]
NAMES = ["fcn-skips", "resnet-degradation", "resnet-variants", "resnext", "vgg-training"]


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("MIoU", METRICS, ["miou"]),
        ("Train-Error", METRICS, ["train_error"]),
        ("training_error", METRICS, ["train_error"]),
        ("test_accuracy", METRICS, ["test_error"]),
        ("loss", METRICS, ["train_loss"]),  # not flops
        ("parameters", METRICS, ["params"]),
        ("error", METRICS, ["top5_error", "test_error", "train_error"]),
        ("epochs", RECIPE, ["steps"]),
        ("lr", RECIPE, ["optimizer"]),
        ("learning_rate", RECIPE, ["optimizer"]),
        ("batchsize", RECIPE, ["batch_size"]),
        ("optim", RECIPE, ["optimizer"]),
        ("learning_rate", OF_SGD, ["lr"]),
        ("wd", OF_SGD, ["weight_decay"]),
        ("SGD", ["adamw", "sgd"], ["sgd"]),
        ("CIFAR-10", DATA, ["cifar10"]),
        ("cifar", DATA, ["cifar10", "cifar100"]),
        ("mnist", DATA, ["fashion-mnist", "fashion-mnist-small"]),
        ("voc", DATA, ["pascal-voc"]),
        ("scene", DATA, ["scenes"]),
        ("VGG16", NETS, ["vgg"]),
        ("resnet50", NETS, ["resnet"]),
        ("DeepLabV3", NETS, ["deeplab_v3"]),
        ("desnenet", NETS, ["densenet"]),
        ("resnet", NAMES, ["resnet-variants", "resnet-degradation"]),  # not resnext
        ("fcn_skip", NAMES, ["fcn-skips"]),
        ("degradation", NAMES, ["resnet-degradation"]),
        ("CPU", ["cpu", "gpu", "paper"], ["cpu"]),
        ("cuda", ["cpu", "gpu", "paper"], ["gpu"]),
        ("horizontal_flip", ["crop", "flip", "upside_down"], ["flip"]),
        ("???", ["a", "b"], []),
    ],
)
def test_what_users_write_by_mistake_is_understood(name, known, meant):
    quoted = [f"'{one}'" for one in meant]
    offered = " or ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))
    hint = nearest(name, known)
    assert hint == (f"; did you mean {offered}?" if meant else f"; known: {', '.join(known)}")
    assert closest(name, known) == next(iter(meant), None)


# ---- anything at all

PIECES = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "  ",
    "\t",
    "'",
    '"',
    "#",
    "&a ",
    "*a",
    "!!str ",
    "? ",
    "| ",
    "> ",
    "%",
    "---\n",
]
PIECES += [
    "null",
    "true",
    "1e-4",
    "012",
    "-1",
    "1e999",
    "\x00",
    "\ufeff",
    "\u2028",
    "é",
    "<<: ",
    "\\ud800",
    '"\\ud800"',
    "name",
    "x: {}",
]
PIECES += [
    "model: 5\n",
    "arms: []\n",
    "profiles: {}\n",
    "data: 3",
    "recipe: {}",
    "approx(",
    " and ",
    "claims",
    "a(b) < c(d)",
]


def mutated(text, rng):
    """A suite's text with a few pieces cut out, doubled, swapped, or put in."""
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 1, 1, 3, 10, 40, 200]))
        text = (
            text[:start]
            + rng.choice([rng.choice(PIECES), "", text[start:end] * 2, text[end : end + 20]])
            + text[end:]
        )
    return text


@pytest.mark.slow
def test_whatever_becomes_of_a_suite_it_is_read_or_refused_in_so_many_words(tmp_path):
    rng, path, read_well = random.Random(0), tmp_path / "x.yaml", 0
    (tmp_path / "ledger.json").write_text(
        json.dumps([{"id": "RS02"}, {"id": "RS03"}, {"id": "RS05"}, {"id": "G25"}])
    )
    shorter = sorted((suite.read_text() for suite in SUITES), key=len)[: len(SUITES) // 2]
    for _ in range(800):
        path.write_text(mutated(rng.choice(shorter), rng), encoding="utf-8", errors="surrogatepass")
        try:
            load(path)
            read_well += 1
        except ReproError as error:
            for line in str(error).split("\n"):
                assert line.startswith(f"{path}:") and line.isprintable(), line
    assert 0 < read_well < 250

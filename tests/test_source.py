"""What source code says without being imported, and what another package adds through entry points."""

import subprocess
import sys
import textwrap
from typing import Any, Literal

import pytest

from repro import bounds, source
from repro.errors import ReproError
from repro.source import Parameter

MODULES = {
    "__init__.py": "from .nets import Net as Shown\nfrom .nets import make\nSIZE = 3\n",
    "nets.py": """
        '''Nets.'''
        import nothing_that_is_installed
        from othernets.layers import Layer
        from . import blocks as b
        raise RuntimeError("imported")

        class Base:
            def __init__(self, depth: int, *, kind: Literal["a", "b"] = "a", layer: Layer = None, **rest): ...

        class Net(Base):
            '''A net.'''
            metrics = ("error", "loss")
            names: tuple = ("x",)
            computed = tuple(range(3))

        class Wide(Net):
            def __init__(self, width: int = 8, kind: str = "b", **others): ...

        @dataclass(frozen=True)
        class Data(Base):
            size: int = 28
            path: "str" = "p"

        def make(model, /, width, rate: float = 0.5, *, shape: tuple[int, int], on: bool | None = None,
                 size=b.SIZE, odd: 1 + 'x' = 0, trick: open('trace', 'w') = 0, many: list[int] = [1, 2]):
            from .deep.late import late
            return None

        class Plain: ...
    """,
    "layers.py": "class Layer:\n    size = 1\n",
    "blocks.py": "SIZE = 5\n",
    "unused.py": "A = 1\n",
    "deep/__init__.py": "",
    "deep/late.py": "from ..unused import A\nlate = 1\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that cannot be imported, on the path: rewrites one of its modules, forgets what was read."""

    def write(name, text):
        path = tmp_path / "othernets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        for reader in (
            source.parameters,
            source.constant,
            source.digest,
            source._tree,
            source._path,
            source._imports,
            source._essence,
            source._imports,
        ):
            reader.cache_clear()

    for name, text in MODULES.items():
        write(name, text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return write


def digest(target="othernets.nets:Net"):
    return source.digest(frozenset([target]))


# ---- parameters


@pytest.mark.usefixtures("package")
def test_parameters_of_a_function_are_read_without_importing_it(tmp_path):
    assert source.parameters("othernets.nets:make") == {
        "model": Parameter(Any, True, None),
        "width": Parameter(Any, True, None),
        "rate": Parameter(float, False, 0.5),
        "shape": Parameter(tuple[int, int], True, None),
        "on": Parameter(bool | None, False, None),
        "size": Parameter(Any, False, None),
        "odd": Parameter(Any, False, 0),
        "trick": Parameter(Any, False, 0),
        "many": Parameter(list[int], False, [1, 2]),
    }
    assert "othernets" not in sys.modules
    assert not (tmp_path / "trace").exists()


def test_types_with_bounds_are_read_by_name(package):
    types = "lr: NonNegativeFloat, keep: tuple[BelowOne, Share], size: PositiveInt | None = None"
    package("bounded.py", f"from repro.bounds import *\ndef make(parameters, *, {types}): ...\n")
    read = source.parameters("othernets.bounded:make")
    assert {name: p.annotation for name, p in read.items()} == {
        "parameters": Any,
        "lr": bounds.NonNegativeFloat,
        "keep": tuple[bounds.BelowOne, bounds.Share],
        "size": bounds.PositiveInt | None,
    }
    assert [read[name].bare for name in ("parameters", "lr")] == [Any, float]


@pytest.mark.usefixtures("package")
def test_parameters_of_a_class_are_those_of_its_constructor_be_it_inherited_or_that_of_a_dataclass():
    of_base = {
        "depth": Parameter(int, True, None),
        "kind": Parameter(Literal["a", "b"], False, "a"),
        "layer": Parameter(Any, False, None),
    }
    assert source.parameters("othernets.nets:Base") == of_base
    assert source.parameters("othernets.nets:Net") == of_base
    assert source.parameters("othernets:Shown") == of_base
    assert source.parameters("othernets.nets:Wide") == {
        "width": Parameter(int, False, 8),
        "kind": Parameter(str, False, "b"),
        "depth": of_base["depth"],
        "layer": of_base["layer"],
    }
    assert source.parameters("othernets.nets:Data") == {
        **of_base,
        "size": Parameter(int, False, 28),
        "path": Parameter(Any, False, "p"),
    }
    assert source.parameters("othernets.nets:Plain") == {}


@pytest.mark.usefixtures("package")
def test_constants_of_a_class_are_its_literals():
    assert source.constant("othernets.nets:Net", "metrics") == ("error", "loss")
    assert source.constant("othernets.nets:Net", "names") == ("x",)
    assert source.constant("othernets.nets:Net", "computed") is None
    assert source.constant("othernets.nets:Net", "missing") is None


@pytest.mark.parametrize(
    "target, message",
    [
        ("nowhere:Net", "module 'nowhere' is registered but has no source file; is its package installed?"),
        (
            "othernets.gone:Net",
            "module 'othernets.gone' is registered but has no source file; is its package installed?",
        ),
        (
            "othernets.nets:Nett",
            "'othernets.nets:Nett' is registered, but .*nets.py defines no class or function 'Nett'",
        ),
        (
            "othernets.broken:Net",
            "module 'othernets.broken' is registered but cannot be read: invalid syntax",
        ),
    ],
)
def test_a_target_that_is_not_there_is_named(package, target, message):
    package("broken.py", "class Net(:\n")
    with pytest.raises(ReproError, match=message):
        source.parameters(target)


# ---- digests


@pytest.mark.parametrize(
    "name, old, new",
    [
        pytest.param("nets.py", "'''A net.'''", "'''A very deep net.'''", id="a docstring"),
        pytest.param("nets.py", "'''A net.'''", "", id="no docstring"),
        pytest.param("nets.py", "class Plain: ...", "class Plain: ...  # nothing", id="a comment"),
        pytest.param(
            "nets.py", "rate: float = 0.5, *, ", "rate: float=.5, *,\n                 ", id="the layout"
        ),
        pytest.param("unused.py", "A = 1", "'''Doc.'''\nA = 1", id="a docstring of an imported module"),
    ],
)
def test_what_does_not_change_what_code_does_does_not_change_its_digest(package, name, old, new):
    before = digest()
    assert old in MODULES[name]
    package(name, MODULES[name].replace(old, new))
    assert digest() == before


@pytest.mark.parametrize(
    "name, old, new",
    [
        pytest.param("nets.py", "rate: float = 0.5", "rate: float = 0.6", id="its own module"),
        pytest.param("layers.py", "size = 1", "size = 2", id="a module it imports"),
        pytest.param("blocks.py", "SIZE = 5", "SIZE = 6", id="one that it imports relative to itself"),
        pytest.param("deep/late.py", "late = 1", "late = 2", id="one that it imports within a function"),
        pytest.param("unused.py", "A = 1", "A = 2", id="one that such a one imports"),
    ],
)
def test_a_change_of_code_in_a_module_or_in_those_it_imports_changes_the_digest(package, name, old, new):
    before = digest()
    assert old in MODULES[name]
    package(name, MODULES[name].replace(old, new))
    assert digest() != before


def test_a_change_in_a_module_that_is_not_imported_does_not_change_the_digest(package):
    before = digest("othernets.layers:Layer")
    package("blocks.py", "SIZE = 7")
    assert digest("othernets.layers:Layer") == before


def test_top_level_modules_of_the_harness_do_not_count(monkeypatch):
    target = frozenset(["repro.training.loop:train"])
    seen = []
    monkeypatch.setattr(source, "_essence", lambda module: seen.append(module) or "")
    source.digest.cache_clear()
    source.digest(target)
    source.digest.cache_clear()
    assert "repro.training.loop" in seen
    assert [module for module in seen if module.count(".") < 2] == []


# ---- another package


def test_what_another_package_imports_of_the_harness_is_in_its_digest(package, monkeypatch):
    package("tasks.py", "from repro import errors\nfrom repro.tasks.classification import Classification")
    seen = []
    monkeypatch.setattr(source, "_essence", lambda module: seen.append(module) or "")
    digest("othernets.tasks:Classification")
    assert {"othernets.tasks", "repro.tasks.classification", "repro.tasks.form"} <= set(seen)
    assert "repro.errors" not in seen


def test_what_another_package_builds_on_a_class_of_the_harness_has_its_options(package):
    package("wide.py", "from repro.models.vgg import VGG\nclass Wide(VGG): ...\n")
    assert source.parameters("othernets.wide:Wide") == source.parameters("repro.models.vgg:VGG")


def test_another_package_adds_a_model_through_an_entry_point_and_checking_a_suite_does_not_import_it(
    package, tmp_path
):
    package(
        "small.py",
        "raise RuntimeError('imported')\nclass Small:\n    def __init__(self, *, schema: int = 2): ...\n",
    )
    info = tmp_path / "othernets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: othernets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[repro.models]\nsmall_net = othernets.small:Small\n")
    suite = (
        "suite: s\ntask: classification\narms:\n  a: {model: small_net, schema: %s}\nprofiles:\n  cpu: {}\n"
    )
    suite += "claims:\n  c: {says: It is small., expect: params(a) < 100}\n"
    (tmp_path / "good.yaml").write_text(suite % 3)
    (tmp_path / "bad.yaml").write_text((suite % "x").replace("small_net", "smal_net") + "seeds: 5\n")
    (tmp_path / "worse.yaml").write_text(suite % "x")
    code = """
        import sys
        from pathlib import Path
        from repro.reading import load
        print(load(Path("good.yaml")).resolve("a", "cpu").model)
        for name in ("bad.yaml", "worse.yaml"):
            try:
                load(Path(name))
            except Exception as error:
                print(error)
        print("othernets" in sys.modules)
    """
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        "import sys; sys.path.insert(0, '.')\n" + textwrap.dedent(code),
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.stderr == ""
    assert run.stdout.split("\n") == [
        "name='small_net' schema=3",
        "bad.yaml:4:14: unknown model 'smal_net'; did you mean 'small_net'?",
        "bad.yaml:9:8: seeds: expected a mapping, not 5",
        "worse.yaml:4:33: schema: expected a whole number, not 'x'",
        "False",
        "",
    ]

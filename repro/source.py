"""What source code says, read without importing it: so that a suite is checked without torch.

A target is `module:name`, as in an entry point: a class or a function.
"""

import ast
import hashlib
import importlib.util
import typing
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from repro.errors import ReproError

HARNESS = __name__.partition(".")[0]


class Parameter(NamedTuple):
    """One parameter of a function, or of a class's `__init__`."""

    annotation: Any
    required: bool
    default: Any


@cache
def parameters(target: str) -> dict[str, Parameter]:
    """The parameters of a function or of a class's constructor, without `self`. Annotations are those of built-in types."""
    node = _definition(target)
    if isinstance(node, ast.ClassDef):
        node = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if node is None:
            return {}
        skipped = 1
    else:
        skipped = 0
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)][skipped:]
    return {a.arg: Parameter(_annotation(a), d is None, None if d is None else _literal(d)) for a, d in pairs}


@cache
def constant(target: str, name: str) -> Any:
    """The literal that a class body gives a name, `metrics = ("train_error", …)` say. None if it gives none."""
    for node in _definition(target).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value)
    return None


@cache
def digest(targets: frozenset[str]) -> str:
    """A content hash of the modules that define the targets and of those of their own packages that they import.

    What cannot change an outcome does not make a trial a new one: comments, formatting and docstrings do not count, nor
    do the harness's own top-level modules, which say what is asked and remembered (what they resolve is in the spec).
    """
    modules: set[str] = set()
    queue = [target.partition(":")[0] for target in targets]
    while queue:
        module = queue.pop()
        if module not in modules:
            modules.add(module)
            queue += _imports(module)
    content = hashlib.sha256()
    for module in sorted(modules):
        content.update(f"{module}\0{_essence(module)}\0".encode())
    return content.hexdigest()[:16]


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text(encoding="utf-8"))


@cache
def _path(module: str) -> Path:
    found = _file(module)
    if found is None:
        raise ReproError(f"module '{module}' is registered but has no source file; is its package installed?")
    return found


def _file(module: str) -> Path | None:
    """Where a module's source stands, found without importing it or the packages around it."""
    package, *steps = module.split(".")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin:
        return None
    if not steps:
        return Path(spec.origin) if spec.origin.endswith(".py") else None
    for root in map(Path, spec.submodule_search_locations or ()):
        for file in (root.joinpath(*steps).with_suffix(".py"), root.joinpath(*steps, "__init__.py")):
            if file.is_file():
                return file
    return None


def _definition(target: str) -> Any:
    module, _, name = target.partition(":")
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
    raise ReproError(f"'{target}' is registered, but {_path(module)} defines no class or function '{name}'")


def _annotation(argument: ast.arg) -> Any:
    if argument.annotation is None:
        return Any
    try:
        return eval(ast.unparse(argument.annotation), {"Literal": typing.Literal, "Any": Any})
    except NameError:
        return Any  # a type of another module: only the name of the option is checked


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _imports(module: str) -> Iterable[str]:
    """The modules of the same top-level package that a module imports, wherever the statement stands."""
    package = module.partition(".")[0]
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == package and name.rpartition(".")[0] not in ("", HARNESS) and _file(name):
                yield name


@cache
def _essence(module: str) -> str:
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.unparse(tree)

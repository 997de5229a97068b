"""What source code says, read without importing it: so that a suite is checked without torch.

A target is `module:name`, as in an entry point: a class or a function.
"""

import ast
import contextlib
import hashlib
import importlib.util
import typing
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from repro import bounds
from repro.errors import ReproError
from repro.faults import others

HARNESS = __name__.partition(".")[0]
TYPES = {
    **{t.__name__: t for t in (bool, int, float, str, list, tuple, dict, set)},
    "Any": Any,
    "Literal": typing.Literal,
    **{name: getattr(bounds, name) for name in bounds.__all__},
}


class Parameter(NamedTuple):
    """One parameter of a function, or of a class's `__init__`."""

    annotation: Any
    required: bool
    default: Any

    @property
    def bare(self) -> Any:
        """Its type, without bounds."""
        bounded = typing.get_origin(self.annotation) is typing.Annotated
        return typing.get_args(self.annotation)[0] if bounded else self.annotation


@cache
def parameters(target: str) -> dict[str, Parameter]:
    """The parameters of a function or of a class's constructor, without `self`. Annotations are those of
    built-in types, with bounds or without. A constructor with `**others` has those of its bases, too.
    """
    module, node = _definition(target)
    if isinstance(node, ast.ClassDef):
        constructor = next(
            (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
        )
        if constructor is None:
            return _inherited(module, node)
        own = dict(list(_signature(constructor).items())[1:])
        inherited = _inherited(module, node) if constructor.args.kwarg else {}
        return own | {name: one for name, one in inherited.items() if name not in own}
    return _signature(node)


def _signature(function: ast.FunctionDef) -> dict[str, Parameter]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(
        arguments.defaults
    )
    pairs = [
        *zip(positional, defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return {a.arg: _parameter(a.annotation, d) for a, d in pairs}


def _inherited(module: str, node: ast.ClassDef) -> dict[str, Parameter]:
    """Of a class without `__init__`: those of its bases in the same package, and its own fields if it is a
    dataclass.
    """
    found: dict[str, Parameter] = {}
    for base in node.bases:
        if isinstance(base, ast.Name):
            with contextlib.suppress(ReproError):  # of another package: nothing is known of it
                found |= parameters(f"{module}:{base.id}")
    if any(ast.unparse(d).partition("(")[0].rpartition(".")[2] == "dataclass" for d in node.decorator_list):
        fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        found |= {ast.unparse(n.target): _parameter(n.annotation, n.value) for n in fields}
    return found


@cache
def constant(target: str, name: str) -> Any:
    """The literal that a class body gives a name, `metrics = ("train_error", …)` say. None if it gives
    none.
    """
    for node in _definition(target)[1].body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return _literal(node.value)
    return None


@cache
def decoration(target: str, name: str) -> dict[str, Any] | None:
    """The literal keywords of a decorator: `{"unit": "ms"}` of `@declare(unit="ms")`; None without it."""
    for node in _definition(target)[1].decorator_list:
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
            return {str(keyword.arg): _literal(keyword.value) for keyword in node.keywords}
    return None


@cache
def docstring(target: str) -> str:
    """What a class or a function says of itself; empty if it says nothing."""
    return ast.get_docstring(_definition(target)[1]) or ""


@cache
def digest(targets: frozenset[str]) -> str:
    """A content hash of the modules that define the targets and of those that they import of their own
    packages and of the harness.

    What cannot change an outcome does not make a trial a new one: comments, formatting and docstrings do not
    count, nor do the harness's own top-level modules, which say what is asked and remembered (what they
    resolve is in the spec).
    """
    content = hashlib.sha256()
    for module in sorted(modules(targets)):
        content.update(f"{module}\0{_essence(module)}\0".encode())
    return content.hexdigest()[:16]


@cache
def modules(targets: frozenset[str]) -> frozenset[str]:
    """Those that define the targets, with those that they import of their own packages and of the harness,
    but for its own at the top.
    """
    found: set[str] = set()
    queue = [target.partition(":")[0] for target in targets]
    while queue:
        module = queue.pop()
        if module not in found:
            found.add(module)
            queue += _imports(module)
    return frozenset(found)


@cache
def of_packages() -> str:
    """A hash of all that stands in the files of the harness, and in those of packages that add to it."""
    content = hashlib.sha256()
    for package in sorted({HARNESS, *others()}):
        for name, held in _files(package):
            content.update(f"{package}\0{name}\0".encode() + held)
    return content.hexdigest()[:16]


def _files(package: str) -> Iterable[tuple[str, bytes]]:
    """The source files of a package, or of a module that is none: name and content, in order."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    if not spec.submodule_search_locations:
        yield "", _path(package).read_bytes()
    for folder in map(Path, spec.submodule_search_locations or ()):
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(folder).as_posix(), path.read_bytes()


@cache
def _tree(module: str) -> ast.Module:
    try:
        return ast.parse(_path(module).read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise ReproError(f"module '{module}' is registered but cannot be read: {error}") from None


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
    if spec is None:
        return None
    if not steps:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for root in map(Path, spec.submodule_search_locations or ()):
        for file in (root.joinpath(*steps).with_suffix(".py"), root.joinpath(*steps, "__init__.py")):
            if file.is_file():
                return file
    return None


def _definition(target: str) -> tuple[str, Any]:
    """The class or function of a name, and the module it stands in: that of the target, or one that it is
    imported from.
    """
    module, _, name = target.partition(":")
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            for alias in node.names:
                if (alias.asname or alias.name) == name and _is_known(origin, module) and _file(origin):
                    return _definition(f"{origin}:{alias.name}")
    raise ReproError(f"'{target}' is registered, but {_path(module)} defines no class or function '{name}'")


def _parameter(annotation: ast.expr | None, default: ast.expr | None) -> Parameter:
    return Parameter(_type(annotation), default is None, None if default is None else _literal(default))


def _type(annotation: ast.expr | None) -> Any:
    """The type that an annotation of `TYPES` means; any other allows any value, and only the name of the
    option is checked.
    """
    try:
        found = eval(ast.unparse(annotation), {"__builtins__": {}, **TYPES}) if annotation else Any
    except (NameError, TypeError, AttributeError, SyntaxError):
        return Any
    return Any if isinstance(found, str) else found


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


@cache
def _imports(module: str) -> tuple[str, ...]:
    """The modules of its top-level package and of the harness that a module imports, wherever the statement
    stands.
    """
    return tuple(_imported(module))


def _imported(module: str) -> Iterable[str]:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            at_its_top = HARNESS in (name, name.rpartition(".")[0])  # modules that say what is asked
            if _is_known(name, module) and not at_its_top and _file(name):
                yield name


def _origin(module: str, node: ast.ImportFrom) -> str:
    """The full name of the module that a `from … import` names."""
    if not node.level:
        return node.module or ""
    above = module.split(".") if _path(module).name == "__init__.py" else module.split(".")[:-1]
    above = above[: len(above) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _is_known(name: str, module: str) -> bool:
    """Whether a module is of the same package as the one that imports it, or of the harness."""
    return name.partition(".")[0] in (module.partition(".")[0], HARNESS)


@cache
def _essence(module: str) -> str:
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)

"""HTML and SVG as values: `element("p", "a < b", class_="note")`. The one place where text is escaped."""

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

VOID = frozenset({"br", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already. Whatever else becomes part of an element is escaped."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | Iterable[Child] | None"
Value: TypeAlias = str | int | float | bool | None


def element(name: str, /, *children: Child, **attributes: Value) -> Markup:
    """Named as in Python: `class_` is class, `data_value` data-value. None and False are left out."""
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(start if name in VOID else f"{start}{markup(children)}</{name}>")


def markup(child: Child) -> Markup:
    """One after the other, nothing for None."""
    if isinstance(child, Markup):
        return child
    if child is None:
        return Markup()
    if isinstance(child, str | int | float):
        return Markup(escape(str(child)))
    return Markup("".join(map(markup, child)))


def link(address: str, *children: Child, **attributes: Value) -> Markup:
    return element("a", *children, href=address, **attributes)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    key = key.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape(str(value))}"'

"""Small pieces of HTML, for what a notebook shows: everything that is text is escaped, nothing is fetched."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib import import_module
from typing import Any

_NESTED = 3  # levels of a nested mapping that are written out; a deeper one is printed as one value
_LISTED = 8  # entries of a list that are shown


def shown_by(function: str) -> Callable[[Any], str]:
    """Make a method ``_repr_html_`` of a function, ``"module:name"``, that is imported when it is called."""
    module, _, name = function.partition(":")

    def _repr_html_(self: Any) -> str:
        return getattr(import_module(module), name)(self)

    return _repr_html_


def fragment(heading: str, *parts: str) -> str:
    """Put ``parts``, HTML already, below a heading, text, in one block."""
    return f'<div class="p3d-eval"><p><b>{escape(heading)}</b></p>{"".join(parts)}</div>'


def facts(values: Mapping[str, Any]) -> str:
    """Write a table of two columns, names and values; what is empty is left out.

    Parameters
    ----------
    values : mapping
        Text, numbers, lists, and mappings of these.
    """
    shown = {name: value for name, value in values.items() if value not in (None, "", (), [], {})}
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name.replace("_", " "))}</th>'
        f'<td style="text-align:left">{escape(plain(value))}</td></tr>'
        for name, value in shown.items()
    )
    return f"<table><tbody>{rows}</tbody></table>" if rows else ""


def grid(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table with headings; cells are text or numbers, formatted already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def warnings(texts: Iterable[str]) -> str:
    """Write sentences that must be read, in red."""
    return "".join(f'<p style="color:#b00020"><b>warning:</b> {escape(text)}</p>' for text in texts)


def folded(heading: str, content: str) -> str:
    """Hide ``content``, HTML already, below a heading that opens it; nothing where there is no content."""
    return f"<details><summary>{escape(heading)}</summary>{content}</details>" if content else ""


def plain(value: Any, depth: int = 0) -> str:
    """Write a nested value as one line of text: ``resize=182×242, crop=160``."""
    if isinstance(value, Mapping) and depth < _NESTED:
        return ", ".join(f"{name}={plain(inner, depth + 1)}" for name, inner in value.items())
    if isinstance(value, list | tuple) and depth < _NESTED:
        shown = [plain(inner, depth + 1) for inner in value[:_LISTED]]
        return ", ".join(shown) + (f", … {len(value) - _LISTED} more" if len(value) > _LISTED else "")
    return str(value)

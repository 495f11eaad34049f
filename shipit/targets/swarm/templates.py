"""Text that Swarm would take for a template: it expands `{{...}}` in variables, host names and mounts. Pure.

Source: swarmkit, template/expand.go, ExpandContainerSpec; Go's text/template.
"""

from __future__ import annotations

_BEGINS = "{{"
# A template that gives the two braces.
_LITERAL = '{{"{{"}}'


def is_template(text: str) -> bool:
    return _BEGINS in text


def literal(text: str) -> str:
    """The template that gives a text as it is; the text itself where it has no `{{`."""
    return text.replace(_BEGINS, _LITERAL)


def text_of(template: str) -> str | None:
    """The text that `literal` made a template of; None for another template."""
    text = template.replace(_LITERAL, _BEGINS)
    return text if literal(text) == template else None

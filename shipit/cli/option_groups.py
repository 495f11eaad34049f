"""From the groups of options that a command asks for to the options themselves, and from their values to the groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from shipit.cli.declared import Declared
from shipit.cli.plain_words import read_plain


class Grouped(NamedTuple):
    """A command: its options and arguments, and the function that runs it with a value for each, by name."""

    parameters: Sequence[inspect.Parameter]
    call: Callable[..., None]


def grouped(function: Callable[..., None]) -> Grouped:
    """Each parameter of the function whose type is a group of options, as in `options`, becomes the options of that group."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
    for group in groups.values():
        parameters += _fields_as_parameters(group)

    def call(**values: Any) -> None:
        made = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        function(**made, **values)

    return Grouped(parameters, call)


def for_typer(function: Callable[..., None]) -> Callable[..., None]:
    """The function as typer reads it."""
    parameters, call = grouped(function)
    read = [own.replace(annotation=_annotation_for_typer(own.annotation)) for own in parameters]
    call.__signature__ = inspect.Signature(read)  # type: ignore[attr-defined]
    call.__annotations__ = {own.name: own.annotation for own in read}
    return call


def call_without_typer(function: Callable[..., None], words: Sequence[str]) -> Callable[[], None] | None:
    """A call of a command whose command line is plain: typer is not needed to read it.

    None where the command takes other arguments than one list of words, and where something is unusual, missing or too much: typer tells it.
    """
    parameters, call = grouped(function)
    values = {own.name: own.default for own in parameters}
    arguments = [own for own in parameters if not _is_option(own)]
    found = read_plain([own for own in parameters if _is_option(own)], words)
    if found is None:
        return None
    if [get_args(own.annotation)[:1] for own in arguments] == [(list[str] | None,)]:
        values[arguments[0].name] = found.words or None
    elif arguments or found.words:
        return None
    values |= found.values
    return None if inspect.Parameter.empty in values.values() else partial(call, **values)


def _is_option(parameter: inspect.Parameter) -> bool:
    return any(isinstance(own, Declared) and own.is_option for own in get_args(parameter.annotation)[1:])


def _annotation_for_typer(annotation: Any) -> Any:
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *others = get_args(annotation)
    return Annotated[(kind, *(own.for_typer() if isinstance(own, Declared) else own for own in others))]


def _fields_as_parameters(group: Any) -> list[inspect.Parameter]:
    """The most specific first: those of the class itself before those of its bases."""
    hints = get_type_hints(group, include_extras=True)
    depth = {name: at for at, base in enumerate(reversed(group.__mro__)) for name in inspect.get_annotations(base)}
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in sorted(fields(group), key=lambda field: -depth[field.name])
    ]

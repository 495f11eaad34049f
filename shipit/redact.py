"""Masks secrets in output. Pure. Imports dumps, encoded, errors, printable, record and wrapped only."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

from shipit.dumps import Fragments, fragments_of, spans_in_dumps
from shipit.errors import ShipitError
from shipit.printable import cut_text
from shipit.record import field_names
from shipit.wrapped import may_be_wrapped, within

T = TypeVar("T")
Span = tuple[int, int]

SHORTEST = 4
MASK = "[redacted]"
_HEAD = 64
# The most texts that are known to have no secret, and the longest of them.
_MOST_KEPT, _LONGEST_KEPT = 4096, 256
# Of a line that continues another, as much as shows whether a form does.
_JOINED = 4 * SHORTEST
# Characters that programs append to text that they cut.
_CUT_MARKS = " \t\n.\u2026\"'`)]}>"


class _Known(NamedTuple):
    """The index of the forms to search for. `by_start`: first four characters of a form -> forms, longest first.

    Every `stride`th four characters of a text are compared with `grams`: a form can't be there without one of them.
    `clean` are texts without any: what a step does is told when it is planned, begun and done.
    """

    by_start: dict[str, tuple[str, ...]]
    grams: frozenset[str]
    stride: int
    longest: int
    has_spaces: bool
    fragments: Fragments
    clean: set[str]


_Gap = Callable[[re.Match[str]], str]
_NOTHING = _Known({}, frozenset(), SHORTEST, 0, False, Fragments(), set())


class Redactor:
    """Holds every credential that the process has read, and masks each of its forms in text.

    Values under four characters are not searched for. Only free text is changed: fields of events and plans that are
    declared as such, and the text of errors. Safe to use from several threads.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        # Forms are computed when the first text is redacted: most commands print none.
        self._new: set[str] = set()
        self._forms: set[str] = set()
        self._bytes: set[bytes] = set()
        self._index = _NOTHING
        self._lock = threading.Lock()
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Mask these values from now on."""
        new = {value for value in values if len(value) >= SHORTEST and value not in self._values}
        if new:
            with self._lock:
                self._values |= new
                self._new |= new

    def learn(self, value: str) -> str:
        """Mask a value from now on; returns it."""
        self.add((value,))
        return value

    def text(self, text: str) -> str:
        """The text with every form of a secret masked; the number of lines stays the same."""
        spans = self.spans(text)
        return _masked(text, spans) if spans else text

    def lines(self, lines: Sequence[str]) -> tuple[str, ...]:
        """The lines of one text with secrets masked, also those that span several lines."""
        parts = iter(self.text("\n".join(lines)).split("\n"))
        return tuple("\n".join(next(parts) for _ in range(line.count("\n") + 1)) for line in lines)

    def value(self, value: T) -> T:
        """A copy of a value with its free text redacted and then cut, in nested tuples, named tuples and dataclasses too.

        A field is free text when it is declared as FreeText; nothing else of the value is changed.
        """
        return self._walk(value)  # type: ignore[no-any-return]

    def error(self, error: ShipitError) -> ShipitError:
        """Redact and then cut the text of an error, in place; returns it."""
        error.what, error.hint = self._free(error.what), self._free(error.hint)
        if not error.is_place:
            error.where = self._free(error.where)
        error.detail = self._free_lines(error.detail)
        error.args = (error.what,)
        for inner in error.parts:
            self.error(inner)
        return error

    def spans(self, text: str) -> list[Span]:
        """The positions of forms in a text: sorted (start, end) pairs that do not overlap."""
        known = self._known()
        if not known.grams or text in known.clean:
            return []
        spans = self._searched(text, known)
        if not spans and len(text) <= _LONGEST_KEPT:
            if len(known.clean) >= _MOST_KEPT:
                known.clean.clear()
            known.clean.add(text)
        return spans

    def _searched(self, text: str, known: _Known) -> list[Span]:
        spans = _found(text, known) if _may_hold(text, known) else []
        for gap in _gaps(text, known):
            kept = within().sub(gap, text)
            if _may_hold(kept, known) and (found := _found(kept, known)):
                places = _places(text, gap)
                spans += [(places[start], places[end - 1] + 1) for start, end in found]
        spans += spans_in_dumps(text, known.fragments)
        return _merged(spans)

    def holds(self, text: str, *, shortest: int, common: frozenset[str] = frozenset()) -> bool:
        """Whether a text contains a form of at least `shortest` characters, or equals a shorter one.

        A form of letters only has to be a whole word. Forms in `common` (lower case) are ignored.
        """
        known = self._known()
        if not known.grams or not _may_hold(text, known):
            return False
        return any(
            (len(form) >= shortest or len(form) == len(text))
            and text.startswith(form, at)
            and not (form.isalpha() and (text[:at][-1:].isalpha() or text[at + len(form) :][:1].isalpha()))
            and form.lower() not in common
            for at in range(len(text) - SHORTEST + 1)
            for form in known.by_start.get(text[at : at + SHORTEST], ())
        )

    def may_go_on(self, before: str, line: str) -> bool:
        """A fast check whether a form may be in a line, begin at its end, or have begun in `before`.

        It is never wrong with no.
        """
        known = self._known()
        if not known.grams:
            return False
        if _may_hold(line, known) or spans_in_dumps(line, known.fragments):
            return True
        if _gaps(line, known):
            text = f"{before}\n{line}"
            return any(_may_hold(within().sub(gap, text), known) for gap in _gaps(text, known))
        # The only break is the one between the lines: only a form that began in `before` has not been looked for yet.
        text = f"{before}\n{line[:_HEAD]}"
        match = within().search(text)
        if not before or match is None:
            return False
        start, end = text[: match.start()], text[match.end() :][:_JOINED]
        return any(_may_hold(f"{start}{gap(match)}{end}", known) for gap in _gaps(text, known))

    def unfinished(self, text: str) -> int:
        """The position of a form that continues after the end of a text; the length of the text when there is none."""
        known, found = self._known(), [len(text)]
        for gap in _gaps(text, known):
            kept = within().sub(gap, text)
            if (at := _begun(kept, known)) < len(kept):
                found.append(_places(text, gap)[at])
        return min(found)

    def _known(self) -> _Known:
        if self._new:
            from shipit.encoded import bytes_of, forms_of

            with self._lock:
                new, self._new = self._new, set()
                self._forms |= {form for value in new for form in forms_of(value) if len(form) >= SHORTEST}
                self._bytes |= {part for value in new for part in bytes_of(value)}
                self._index = _indexed(self._forms, fragments_of(self._bytes))
        return self._index

    def _free(self, text: str) -> str:
        return cut_text(self.text(text))

    def _free_field(self, item: Any) -> Any:
        """Redact text, lines, or every string in JSON."""
        if isinstance(item, str):
            return self._free(item)
        if isinstance(item, Mapping):
            return {name: self._free_field(inner) for name, inner in item.items()}
        if isinstance(item, list):
            return [self._free_field(inner) for inner in item]
        return self._free_lines(item) if isinstance(item, tuple) else item

    def _free_lines(self, lines: Sequence[str]) -> tuple[str, ...]:
        return tuple(cut_text(line) for line in self.lines(lines))

    def _walk(self, value: Any) -> Any:
        kind: type = type(value)
        fields = field_names(kind)
        if fields is None:
            return tuple(self._walk(item) for item in value) if isinstance(value, tuple) else value
        free, changed = free_text_fields(kind), {}
        for name in fields:
            item = getattr(value, name)
            if name in free:
                changed[name] = self._free_field(item)
            elif isinstance(item, tuple) or _has_fields(item):
                changed[name] = self._walk(item)
        if not changed:
            return value
        if issubclass(kind, tuple):
            return value._replace(**changed)
        from dataclasses import replace

        return replace(value, **changed)


def _has_fields(value: Any) -> bool:
    kind: type = type(value)
    return field_names(kind) is not None


@cache
def free_text_fields(kind: type) -> frozenset[str]:
    """The fields of a named tuple or a dataclass that are declared as FreeText.

    Raises: TypeError for a field whose declaration can't be read: nothing of it may pass unmasked.
    """
    # From Python 3.14 on, a class computes its annotations when they are asked for: they are not in its vars.
    hints = {
        name: hint for base in reversed(kind.__mro__) for name, hint in getattr(base, "__annotations__", {}).items()
    }
    unread = sorted(set(field_names(kind) or ()) - set(hints))
    if unread:
        raise TypeError(f"the types of these fields of {kind.__qualname__} can't be read: {', '.join(unread)}")
    return frozenset(name for name, hint in hints.items() if "FreeText" in str(hint) or "FreeJson" in str(hint))


def _indexed(forms: set[str], fragments: Fragments) -> _Known:
    by_start: dict[str, list[str]] = {}
    for form in sorted(forms, key=len, reverse=True):
        by_start.setdefault(form[:SHORTEST], []).append(form)
    stride = min(SHORTEST, min(len(form) for form in forms) - SHORTEST + 1)
    grams = {form[at : at + SHORTEST] for form in forms for at in range(stride)}
    starts = {start: tuple(found) for start, found in by_start.items()}
    longest, has_spaces = max(map(len, forms)), any(" " in form for form in forms)
    return _Known(starts, frozenset(grams), stride, longest, has_spaces, fragments, set())


def _may_hold(text: str, known: _Known) -> bool:
    """Whether a text can contain a form, or the beginning of one at its end."""
    last = len(text) - SHORTEST + 1
    sampled = [text[at : at + SHORTEST] for at in range(0, last, known.stride)]
    at_end = [text[at : at + SHORTEST] for at in range(max(0, last - SHORTEST), last)]
    return not (known.grams.isdisjoint(sampled) and known.grams.isdisjoint(at_end))


def _found(text: str, known: _Known) -> list[Span]:
    by_start, spans = known.by_start, []
    for at in range(len(text) - SHORTEST + 1):
        for form in by_start.get(text[at : at + SHORTEST], ()):
            if text.startswith(form, at):
                spans.append((at, at + len(form)))
                break
            if _is_cut_off(text, at, form):
                spans.append((at, len(text)))
                break
    return spans


def _begun(text: str, known: _Known) -> int:
    """The position of a form that continues after the end of a text; the length of the text when there is none."""
    for at in range(max(0, len(text) - known.longest), len(text) - SHORTEST + 1):
        for form in known.by_start.get(text[at : at + SHORTEST], ()):
            if len(form) > len(text) - at and form.startswith(text[at:]):
                return at
    return len(text)


def _is_cut_off(text: str, at: int, form: str) -> bool:
    """Whether the text ends inside a form, after more than half of it and at least eight characters."""
    if len(text) - at > len(form) + 8:
        return False
    tail = text[at:].rstrip(_CUT_MARKS)
    return len(tail) >= max(8, len(form) // 2 + 1) and form.startswith(tail)


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _masked(text: str, spans: Iterable[Span]) -> str:
    parts, last = [], 0
    for start, end in spans:
        parts += [text[last:start], "\n".join(MASK if part.strip() else part for part in text[start:end].split("\n"))]
        last = end
    return "".join((*parts, text[last:]))


def _gaps(text: str, known: _Known) -> tuple[_Gap, ...]:
    """The ways to remove breaks from a text before searching; empty when it has none."""
    if not may_be_wrapped(text):
        return ()
    gaps: tuple[_Gap, ...] = (_nothing, _spaces, _space) if known.has_spaces else (_nothing,)
    return (*gaps, _equals_sign) if "=\n" in text or "=\r\n" in text else gaps


def _equals_sign(match: re.Match[str]) -> str:
    """Keep an equals sign before a break: it is part of the value, not of quoted-printable."""
    return "=" if match[0].startswith("=") else ""


def _nothing(match: re.Match[str]) -> str:
    """Remove breaks and indentation: the value was wrapped anywhere."""
    return ""


def _spaces(match: re.Match[str]) -> str:
    """Keep the spaces of a break: the value was wrapped next to a space."""
    return " " * match[0].count(" ")


def _space(match: re.Match[str]) -> str:
    """Replace a line break by a space: the value was wrapped at a space."""
    return " " if match[0].strip(" \t") in ("\n", "\r\n") else ""


def _places(text: str, gap: _Gap) -> list[int]:
    """The original position of each character of a text whose breaks were replaced."""
    places: list[int] = []
    last = 0
    for match in within().finditer(text):
        places += range(last, match.start())
        places += [match.start()] * len(gap(match))
        last = match.end()
    return [*places, *range(last, len(text))]

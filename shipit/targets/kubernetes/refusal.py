"""Why the API server does not take an object. Pure.

Source: Kubernetes API reference, meta/v1 Status, `details.causes`; "Field validation". Server-side apply answers 500 without a
reason where a manifest does not fit the schema of its kind (seen in 1.34).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.http.messages import Answer
from shipit.http.statuses import refusal
from shipit.targets.kubernetes.server import error_of, reason_of

BAD_REQUEST, FORBIDDEN, NOT_FOUND, INVALID, INTERNAL = 400, 403, 404, 422, 500
# The field of a cause that is about the whole object, such as the size of a ConfigMap.
WHOLE = "[]"
# The API server puts this before what a webhook says; nothing else in the answer tells it.
# Source: k8s.io/apiserver, pkg/admission/plugin/webhook/errors, ToStatusErr.
_WEBHOOK = "admission webhook "
_MOST_CAUSES, _MOST_TEXT, _MOST_FIELD, _MOST_SEARCHED = 50, 600, 500, 20_000
# Server-side apply names a field by the keys of its list items, the decoder by their indices.
_TYPED = re.compile(r"(?<![\w/])\.(?P<field>[A-Za-z][^:\n]{0,300}?): (?P<message>[^\n]{1,1000})")
_STRICT = re.compile(r'(?P<message>unknown field|duplicate field) "(?P<field>[^"\n]{1,500})"')
# The value, which may be the whole object, stands before what is wrong with it.
_VALUE = re.compile(r"^Invalid value: (?:\{.*\}|\[.*\]|\".{80,}\"): (?P<rest>.+)$")


class Cause(NamedTuple):
    """One reason; `field` is the path in the object, and empty where it is not known."""

    field: str
    reason: str
    message: str


class Refusal(NamedTuple):
    """An answer that refuses an object. `takes_new`: the server would take the manifest as a new object of another name."""

    error: RemoteError
    causes: tuple[Cause, ...]
    takes_new: bool = False

    @property
    def is_about_manifest(self) -> bool:
        return self.error.status in (BAD_REQUEST, INVALID, INTERNAL)

    @property
    def is_of_webhook(self) -> bool:
        """Whether an admission webhook refuses it: with any status, and causes of its own."""
        return self.error.what.startswith(_WEBHOOK)


def parse_refusal(answer: Answer) -> Refusal:
    error = error_of(answer)
    causes = tuple(_causes(answer, error.what))[:_MOST_CAUSES]
    return Refusal(error, causes or (Cause("", reason_of(answer), _brief(error.what)),))


def is_misfit(answer: Answer) -> bool:
    """Whether an answer says that a manifest does not fit the schema of its kind: no reason, which a failure of the server has."""
    return answer.status == INTERNAL and _is_status(answer) and not reason_of(answer)


def is_temporary(answer: Answer) -> bool:
    """Whether the same dry run may succeed later."""
    return refusal(answer).retryable and not is_misfit(answer)


def _is_status(answer: Answer) -> bool:
    try:
        return Field(answer.json(), answer.request.shown)["kind"].text() == "Status"
    except (ValueError, RemoteError):
        return False


def _causes(answer: Answer, message: str) -> Iterator[Cause]:
    try:
        rows = list(Field(answer.json(), answer.request.shown)["details"]["causes"].rows())
        for row in rows[:_MOST_CAUSES]:
            if field := row["field"].text():
                yield Cause(field[:_MOST_FIELD], row["reason"].text(), _brief(row["message"].text()))
        if rows:
            return
    except (ValueError, RemoteError):
        return
    if answer.status in (BAD_REQUEST, INTERNAL):
        pattern = _STRICT if answer.status == BAD_REQUEST else _TYPED
        for match in pattern.finditer(message[:_MOST_SEARCHED]):
            yield Cause(match["field"], "", _brief(match["message"]))


def _brief(text: str) -> str:
    """A message without the value that it is about where that is long."""
    line = text.split("\n", 1)[0][:_MOST_SEARCHED]
    match = _VALUE.fullmatch(line)
    line = match["rest"] if match else line
    return line if len(line) <= _MOST_TEXT else f"{line[:_MOST_TEXT]} ..."

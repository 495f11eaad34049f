"""Finds the credentials of a request, so that they are masked before any answer could repeat them. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

_HEADERS = ("authorization", "proxy-authorization", "cookie", "x-registry-auth", "x-registry-config")
# Fields of forms, and parameters of URLs, that are credentials; those of signed URLs are in _SIGNATURES.
_FIELDS = ("refresh_token", "access_token", "password", "client_secret", "token", "secret", "assertion")
_SIGNATURES = (
    "sig",
    "signature",
    "x-amz-signature",
    "x-amz-security-token",
    "x-goog-signature",
    "policy",
    "key-pair-id",
)

# Most queries name no credential: then they need not be parsed. An escape may stand for any character of a name.
_MAY_NAME = re.compile("|".join(("[%+]", *map(re.escape, (*_FIELDS, *_SIGNATURES)))), re.IGNORECASE)


def credentials_in(headers: Mapping[str, str], url: str, form: Sequence[tuple[str, str]] = ()) -> Iterator[str]:
    """Every text of a request that is a credential."""
    for name, value in headers.items():
        if name.lower() in _HEADERS:
            yield from _of_header(value)
    for name, value in form:
        if name.lower() in _FIELDS:
            yield value
    yield from _of_url(url)


def _of_header(value: str) -> Iterator[str]:
    yield value
    scheme, _, rest = value.partition(" ")
    yield rest
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(rest).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return
        yield pair
        yield pair.partition(":")[2]


def _of_url(url: str) -> Iterator[str]:
    if "@" not in url and not ("?" in url and _MAY_NAME.search(url)):
        return
    try:
        parts = urlsplit(url)
        password = parts.password or ""
        named = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return
    yield password
    yield unquote(password)
    for name, value in named:
        if name.lower() in _FIELDS or name.lower() in _SIGNATURES:
            yield value

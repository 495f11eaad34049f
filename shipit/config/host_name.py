"""Host names that requests come in by. Pure.

Source: Kubernetes API reference, networking.k8s.io/v1 IngressRule `host`; RFC 1123, section 2.1; RFC 3490 (Python's codec idna).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from shipit.config.units import Misplaced

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.ASCII)
# The last label of a name is never a number, because that would be an IP address.
_ADDRESS = re.compile(r"(.*\.)?[0-9]+", re.ASCII)
_LONGEST = 253


def check_host(text: str) -> str:
    """The name as written. Raises: Misplaced, with the name that was probably meant."""
    if _is_host(text):
        return text
    meant = meant_host(text)
    hint = f"write {meant}" if meant else "such as shop.example.com, or *.example.com for every name below it"
    raise Misplaced(_wrong(text), hint=hint)


def _is_host(text: str) -> bool:
    return len(text) <= _LONGEST and bool(_HOST.fullmatch(text)) and not _ADDRESS.fullmatch(text)


def _wrong(text: str) -> str:
    if "://" in text or "/" in text or "@" in text:
        return "should be a host name alone, without scheme and path"
    if re.search(r":[0-9]*$", text):
        return "should be a host name without a port"
    if _ADDRESS.fullmatch(text) or ":" in text:
        return "should be a host name, and not an address"
    if text != text.lower():
        return "should be in lower case"
    if not text.isascii():
        return "should be in ASCII, as the DNS has it"
    return "should be a host name: letters, digits and '-' in labels of at most 63, separated by single dots"


def meant_host(text: str) -> str:
    """The host name in the text of a URL, or the name as the DNS writes it; empty where there is none."""
    inner = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", text.strip())
    name = re.split(r"[/?#]", inner, maxsplit=1)[0].rpartition("@")[2].partition(":")[0].rstrip(".").lower()
    try:
        written = name if name.isascii() else name.encode("idna").decode()
        # RFC 3490 writes some letters as others, such as ss for a sharp s: that is another domain.
        is_same = name.isascii() or written.encode().decode("idna") == name
    except UnicodeError:
        return ""
    return written if is_same and _is_host(written) else ""


HostName = Annotated[
    str,
    AfterValidator(check_host),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^(?!(.*\.)?[0-9]+$){_HOST.pattern}$",
            "errorMessage": "should be a host name such as shop.example.com, without scheme, port and path",
        }
    ),
]

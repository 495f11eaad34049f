"""A registry's token: read from a realm's answer, and what it grants. Pure.

Source: distribution.github.io/distribution/spec/auth/token and jwt.
"""

from __future__ import annotations

import base64
import re

from shipit.errors import RemoteError
from shipit.http.messages import Answer
from shipit.json_text import parse_json

# How long a token lives that does not say, and the longest lifetime that is believed.
LEAST_LIFETIME_S, LONGEST_LIFETIME_S = 60.0, 24 * 3600.0
# What a header may hold, and as much as any registry issues.
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")


def parse_token(answer: Answer) -> tuple[str, float]:
    """The token in a realm's answer, and its lifetime in seconds. Raises: RemoteError."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    found = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
    if not isinstance(found, str) or not _TOKEN.fullmatch(found):
        raise RemoteError("the answer should hold a token", where=answer.request.shown)
    lifetime_s = body.get("expires_in")
    is_number = isinstance(lifetime_s, int | float) and not isinstance(lifetime_s, bool) and lifetime_s > 0
    return found, float(min(lifetime_s, LONGEST_LIFETIME_S)) if is_number else LEAST_LIFETIME_S


def parse_granted(token: str) -> frozenset[str] | None:
    """The scopes that a token grants, pull and push only; None for a token that does not say. Its signature is not checked.

    Source: distribution.github.io/distribution/spec/auth/jwt, the claim `access`.
    """
    try:
        payload = token.split(".")[1]
        claims = parse_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        rows = [(str(row["type"]), str(row["name"]), set(row["actions"])) for row in claims.get("access") or ()]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    if "access" not in claims:
        return None
    scopes = set()
    for kind, name, actions in rows:
        if "pull" in actions or "*" in actions:
            scopes.add(f"{kind}:{name}:pull")
        if {"pull", "push"} <= actions or "*" in actions:
            scopes.add(f"{kind}:{name}:pull,push")
    return frozenset(scopes)

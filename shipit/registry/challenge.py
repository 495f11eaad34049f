"""A registry's challenge: how it wants to be logged in to. Pure.

Source: RFC 9110, section 11.6.1; distribution.github.io/distribution/spec/auth/token.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from shipit.errors import RemoteError
from shipit.http.reach import Reach, reach_of
from shipit.http.urls import origin_of

_LONGEST_CHALLENGE = 4096


class Challenge(NamedTuple):
    """A WWW-Authenticate header: its scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


def parse_challenge(header: str) -> Challenge:
    """The challenge to answer of those in a header: Bearer before Basic before any other."""
    header = header[:_LONGEST_CHALLENGE]
    # Quoted text may look like a challenge: it is blanked to find where each one begins.
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', lambda quoted: "_" * len(quoted[0]), header)
    begins = [found.start(1) for found in re.finditer(r"(?:^|,)\s*([a-zA-Z]+)(?![^\s,])(?!\s*=)", plain)]
    texts = [header[begin:end] for begin, end in pairwise((*begins, len(header)))]
    challenges = [_challenge(text) for text in texts] or [Challenge("", {})]
    return min(challenges, key=lambda one: {"bearer": 0, "basic": 1}.get(one.scheme, 2))


def _challenge(text: str) -> Challenge:
    scheme, _, rest = text.strip(" \t,").partition(" ")
    found = re.findall(r'([a-zA-Z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', rest)
    return Challenge(scheme.lower(), {key.lower(): quoted or bare for key, quoted, bare in found})


def check_realm(asked: str, realm: str, host: str) -> None:
    """Check that a token may be fetched from a realm.

    A realm uses https. It may use http when the registry, whose URL is `asked`, does so and has the same host, or when both
    are on this machine. A realm on this machine or its link is for a registry there only. Raises: RemoteError.
    """
    try:
        own, other = origin_of(asked), origin_of(realm)
    except ValueError:
        raise RemoteError(f"names a token realm that is not https: {realm!r}", where=host) from None
    own_reach, reach = reach_of(own[1]), reach_of(other[1])
    is_own = own[0] == "http" and (own[1] == other[1] or own_reach is reach is Reach.MACHINE)
    if other[0] != "https" and not is_own:
        raise RemoteError(f"names a token realm that is not https: {realm!r}", where=host)
    if not own_reach.may_lead_to(reach):
        raise RemoteError(f"names a token realm on this machine or its link: {realm!r}", where=host)

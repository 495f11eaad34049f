"""The Heroku token: HEROKU_API_KEY, else the netrc file.

Source: devcenter.heroku.com/articles/authentication.
"""

from __future__ import annotations

import netrc
from pathlib import Path

from shipit.config.environment import Environment

API_HOST = "api.heroku.com"


def find_token(environment: Environment) -> str | None:
    """The token, or None when nobody is logged in."""
    if key := environment.get("HEROKU_API_KEY"):
        return key.strip()
    file = Path(environment.get("NETRC") or environment.home / ".netrc")
    try:
        found = netrc.netrc(str(file)).authenticators(API_HOST)
    except (OSError, netrc.NetrcParseError):
        return None
    return found[2] if found else None

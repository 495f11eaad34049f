"""How long to wait for a server, in seconds."""

from __future__ import annotations

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.units import parse_limit
from shipit.errors import UsageError

CONNECT_S, READ_S = 10.0, 60.0
# A request that moves no large body, with all that is sent again.
REQUEST_S = 600.0


def own_read_s(environment: ProcessEnvironment) -> float | None:
    """How long an answer may take to begin, where SHIPIT_HTTP_TIMEOUT says so; such as `30s`."""
    text = environment.get("SHIPIT_HTTP_TIMEOUT")
    try:
        return parse_limit(text) if text else None
    except ValueError as error:
        raise UsageError(f"SHIPIT_HTTP_TIMEOUT {error}") from None

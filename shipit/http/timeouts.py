"""Default time limits, in seconds."""

from __future__ import annotations

from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import UsageError

CONNECT_S, READ_S = 10.0, 60.0
# For a request without a large body, retries included.
REQUEST_S = 600.0


def own_read_s(environment: ProcessEnvironment) -> float | None:
    """The value of SHIPIT_HTTP_TIMEOUT, such as `30s`: how long a server may be silent; None when it is not set."""
    text = environment.get("SHIPIT_HTTP_TIMEOUT")
    if not text:
        return None
    from shipit.config.units import parse_limit

    try:
        return parse_limit(text)
    except ValueError as error:
        raise UsageError(f"SHIPIT_HTTP_TIMEOUT {error}") from None

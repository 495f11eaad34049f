"""The health check of a service, which the engine runs in each container instead of the image's HEALTHCHECK. Pure.

Source: Docker Engine API 1.41, HealthConfig.
"""

from typing import Any, NamedTuple, Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Command, Duration, Flag, Misplaced, Whole, render_duration

# Of an engine that keeps it in 32 bits.
_MOST_RETRIES = 2**31 - 1


class HealthcheckConfig(Model):
    """A health check that an engine runs in a container."""

    test: Command | None = Field(
        None,
        description="The command, which exits with 0 when the container is healthy: text for a shell, or a list of words. The image's when absent.",
        examples=["wget -qO- http://localhost:3000/healthz"],
    )
    disable: Flag = Field(False, description="Ignore the HEALTHCHECK of the image.", examples=[True])
    interval: Duration | None = Field(None, description="The time between two checks.", examples=["5s"])
    timeout: Duration | None = Field(None, description="How long a check may take.", examples=["3s"])
    retries: Whole | None = Field(
        None, ge=1, le=_MOST_RETRIES, description="Failures in a row that make it unhealthy.", examples=[3]
    )
    start_period: Duration | None = Field(
        None, description="The time after its start in which failures do not count.", examples=["30s"]
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.disable and self.test:
            raise Misplaced("can't be combined with disable: true", "test")
        return self


class Healthcheck(NamedTuple):
    """Times in nanoseconds, 0 for what the image or the engine says. `test` is as the engine takes it; empty for the image's."""

    test: tuple[str, ...] = ()
    interval_ns: int = 0
    timeout_ns: int = 0
    retries: int = 0
    start_period_ns: int = 0


# What an engine does where neither a service nor its image says it.
_INTERVAL_NS, _TIMEOUT_NS, _RETRIES = 30 * 10**9, 30 * 10**9, 3


def undecided_s(check: Healthcheck) -> float:
    """Seconds after its start in which the engine has called a container healthy or unhealthy, at the latest."""
    if check.test[:1] == ("NONE",):
        return 0.0
    interval, timeout = check.interval_ns or _INTERVAL_NS, check.timeout_ns or _TIMEOUT_NS
    # A check that began in the start period does not count, also when it ends later.
    not_counted = check.start_period_ns + timeout if check.start_period_ns else 0
    return (not_counted + (check.retries or _RETRIES) * (interval + timeout)) / 1e9


def starting(limit_s: float) -> str:
    """Why a container is waited for whose health check has not decided. `limit_s` is that of `undecided_s`; 0 where it is not known."""
    return "is starting" + (f" (its health check decides within {render_duration(limit_s)})" if limit_s >= 1 else "")


def healthcheck_of(config: HealthcheckConfig | None) -> Healthcheck | None:
    if config is None:
        return None
    test = ("NONE",) if config.disable else ("CMD", *config.test) if config.test else ()
    times = (
        nanoseconds(config.interval),
        nanoseconds(config.timeout),
        config.retries or 0,
        nanoseconds(config.start_period),
    )
    return Healthcheck(test, *times)


def render_healthcheck(check: Healthcheck) -> dict[str, Any]:
    """The check as the engine takes it; empty where nothing is set."""
    found = {
        "Test": list(check.test),
        "Interval": check.interval_ns,
        "Timeout": check.timeout_ns,
        "Retries": check.retries,
        "StartPeriod": check.start_period_ns,
    }
    return {key: value for key, value in found.items() if value}


def nanoseconds(seconds: float | None) -> int:
    return round((seconds or 0) * 1e9)

"""The verdict on an answer to a check. Pure."""

from __future__ import annotations

from typing import NamedTuple

from shipit.config.target_check import CheckConfig
from shipit.config.units import render_duration
from shipit.http.urls import shown


class Answered(NamedTuple):
    """The answer to one request, and how many seconds it took. `error` says why there is none.

    It `is_final` where another attempt would fail in the same way, such as for an invalid certificate.
    """

    status: int = 0
    body: str = ""
    seconds: float = 0.0
    error: str = ""
    is_final: bool = False


def judge_answer(check: CheckConfig, answered: Answered) -> str:
    """What is wrong with an answer, to follow the request in a message; empty for a good one."""
    if answered.error:
        return answered.error
    if check.status is None and not 200 <= answered.status < 300:
        return f"answered {answered.status}, not 2xx"
    if check.status is not None and answered.status != check.status:
        return f"answered {answered.status}, not {check.status}"
    if check.text is not None and check.text not in answered.body:
        return f"answered {answered.status} without the text {check.text!r}"
    if answered.seconds > check.within:
        return f"answered {answered.status} after {answered.seconds:.1f} s, not within {check.within:g} s"
    return ""


def request_of(check: CheckConfig) -> str:
    """`GET host/path`, for people: the query may be a credential."""
    return shown("GET", check.url)


def describe_check(check: CheckConfig) -> str:
    """What a check requests and expects."""
    parts = ["2xx" if check.status is None else str(check.status)]
    if check.text is not None:
        parts.append(f"the text {check.text!r}")
    said = f"{request_of(check)} answers {' with '.join(parts)} within {check.within:g} s"
    return f"{said}, for {render_duration(check.settle)}" if check.settle else said

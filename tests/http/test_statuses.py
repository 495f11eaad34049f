"""The table from an HTTP status to a RemoteError."""

from __future__ import annotations

import pytest

from shipit.http.messages import Answer, Request
from shipit.http.statuses import refusal


class _Empty:
    def read(self, amount: int) -> bytes:
        return b""

    def close(self) -> None:
        pass


def _answer(status: int, **headers: str) -> Answer:
    request = Request("GET", "https://user:secret@registry.example/v2/?token=x")
    return Answer(request, status, {name.replace("_", "-"): value for name, value in headers.items()}, _Empty())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_temporary_status_is_retryable(status: int) -> None:
    error = refusal(_answer(status))
    assert (error.status, error.retryable, error.retry_after_s) == (status, True, None)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 409, 413, 422, 501, 599])
def test_any_other_status_is_final_and_ignores_retry_after(status: int) -> None:
    error = refusal(_answer(status, retry_after="3"), pause_s=1.0)
    assert (error.status, error.retryable, error.retry_after_s) == (status, False, None)


@pytest.mark.parametrize(
    ("headers", "pause_s", "expected_s"),
    [
        ({"retry_after": "3"}, None, 3.0),
        ({"retry_after": "3"}, 10.0, 3.0),
        ({}, 10.0, 10.0),
        ({"retry_after": "x"}, None, None),
    ],
)
def test_retry_after_wins_over_the_default_pause(
    headers: dict[str, str], pause_s: float | None, expected_s: float | None
) -> None:
    assert refusal(_answer(429, **headers), pause_s=pause_s).retry_after_s == expected_s


def test_the_text_names_status_and_message_and_shows_no_credential_of_the_url() -> None:
    assert str(refusal(_answer(403), "DENIED x")) == "GET registry.example/v2/: answered 403 Forbidden: DENIED x"
    assert str(refusal(_answer(599))) == "GET registry.example/v2/: answered 599"
    assert str(refusal(_answer(404), "ignored", what="no app")) == "GET registry.example/v2/: no app"

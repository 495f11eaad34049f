"""Proxies, pauses, and what the errors of requests mean: values in, values out."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from shipit.http.proxy import proxy_for
from shipit.http.retry import parse_retry_after
from shipit.http.session import translate
from tests.runs import environment


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("https://a.example/x", "", "http://proxy:1"),
        ("https://a.example/x", "a.example", None),
        ("https://a.example/x", ".example", None),
        ("https://a.example/x", "b.example, *", None),
        ("https://a.example:5000/x", "a.example:6000", "http://proxy:1"),
        ("https://10.1.2.3/", "10.0.0.0/8", None),
        ("https://127.0.0.1:5000/", "", None),
        ("https://localhost/", "", None),
        ("http://a.example/", "", None),
    ],
)
def test_proxies(tmp_path: Path, url: str, no_proxy: str, expected: str | None) -> None:
    assert proxy_for(url, environment(tmp_path, HTTPS_PROXY="http://proxy:1", NO_PROXY=no_proxy)) == expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("²", None), ("", None), (None, None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


LIBRARY_ERRORS = [
    kind
    for kind in vars(requests.exceptions).values()
    if isinstance(kind, type) and issubclass(kind, requests.RequestException) and "Warning" not in kind.__name__
]


@pytest.mark.parametrize("kind", LIBRARY_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_of_requests_is_mapped(kind: type[Exception]) -> None:
    try:
        error = kind("boom")
    except TypeError:
        error = kind("boom", "", 0)
    mapped = translate(error, "GET", "https://user:pass@host.example/x?token=secret")
    assert mapped.where == "GET host.example/x"
    assert mapped.what and "secret" not in mapped.render() and "pass" not in mapped.render()

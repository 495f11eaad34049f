"""What a request holds of credentials is known to the redactor when the server sees it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from shipit.http.credentials_in import credentials_in
from shipit.http.transport import Transport
from tests.http.scripted import Start, answer
from tests.runs import environment

BASIC = base64.b64encode(b"me:pass-word").decode()


@pytest.mark.parametrize(
    ("headers", "url", "form", "expected"),
    [
        ({"Authorization": f"Basic {BASIC}"}, "https://a/", (), {f"Basic {BASIC}", BASIC, "me:pass-word", "pass-word"}),
        ({"authorization": "Bearer a.b.c"}, "https://a/", (), {"Bearer a.b.c", "a.b.c"}),
        ({"Authorization": "Basic ***"}, "https://a/", (), {"Basic ***", "***"}),
        ({"Proxy-Authorization": "Basic x"}, "https://a/", (), {"Basic x", "x"}),
        ({"X-Registry-Auth": "eyJ9"}, "https://a/", (), {"eyJ9"}),
        ({"Accept": "text/plain"}, "https://a/", (), set()),
        ({}, "https://me:p%40ss@a/", (), {"p%40ss", "p@ss"}),
        ({}, "https://a/?X-Amz-Signature=abc123&digest=sha256:1", (), {"abc123"}),
        ({}, "https://a/?sig=a%2Fb&se=1", (), {"a/b"}),
        ({}, "https://a/?fieldManager=shipit&force=true", (), set()),
        ({}, "https://a/?Access%5FToken=t-1&pass%77ord=p-1&To+ken=none", (), {"t-1", "p-1"}),
        ({}, "https://[", (), set()),
        ({}, "https://[/?token=a", (), set()),
        ({}, "https://a/", (("grant_type", "refresh_token"), ("refresh_token", "r-1"), ("scope", "x")), {"r-1"}),
    ],
)
def test_the_credentials_of_a_request(
    headers: dict[str, str], url: str, form: tuple[tuple[str, str], ...], expected: set[str]
) -> None:
    assert {text for text in credentials_in(headers, url, form) if text} == expected


def test_credentials_are_masked_before_they_are_sent(serve: Start, tmp_path: Path) -> None:
    server, process_environment = serve([answer()]), environment(tmp_path)
    transport = Transport(process_environment)
    transport.send("POST", server.url, headers={"Authorization": f"Basic {BASIC}"}, form=[("refresh_token", "of-mine")])
    transport.close()
    for text in (BASIC, "pass-word", "of-mine"):
        assert text not in process_environment.redactor.text(f"it said {text} to us")

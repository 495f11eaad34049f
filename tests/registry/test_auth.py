"""Credentials, challenges and tokens, an exchange at a time."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import requests
import responses

from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.http.transport import Transport
from shipit.reference import ImageRef
from shipit.registry.challenge import parse_challenge
from shipit.registry.client import RegistryClient
from shipit.registry.credentials import CredentialFinder, Credentials
from shipit.registry.token import parse_granted
from shipit.registry.wire import RegistryWire
from tests.http.scripted import Start, answer
from tests.runs import environment

DIGEST = Digest.of(b"data")
HUB = "https://registry-1.docker.io/v2/user/app/manifests/latest"
CHALLENGE = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:user/app:pull"'


@pytest.mark.parametrize(
    ("header", "scheme", "realm"),
    [
        (CHALLENGE, "bearer", "https://auth.docker.io/token"),
        ('Basic realm="a, b"', "basic", "a, b"),
        ('Basic realm="a", Bearer realm="https://b",service="c"', "bearer", "https://b"),
        ('bearer realm="https://b",service="c" , Basic realm="a"', "bearer", "https://b"),
        ('Basic realm="say, Bearer realm=no"', "basic", "say, Bearer realm=no"),
        ("Negotiate, Basic realm=plain", "basic", "plain"),
        ("Basic", "basic", ""),
        ("", "", ""),
        ('"', "", ""),
    ],
)
def test_a_challenge_is_parsed(header: str, scheme: str, realm: str) -> None:
    found = parse_challenge(header)
    assert (found.scheme, found.parameters.get("realm", "")) == (scheme, realm)


def proxied_client(folder: Path, host: str, credentials: Credentials) -> RegistryClient:
    """A client that asks through a proxy, which is where requests, and with it `responses`, takes part."""
    process_environment = environment(folder, HTTPS_PROXY="http://proxy.example:3128")
    return RegistryClient(RegistryWire(host, Transport(process_environment), lambda event: None, credentials))


@responses.activate
def test_a_token_is_fetched_once_and_used_again(tmp_path: Path) -> None:
    responses.get("https://auth.docker.io/token", json={"token": "abc", "expires_in": 300})

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        known = request.headers.get("Authorization") == "Bearer abc"
        return (200, {"Docker-Content-Digest": DIGEST}, "") if known else (401, {"WWW-Authenticate": CHALLENGE}, "")

    responses.add_callback(responses.HEAD, HUB, answer)
    client = proxied_client(tmp_path, "docker.io", Credentials("me", "pass"))
    assert client.manifest_digest("user/app", "latest") == DIGEST
    assert client.manifest_digest("user/app", "latest") == DIGEST
    asked = [call.request for call in responses.calls if "auth.docker.io" in str(call.request.url)]
    assert len(asked) == 1
    assert "scope=repository%3Auser%2Fapp%3Apull" in str(asked[0].url)
    assert asked[0].headers["Authorization"] == f"Basic {base64.b64encode(b'me:pass').decode()}"


@responses.activate
def test_a_realm_that_is_not_https_is_refused(tmp_path: Path) -> None:
    responses.head(HUB, status=401, headers={"WWW-Authenticate": 'Bearer realm="http://evil.example/token"'})
    client = proxied_client(tmp_path, "docker.io", Credentials("me", "pass"))
    with pytest.raises(RemoteError, match="token realm that is not https"):
        client.manifest_digest("user/app", "latest")


@responses.activate
def test_credentials_are_not_sent_to_the_target_of_a_redirect(tmp_path: Path) -> None:
    blob = f"https://ghcr.io/v2/a/blobs/{DIGEST}"
    responses.get(blob, status=307, headers={"Location": "https://storage.example/x?sig=1"})
    responses.get("https://storage.example/x", body=b"data")
    client = proxied_client(tmp_path, "ghcr.io", Credentials("me", "pass", preemptive=True))
    assert b"".join(client.blob("a", DIGEST)) == b"data"
    assert "Authorization" in responses.calls[0].request.headers
    assert "Authorization" not in responses.calls[1].request.headers


def helper(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / f"docker-credential-{name}"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_credentials_are_read_from_config_json_and_helpers(tmp_path: Path) -> None:
    auth = base64.b64encode(b"me:secret").decode()
    config = {
        "auths": {"https://index.docker.io/v1/": {"auth": auth}, "quay.io": {"identitytoken": "tok"}},
        "credHelpers": {"ghcr.io": "good", "gcr.io": "bad"},
    }
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps(config))
    helper(
        tmp_path,
        "good",
        'read host; echo "{\\"ServerURL\\": \\"$host\\", \\"Username\\": \\"u\\", \\"Secret\\": \\"of-$host\\"}"',
    )
    helper(tmp_path, "bad", "exit 3")
    process_environment = environment(tmp_path, PATH=f"{tmp_path}/bin:/usr/bin:/bin")
    warnings: list[str] = []
    finder = CredentialFinder(process_environment, warnings.append)
    found = {
        host: finder.find(ImageRef(host, "user/app"))
        for host in ("docker.io", "quay.io", "ghcr.io", "gcr.io", "none.example")
    }
    hub, quay, ghcr = found["docker.io"], found["quay.io"], found["ghcr.io"]
    assert hub and (hub.username, hub.password) == ("me", "secret")
    assert quay and quay.identity_token == "tok"
    assert ghcr and (ghcr.username, ghcr.password) == ("u", "of-ghcr.io")
    assert found["gcr.io"] is None and found["none.example"] is None
    assert warnings == ["docker-credential-bad gave no credentials for gcr.io: it ended with 3"]
    assert "secret" not in repr(hub)


def _jwt(claims: object) -> str:
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims, 0)
    )


def _access(*actions: str) -> dict[str, object]:
    return {"access": [{"type": "repository", "name": "a/b", "actions": actions}]}


PUSH = "repository:a/b:pull,push"


@pytest.mark.parametrize(
    ("token", "granted"),
    [
        (_jwt(_access("pull")), {"repository:a/b:pull"}),
        (_jwt(_access("push", "pull")), {"repository:a/b:pull", PUSH}),
        (_jwt(_access("*")), {"repository:a/b:pull", PUSH}),
        (_jwt({"access": []}), set()),
        (_jwt({"access": None}), set()),
        (_jwt({"sub": "me"}), None),
        (_jwt([1]), None),
        (_jwt({"access": ["x"]}), None),
        ("opaque", None),
        ("a.b.c", None),
        ("a.%%%.c", None),
    ],
)
def test_the_scopes_that_a_token_grants(token: str, granted: set[str] | None) -> None:
    assert parse_granted(token) == granted


@pytest.mark.parametrize(
    ("token", "is_taken"), [(_jwt(_access("pull")), False), (_jwt(_access("pull", "push")), True), ("opaque", True)]
)
def test_an_anonymous_push_is_possible_only_with_a_token_that_grants_it(
    serve: Start, tmp_path: Path, token: str, is_taken: bool
) -> None:
    realm = serve([answer(json.dumps({"token": token}).encode())])
    bearer = f'WWW-Authenticate: Bearer realm="{realm.url}/token",service="registry"'
    server = serve([answer(), answer(b"", "401 Unauthorized", bearer), answer(b"{}")])
    client = RegistryClient(
        RegistryWire(f"127.0.0.1:{server.port}", Transport(environment(tmp_path)), lambda event: None, None)
    )
    assert client.takes_anonymous_push("a/b") is is_taken
    assert b"scope=repository%3Aa%2Fb%3Apull%2Cpush" in realm.heads[0]


@pytest.mark.parametrize("challenge", ["WWW-Authenticate: Basic realm=x", "X-Other: 1"])
def test_a_registry_that_asks_for_a_password_takes_no_anonymous_push(
    serve: Start, tmp_path: Path, challenge: str
) -> None:
    refusing = answer(b"", "401 Unauthorized", challenge)
    server = serve([answer(), refusing, refusing, refusing])
    client = RegistryClient(
        RegistryWire(f"127.0.0.1:{server.port}", Transport(environment(tmp_path)), lambda event: None, None)
    )
    assert not client.takes_anonymous_push("a/b")

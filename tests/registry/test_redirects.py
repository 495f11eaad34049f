"""Registries that send us elsewhere, or tell what they want in a way of their own; and where our credentials go."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.http.transport import Transport
from shipit.registry.challenge import check_realm
from shipit.registry.client import RegistryClient
from shipit.registry.credentials import Credentials
from shipit.registry.wire import RegistryWire
from tests.http.scripted import ScriptedServer, Start, answer
from tests.runs import environment
from tests.servers.certificates import Authority, server_context

DATA = Digest.of(b"data")
BASIC = f"Authorization: Basic {base64.b64encode(b'me:pass').decode()}"
ME = Credentials("me", "pass", preemptive=True)


def client_of(folder: Path, server: ScriptedServer, me: Credentials | None = ME, **variables: str) -> RegistryClient:
    host = f"127.0.0.1:{server.port}"
    return RegistryClient(RegistryWire(host, Transport(environment(folder, **variables)), lambda event: None, me))


def asked(server: ScriptedServer) -> list[str]:
    return [head.decode().split("\r\n")[0].removesuffix(" HTTP/1.1") for head in server.heads]


def with_credentials(server: ScriptedServer) -> list[bool]:
    return ["authorization:" in head.decode().lower() for head in server.heads]


def moved(where: str, status: str = "307 Temporary Redirect") -> bytes:
    return answer(b"", status, f"Location: {where}")


def test_a_redirected_manifest_is_read_without_our_credentials(serve: Start, tmp_path: Path) -> None:
    other = serve([answer(b"{}")])
    server = serve([answer(), moved(f"{other.url}/v2/mirror/manifests/v1")])
    found = client_of(tmp_path, server).manifest("a/b", "v1")
    assert found == (b"{}", Digest.of(b"{}"))
    assert with_credentials(server) == [False, True] and with_credentials(other) == [False]
    assert asked(other) == ["GET /v2/mirror/manifests/v1"] and b"Accept: application/vnd." in other.heads[0]


def test_a_redirect_to_the_registry_itself_keeps_our_credentials(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(), moved("/v2/c/manifests/v1", "302 Found"), answer(b"{}")])
    assert client_of(tmp_path, server).manifest("a/b", "v1")
    assert with_credentials(server) == [False, True, True]


def test_the_target_of_a_redirect_gets_an_anonymous_token(serve: Start, tmp_path: Path) -> None:
    realm = serve([answer(json.dumps({"token": "for-all"}).encode())])
    challenge = f'WWW-Authenticate: Bearer realm="{realm.url}/token",service="s",scope="repository:mirror/x:pull"'
    other = serve([answer(b"", "401 Unauthorized", challenge), answer(b"{}")])
    server = serve([answer(), moved(f"{other.url}/v2/mirror/x/manifests/v1")])
    assert client_of(tmp_path, server).manifest("a/b", "v1")
    assert asked(realm) == ["GET /token?service=s&scope=repository%3Amirror%2Fx%3Apull"]
    assert with_credentials(realm) == [False] and b"Bearer for-all" in other.heads[1]


def test_an_upload_follows_307(serve: Start, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"data")
    other = serve([answer(b"", "202 Accepted", "Location: /up/1"), moved("/up/2"), answer(b"", "201 Created")])
    server = serve([answer(), moved(f"{other.url}/v2/a/b/blobs/uploads/")])
    told = list[int]()
    client_of(tmp_path, server).upload_blob("a/b", DATA, tmp_path / "blob", 4, told.append)
    assert asked(other) == ["POST /v2/a/b/blobs/uploads/", f"PUT /up/1?digest={DATA}", "PUT /up/2"]
    assert other.bodies == [b"", b"data", b"data"] and sum(told) == 4
    assert with_credentials(other) == [False, False, False]


def test_a_manifest_upload_follows_308(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(), moved("/elsewhere", "308 Permanent Redirect"), answer(b"", "201 Created")])
    client_of(tmp_path, server).put_manifest("a/b", "v1", b"{}", "application/json")
    assert asked(server)[1:] == ["PUT /v2/a/b/manifests/v1", "PUT /elsewhere"] and server.bodies[1:] == [b"{}", b"{}"]


def test_a_write_does_not_follow_302(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(), moved("/elsewhere", "302 Found")])
    with pytest.raises(RemoteError, match="answered 302"):
        client_of(tmp_path, server).put_manifest("a/b", "v1", b"{}", "application/json")


def test_a_redirected_realm_gets_no_password(serve: Start, tmp_path: Path) -> None:
    token = answer(json.dumps({"access_token": "given"}).encode())
    other = serve([token])
    realm = serve([moved("/token/2", "302 Found"), moved(f"{other.url}/token/3", "302 Found")])
    challenge = answer(b"", "401 Unauthorized", f'WWW-Authenticate: Bearer realm="{realm.url}/token",service="s"')
    server = serve([answer(), challenge, answer(b"{}")])
    assert client_of(tmp_path, server).manifest("a/b", "v1")
    assert with_credentials(realm) == [True, True] and with_credentials(other) == [False]
    assert b"Bearer given" in server.heads[2]


def test_an_identity_token_does_not_follow_a_redirect(serve: Start, tmp_path: Path) -> None:
    other = serve([answer(b'{"token": "no"}')])
    realm = serve([moved(f"{other.url}/steal"), answer(b'{"token": "given"}')])
    challenge = answer(b"", "401 Unauthorized", f'WWW-Authenticate: Bearer realm="{realm.url}/token",service="s"')
    server = serve([answer(), challenge, answer(b"{}")])
    assert client_of(tmp_path, server, Credentials("", "", "refresh-me")).manifest("a/b", "v1")
    assert [line.split("?")[0] for line in asked(realm)] == ["POST /token", "GET /token"] and other.connections == 0


def test_a_challenge_only_at_v2_is_found(serve: Start, tmp_path: Path) -> None:
    nothing = answer(b"", "401 Unauthorized")
    challenge = answer(b"", "401 Unauthorized", "WWW-Authenticate: Basic realm=x")
    server = serve([answer(), nothing, challenge, answer(b"{}")])
    assert client_of(tmp_path, server, Credentials("me", "pass")).manifest("a/b", "v1")
    assert asked(server)[1:] == ["GET /v2/a/b/manifests/v1", "GET /v2/", "GET /v2/a/b/manifests/v1"]
    assert BASIC in server.heads[3].decode()


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found"])
def test_after_403_or_404_the_challenge_of_v2_is_used(serve: Start, tmp_path: Path, status: str) -> None:
    challenge = answer(b"", "401 Unauthorized", "WWW-Authenticate: Basic realm=x")
    server = serve([answer(), answer(b"", status), challenge, answer(b"{}")])
    assert client_of(tmp_path, server, Credentials("me", "pass")).manifest("a/b", "v1")


def test_a_registry_without_challenges_is_pinged_once(serve: Start, tmp_path: Path) -> None:
    gone = answer(b"", "404 Not Found")
    server = serve([answer(), gone, answer(), gone])
    client = client_of(tmp_path, server, Credentials("me", "pass"))
    assert client.manifest("a/b", "v1") is None and client.manifest("a/b", "v1") is None
    assert [line for line in asked(server)[1:] if line == "GET /v2/"] == ["GET /v2/"]


@pytest.mark.parametrize("status", ["500 No", "502 No", "404 No", "405 No", "400 No", "403 No"])
def test_a_failed_mount_is_followed_by_an_upload(serve: Start, tmp_path: Path, status: str) -> None:
    server = serve([answer(), answer(b"", status)])
    assert client_of(tmp_path, server).mount_blob("a/b", DATA, "c/d") is False
    assert len(asked(server)) == 2


def test_get_replaces_head_where_it_is_not_allowed(serve: Start, tmp_path: Path) -> None:
    no = answer(b"", "405 Method Not Allowed")
    server = serve([answer(), no, answer(b"{}"), no, answer(b"data")])
    client = client_of(tmp_path, server)
    assert client.manifest_digest("a/b", "v1") == Digest.of(b"{}")
    assert client.has_blob("a/b", DATA)
    assert [line.split()[0] for line in asked(server)[1:]] == ["HEAD", "GET", "HEAD", "GET"]


@pytest.mark.parametrize("told", ["", f"sha256:{'0' * 64}", "sha256:x", f"sha512:{'0' * 128}"])
def test_a_head_without_the_digest_is_verified_by_reading_the_manifest(serve: Start, tmp_path: Path, told: str) -> None:
    """A proxy's login page answers 200 to anything; what the bytes are says whether it is there."""
    said = answer(b"", "200 OK", *([f"Docker-Content-Digest: {told}"] if told else []))
    server = serve([answer(), said, answer(b"data"), said, answer(b"", "404 Not Found"), said, answer(b"<html>")])
    client = client_of(tmp_path, server)
    assert client.manifest_digest("a/b", DATA) == DATA
    assert client.manifest_digest("a/b", DATA) is None
    with pytest.raises(RemoteError, match="do not match its digest"):
        client.manifest_digest("a/b", DATA)


def test_a_redirect_from_https_to_http_is_refused(serve: Start, tmp_path: Path) -> None:
    Authority(tmp_path / "pki").issue("server", "server", names=("127.0.0.1",))
    context = server_context(tmp_path / "pki")
    other = serve([answer(b'{"token": "stolen"}')] * 3)
    upload = answer(b"", "202 Accepted", f"Location: {other.url}/up")
    challenge = answer(b"", "401 Unauthorized", f'WWW-Authenticate: Bearer realm="{other.url}/token"')
    (tmp_path / "blob").write_bytes(b"data")
    for said, script in (
        ("redirects from https to http", [upload]),
        ("redirects from https to http", [moved(f"{other.url}/v2/")]),
        ("names a token realm that is not https", [challenge]),
    ):
        server = serve([], [], [answer(), *script], context=context)
        client = client_of(tmp_path, server, SSL_CERT_FILE=str(tmp_path / "pki/ca.crt"))
        with pytest.raises(RemoteError, match=said):
            client.upload_blob("a/b", DATA, tmp_path / "blob", 4, lambda amount: None)
    assert other.connections == 0


@pytest.mark.parametrize(
    "location", ["http://evil.example\\@registry.example/", "//evil.example\\@registry.example:80/"]
)
def test_an_ambiguous_redirect_behind_a_proxy_sends_no_credentials(serve: Start, tmp_path: Path, location: str) -> None:
    """Two parsers of URLs find two hosts in such a one: that of who compares, and that of who asks the proxy."""
    proxy = serve([moved(location), answer(b"{}")], [answer(b"{}")])
    http = Transport(environment(tmp_path, HTTP_PROXY=proxy.url))
    client = RegistryClient(RegistryWire("registry.example", http, lambda event: None, ME, is_insecure=True))
    with pytest.raises(RemoteError, match="redirects to an invalid URL"):
        client.manifest("a/b", "v1")
    http.close()
    assert asked(proxy) == ["GET http://registry.example/v2/a/b/manifests/v1"]


@pytest.mark.parametrize(
    "realm", ["https://127.0.0.1/token", "https://169.254.169.254/token", "https://localhost/t", "https://[::1]/t"]
)
def test_the_realm_of_a_public_registry_is_not_on_this_machine_or_its_link(tmp_path: Path, realm: str) -> None:
    with pytest.raises(RemoteError, match="on this machine or its link"):
        check_realm("https://ghcr.io/v2/", realm, "ghcr.io")


@pytest.mark.parametrize("realm", ["https://127.0.0.1/token", "https://localhost/t", "http://[::1]:5001/t"])
def test_the_realm_of_a_registry_on_this_machine_may_be_on_this_machine(realm: str) -> None:
    check_realm("http://127.0.0.1:5000/v2/", realm, "127.0.0.1:5000")
    with pytest.raises(RemoteError, match="on this machine or its link"):
        check_realm("http://127.0.0.1:5000/v2/", "https://169.254.169.254/token", "127.0.0.1:5000")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"token": 7}',
        b'{"token": ["a"]}',
        b'{"token": "a b"}',
        b'{"token": "a\\r\\nX: y"}',
        b"[" * 9999,
    ],
)
def test_a_realm_without_a_token_in_its_answer(serve: Start, tmp_path: Path, body: bytes) -> None:
    server = serve([answer()])
    realm = serve([answer(body)])
    challenge = answer(b"", "401 Unauthorized", f'WWW-Authenticate: Bearer realm="{realm.url}/token"')
    server = serve([answer(), challenge])
    with pytest.raises(RemoteError, match="should hold a token"):
        client_of(tmp_path, server).manifest("a/b", "v1")


@pytest.mark.parametrize("lifetime", ["-5", "0", "true", '"60"', "[]", "1e308", f"1{400 * '0'}", "null"])
def test_an_invalid_lifetime_does_not_expire_a_token_at_once(serve: Start, tmp_path: Path, lifetime: str) -> None:
    realm = serve([answer(f'{{"token": "t", "expires_in": {lifetime}}}'.encode())])
    challenge = answer(b"", "401 Unauthorized", f'WWW-Authenticate: Bearer realm="{realm.url}/token"')
    server = serve([answer(), challenge, answer(b"{}"), answer(b"{}")])
    client = client_of(tmp_path, server)
    assert client.manifest("a/b", "v1") and client.manifest("a/b", "v1") and realm.connections == 1

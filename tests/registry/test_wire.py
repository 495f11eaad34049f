"""What a registry says of where to go on, and what we send there."""

from __future__ import annotations

import base64
import socket
import time
from pathlib import Path

import pytest

from shipit.clock import Deadline
from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.http.transport import Transport
from shipit.registry.client import RegistryClient
from shipit.registry.credentials import Credentials
from shipit.registry.wire import RegistryWire
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.http.scripted import Cut, ScriptedServer, Start, answer
from tests.runs import FakeClock, environment
from tests.servers.certificates import Authority, server_context
from tests.shipit import Shipit

DATA = Digest.of(b"data")
BASIC = f"Authorization: Basic {base64.b64encode(b'me:pass').decode()}"


def client_of(folder: Path, server: ScriptedServer, **variables: str) -> RegistryClient:
    me = Credentials("me", "pass", preemptive=True)
    host = f"127.0.0.1:{server.port}"
    return RegistryClient(
        RegistryWire(host, Transport(environment(folder, **variables), Deadline(FakeClock())), lambda event: None, me)
    )


def asked(server: ScriptedServer) -> list[str]:
    return [head.decode().split("\r\n")[0].removesuffix(" HTTP/1.1") for head in server.heads]


def upload(client: RegistryClient, folder: Path) -> None:
    (folder / "blob").write_bytes(b"data")
    client.upload_blob("a/b", DATA, folder / "blob", 4, lambda amount: None)


# The last answer of a connection says so, or a client that is quick sends the next request into it.
LAST = "Connection: close"


def opened(location: str, *headers: str) -> bytes:
    return answer(b"", "202 Accepted", f"Location: {location}", *headers)


def test_credentials_stay_with_their_registry(serve: Start, tmp_path: Path) -> None:
    other = serve([answer(b"", "201 Created")])
    server = serve([answer(), opened(f"{other.url}/store?sig=1&x=%2F")])
    upload(client_of(tmp_path, server), tmp_path)
    assert asked(server) == ["GET /v2/", "POST /v2/a/b/blobs/uploads/"]
    assert asked(other) == [f"PUT /store?sig=1&x=%2F&digest={DATA}"]
    assert BASIC in server.heads[1].decode() and BASIC not in other.heads[0].decode()
    assert other.bodies == [b"data"]


def test_an_http_location_of_an_https_registry_stays_https(serve: Start, tmp_path: Path) -> None:
    Authority(tmp_path / "pki").issue("server", "server", names=("127.0.0.1",))
    context = server_context(tmp_path / "pki")
    scripts: list[list[bytes]] = [[], [], []]
    # Two questions without TLS come to nothing, one with it looks whether there is any.
    server = serve([], [], scripts[2], context=context)
    scripts[2] += [answer(), opened(f"http://127.0.0.1:{server.port}/up/1"), answer(b"", "201 Created")]
    upload(client_of(tmp_path, server, SSL_CERT_FILE=str(tmp_path / "pki/ca.crt")), tmp_path)
    assert asked(server) == ["GET /v2/", "POST /v2/a/b/blobs/uploads/", f"PUT /up/1?digest={DATA}"]
    assert BASIC in server.heads[2].decode() and server.bodies[2] == b"data"


@pytest.mark.parametrize("location", ["http://[", "//[/"])
def test_an_invalid_location_is_an_error(serve: Start, tmp_path: Path, location: str) -> None:
    server = serve([answer(), opened(location)])
    with pytest.raises(RemoteError, match=r"redirects to an invalid URL: '.*'") as caught:
        upload(client_of(tmp_path, server), tmp_path)
    assert caught.value.where == f"POST 127.0.0.1:{server.port}/v2/a/b/blobs/uploads/"


def test_an_invalid_realm_is_an_error(serve: Start, tmp_path: Path) -> None:
    challenge = answer(b"", "401 Unauthorized", 'WWW-Authenticate: Bearer realm="https://["')
    server = serve([answer(), challenge])
    with pytest.raises(RemoteError, match="names a token realm that is not https"):
        client_of(tmp_path, server).manifest_digest("a/b", "v1")


def test_an_upload_refused_before_its_end_reports_the_answer(serve: Start, tmp_path: Path) -> None:
    """What is told of an upload is what went out, less what went out in vain."""

    def refuse(client: socket.socket) -> None:
        client.sendall(answer(b"", "413 Payload Too Large"))
        client.shutdown(socket.SHUT_WR)
        time.sleep(0.3)

    accepted = answer(b"", "202 Accepted", "Location: /next")
    server = serve(
        [answer(), opened("/up", LAST)], [refuse], [opened("/up"), accepted, accepted, answer(b"", "201 Created")]
    )
    size, told = 30_000_000, list[int]()
    (tmp_path / "blob").write_bytes(bytes(size))
    client = client_of(tmp_path, server)
    client.upload_blob("a/b", DATA, tmp_path / "blob", size, told.append)
    assert sum(told) == size


def test_a_broken_upload_is_resumed_where_the_registry_can(serve: Start, tmp_path: Path) -> None:
    size, told = 20_000_000, list[int]()
    (tmp_path / "blob").write_bytes(bytes(range(200)) * (size // 200))
    kept = answer(b"", "204 No Content", "Location: /up/2", "Range: 0-5999999", LAST)
    again = answer(b"", "204 No Content", "Location: /up/3", "Range: 0-11999999")
    taken = answer(b"", "202 Accepted", "Location: /up/4", f"Range: 0-{size - 1}")
    server = serve(
        [answer(), opened("/up/1", LAST)],
        [Cut(6_000_000)],
        [kept],
        [Cut(6_000_000)],
        [again, taken, answer(b"", "201 Created")],
    )
    client = client_of(tmp_path, server)
    client.upload_blob("a/b", DATA, tmp_path / "blob", size, told.append)
    assert asked(server) == [
        "GET /v2/",
        "POST /v2/a/b/blobs/uploads/",
        f"PUT /up/1?digest={DATA}",
        "GET /up/1",
        "PATCH /up/2",
        "GET /up/2",
        "PATCH /up/3",
        f"PUT /up/4?digest={DATA}",
    ]
    assert b"Content-Range: 6000000-19999999" in server.heads[4]
    assert b"Content-Range: 12000000-19999999" in server.heads[6]
    assert sum(told) == size and BASIC in server.heads[6].decode()


def test_an_upload_that_breaks_repeatedly_is_sent_in_chunks(serve: Start, tmp_path: Path) -> None:
    """A registry that can't go on from where it was cut off, behind something that allows a connection 6 MB."""
    size, told = 10_000_000, list[int]()
    (tmp_path / "blob").write_bytes(bytes(size))
    gone = answer(b"", "404 Not Found")
    taken = answer(b"", "202 Accepted", "Location: /up/2")
    server = serve(
        [answer(), opened("/up/1", LAST)],
        [Cut(6_000_000)],
        [gone, opened("/up/2"), *[taken] * 10, answer(b"", "201 Created")],
    )
    client_of(tmp_path, server).upload_blob("a/b", DATA, tmp_path / "blob", size, told.append)
    pieces = [head for head in server.heads if head.startswith(b"PATCH")]
    assert 2 <= len(pieces) <= 10 and sum(told) == size


def test_too_many_redirects_is_an_error(serve: Start, tmp_path: Path) -> None:
    around = answer(b"", "307 Temporary Redirect", "Location: /round/and/round")
    server = serve([answer(), *[around] * 8])
    with pytest.raises(RemoteError, match="too many redirects"):
        list(client_of(tmp_path, server).blob("a/b", DATA))
    assert len(server.heads) == 7


def test_an_endless_manifest_is_an_error(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(), answer(b"x" * 5_000_000)], [answer(b"x" * 9_000_000)])
    client = client_of(tmp_path, server)
    for said in ("the manifest is larger than 4 MiB", "the answer is longer than 8 MiB"):
        with pytest.raises(RemoteError, match=said):
            client.manifest("a/b", "v1")


def test_a_push_to_a_registry_imports_no_library_of_other_targets(shipit: Shipit) -> None:
    with EmbeddedRegistry() as registry:
        shipit.write(
            Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
            deploy__yml=f"app: app\nimage: {registry.host}/app\ntargets: {{hub: }}\n",
        )
        shipit.env["PYTHONPROFILEIMPORTTIME"] = "1"
        done = shipit.run("push")
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "shipit.http.direct" in loaded
    assert not loaded & {"requests", "urllib3", "docker", "kubernetes", "rich"}


FORBIDDEN = answer(b"", "403 Forbidden")
REFUSED = answer(b"", "401 Unauthorized", "WWW-Authenticate: Basic realm=x")


@pytest.mark.parametrize(
    ("refusal", "pull", "push", "check"),
    [
        (
            FORBIDDEN,
            "check the repository's name and that you may pull from it, or ",
            "check the repository's name and that you may push to it, or ",
            "",
        ),
        (REFUSED, "check that it may pull from there, or ", "check that it may push there, or ", ""),
    ],
)
def test_the_hint_of_a_refusal_names_the_right_that_the_request_needs(
    serve: Start, tmp_path: Path, refusal: bytes, pull: str, push: str, check: str
) -> None:
    server = serve([answer(), refusal, refusal, refusal])
    client, login = client_of(tmp_path, server), f"shipit login 127.0.0.1:{server.port}"
    with pytest.raises(RemoteError) as caught:
        client.manifest("a/b", "v1")
    assert caught.value.hint == pull + login
    with pytest.raises(RemoteError) as caught:
        upload(client, tmp_path)
    assert caught.value.hint == push + login
    with pytest.raises(RemoteError) as caught:
        client.check()
    assert caught.value.hint == check + login

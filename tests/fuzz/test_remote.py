"""What servers answer: headers, manifests, indexes, configs and tokens of a registry; Heroku's and a cluster's JSON and logs."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipit.clock import Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.digest import Digest
from shipit.http.retry import parse_retry_after
from shipit.http.skew import judge_skew
from shipit.http.transport import Transport
from shipit.image.store.content_store import ContentStore
from shipit.reference import parse_reference
from shipit.registry.challenge import parse_challenge
from shipit.registry.client import RegistryClient
from shipit.registry.credentials import Credentials
from shipit.registry.limit import parse_limit
from shipit.registry.referrers import described, with_referrer
from shipit.registry.registries import Registries
from shipit.registry.wire import RegistryWire
from shipit.targets.engine.listening import parse_listening
from shipit.targets.heroku.lines import Lines
from shipit.targets.heroku.streams import parse_log
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import as_json, mutated, mutated_json
from tests.fuzz.served import Served, Server, serving
from tests.http.scripted import Start
from tests.runs import FakeClock

# Whatever host a mutation names: only this machine is asked, and any other is a proxy that refuses.
NOWHERE = "http://127.0.0.1:1"


def process_environment(folder: Path) -> ProcessEnvironment:
    variables = {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": "127.0.0.1", "SHIPIT_HTTP_TIMEOUT": "2s"}
    return ProcessEnvironment({"PATH": "/nowhere", **variables}, folder, folder)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def text_of(*samples: bytes) -> st.SearchStrategy[str]:
    """A header as http.client gives it."""
    return mutated(*samples).map(lambda data: data.decode("latin-1"))


CHALLENGES = (
    b'Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull,push"',
    b'Basic realm="a \\"b\\" c", charset=UTF-8',
    b'Negotiate, Bearer realm="x", Basic realm=y',
)


@fuzzed
@given(text_of(*CHALLENGES))
@example('Basic realm="' + "\\" * 5000)
@example("a," * 5000)
@example("Bearer " + "a=b, " * 5000)
@example("Bearer" + " " * 20000 + "=")
def test_a_challenge(header: str) -> None:
    assert not isinstance(bounded(lambda: parse_challenge(header)), Exception)


@fuzzed
@given(text_of(b"120", b"Wed, 21 Oct 2026 07:28:00 GMT", b"-1", b"1e3"))
@example("9" * 5000)
@example("\u00b2")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
def test_how_long_to_wait(header: str) -> None:
    found = bounded(lambda: parse_retry_after(header))
    assert found is None or (isinstance(found, float) and 0 <= found < float("inf"))


@fuzzed
@given(text_of(b"Wed, 21 Oct 2026 07:28:00 GMT"))
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Mon, 31 Dec 9999 23:59:59 -2359")
def test_the_clock_of_a_server(header: str) -> None:
    assert not isinstance(bounded(lambda: judge_skew("a", header, 1.7e9)), Exception)


@fuzzed
@given(text_of(b"100;w=21600"), text_of(b"76;w=21600"))
@example("9" * 5000, "1")
def test_the_limit_of_pulls(total: str, remaining: str) -> None:
    found = bounded(lambda: parse_limit(total, remaining))
    assert found is None or str(found)


def descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(data), "size": len(data)}


TAR = bytes(1024)
LAYER = gzip.compress(TAR, mtime=0)
CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["A=b"], "Cmd": ["/a"]},
    "rootfs": {"type": "layers", "diff_ids": [Digest.of(TAR)]},
    "history": [{"created_by": "COPY"}, {"empty_layer": True}],
}
OCI = "application/vnd.oci.image."
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": f"{OCI}manifest.v1+json",
    "config": descriptor(f"{OCI}config.v1+json", as_json(CONFIG)),
    "layers": [descriptor(f"{OCI}layer.v1.tar+gzip", LAYER)],
}
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": f"{OCI}index.v1+json",
    "manifests": [
        {
            **descriptor(f"{OCI}manifest.v1+json", as_json(MANIFEST)),
            "platform": {"os": "linux", "architecture": "amd64"},
        },
        {**descriptor(f"{OCI}manifest.v1+json", b"{}"), "platform": {"os": "unknown", "architecture": "unknown"}},
    ],
}


def put(answers: dict[str, Served], tag: str, media_type: str, data: bytes, headers: Mapping[str, bytes]) -> None:
    """A manifest under a tag and its digest, and as whatever else the answer's headers say."""
    digest = Digest.of(data)
    named = {"Docker-Content-Digest": digest.encode(), "Content-Type": media_type.encode(), **headers}
    for name in filter(None, (tag, digest)):
        answers[f"/v2/a/base/manifests/{name}"] = Served(200, data, named)


def blobs(answers: dict[str, Served], *every: bytes) -> None:
    for data in every:
        answers[f"/v2/a/base/blobs/{Digest.of(data)}"] = Served(200, data)


def resolve(folder: Path, server: Server, answers: Mapping[str, Served]) -> object:
    server.answers = {"/v2/": Served(200), **answers}
    registries = Registries(
        process_environment(folder), FakeClock(), lambda event: None, ContentStore(folder / "store")
    )
    return registries.resolve(parse_reference(f"{server.host}/a/base:1"), "linux/amd64")


@fuzzed
@given(mutated_json(MANIFEST).map(as_json) | mutated(as_json(MANIFEST)))
def test_a_manifest(tmp_path: Path, server: Server, data: bytes) -> None:
    answers: dict[str, Served] = {}
    put(answers, "1", MANIFEST["mediaType"], data, {})
    blobs(answers, as_json(CONFIG), LAYER)
    bounded(lambda: resolve(tmp_path, server, answers))


@fuzzed
@given(mutated_json(INDEX).map(as_json) | mutated(as_json(INDEX)))
def test_an_index(tmp_path: Path, server: Server, data: bytes) -> None:
    answers: dict[str, Served] = {}
    put(answers, "1", INDEX["mediaType"], data, {})
    put(answers, "", MANIFEST["mediaType"], as_json(MANIFEST), {})
    blobs(answers, as_json(CONFIG), LAYER)
    bounded(lambda: resolve(tmp_path, server, answers))


@fuzzed
@given(mutated_json(INDEX).map(as_json) | mutated(as_json(INDEX)), mutated_json(MANIFEST).map(as_json))
def test_a_list_of_referrers_and_one_of_them(tmp_path: Path, server: Server, data: bytes, manifest: bytes) -> None:
    server.answers = {"*": Served(200, data, {"Content-Type": INDEX["mediaType"].encode()})}
    client = client_of(server, tmp_path)
    bounded(lambda: client.referrers("a/b", Digest.of(b"")))
    bounded(lambda: with_referrer(data, described(manifest, Digest.of(manifest), "application/json")))


@fuzzed
@given(mutated_json(CONFIG).map(as_json) | mutated(as_json(CONFIG)))
def test_the_config_of_an_image(tmp_path: Path, server: Server, data: bytes) -> None:
    answers: dict[str, Served] = {}
    manifest = as_json({**MANIFEST, "config": descriptor(f"{OCI}config.v1+json", data)})
    put(answers, "1", MANIFEST["mediaType"], manifest, {})
    blobs(answers, data, LAYER)
    bounded(lambda: resolve(tmp_path, server, answers))


HEADERS = (
    ("Docker-Content-Digest", b"sha256:" + b"0" * 64),
    ("Content-Type", MANIFEST["mediaType"].encode()),
    ("Content-Encoding", b"gzip"),
    ("ratelimit-remaining", b"0;w=21600"),
    ("Location", b"/v2/a/base/manifests/1"),
    ("WWW-Authenticate", CHALLENGES[0]),
    ("Retry-After", b"1"),
)


@fuzzed
@given(
    st.lists(st.sampled_from(HEADERS).flatmap(lambda pair: st.tuples(st.just(pair[0]), mutated(pair[1]))), max_size=3),
    st.sampled_from((200, 200, 201, 206, 301, 307, 400, 401, 403, 404, 429, 500, 503)),
)
def test_the_headers_of_a_manifest(
    tmp_path: Path, server: Server, headers: list[tuple[str, bytes]], status: int
) -> None:
    answers: dict[str, Served] = {}
    put(answers, "1", MANIFEST["mediaType"], as_json(MANIFEST), dict(headers))
    blobs(answers, as_json(CONFIG), LAYER)
    for path, answer in list(answers.items()):
        if "/manifests/" in path:
            answers[path] = answer._replace(status=status)
    bounded(lambda: resolve(tmp_path, server, answers))


def client_of(server: Server, folder: Path, me: Credentials | None = None) -> RegistryClient:
    """A client whose pauses take no time."""
    http = Transport(process_environment(folder), Deadline(FakeClock()))
    return RegistryClient(RegistryWire(server.host, http, lambda event: None, me))


LOCATIONS = (
    b"/v2/a/b/blobs/uploads/1?_state=x",
    b"https://127.0.0.1:1/x?a=b#c",
    b"//127.0.0.1/x",
    b"../y",
    b"http://[::1]:80/",
)


@fuzzed
@given(mutated(*LOCATIONS))
@example(b"http://[")
@example(b"http://127.0.0.1:99999/")
@example(b"file:///etc/passwd")
def test_where_an_upload_goes(tmp_path: Path, server: Server, location: bytes) -> None:
    server.answers = {
        "/v2/": Served(200),
        "/v2/a/b/blobs/uploads/": Served(202, headers={"Location": location}),
        "/v2/a/b/blobs/uploads/1": Served(201),
    }
    (tmp_path / "blob").write_bytes(b"data")
    digest = Digest.of(b"data")
    me = Credentials("me", "secret", preemptive=True)
    client = client_of(server, tmp_path, me)
    bounded(lambda: client.upload_blob("a/b", digest, tmp_path / "blob", 4, lambda amount: None))


@fuzzed
@given(mutated(*LOCATIONS), st.sampled_from((301, 302, 303, 307, 308)))
def test_where_a_blob_is(tmp_path: Path, server: Server, location: bytes, status: int) -> None:
    server.answers = {"/v2/": Served(200), "*": Served(status, headers={"Location": location})}
    client = client_of(server, tmp_path)
    bounded(lambda: b"".join(client.blob("a/b", Digest.of(b"data"))))


TOKEN = {"token": "t", "access_token": "t", "expires_in": 300, "issued_at": "2026-01-01T00:00:00Z"}


@fuzzed
@given(mutated_json(TOKEN).map(as_json) | mutated(as_json(TOKEN)), mutated(b"http://127.0.0.1:{port}/token?a=b"))
def test_a_token(tmp_path: Path, server: Server, data: bytes, realm: bytes) -> None:
    realm = realm.replace(b"{port}", str(server.server_port).encode()).replace(b'"', b"")
    challenge = {"WWW-Authenticate": b'Bearer realm="' + realm + b'",service="s"'}
    server.answers = {"/token": Served(200, data), "*": Served(401, headers=challenge)}
    client = client_of(server, tmp_path)
    bounded(lambda: client.manifest_digest("a/b", "1"))


ERRORS = {"errors": [{"code": "DENIED", "message": "no", "detail": {"a": "b"}}]}


@fuzzed
@given(
    mutated_json(ERRORS).map(as_json) | mutated(as_json(ERRORS)),
    st.sampled_from((400, 403, 404, 405, 409, 429, 500, 503)),
)
def test_what_a_registry_says_of_an_error(tmp_path: Path, server: Server, data: bytes, status: int) -> None:
    server.answers = {"/v2/": Served(200), "*": Served(status, data)}
    client = client_of(server, tmp_path)
    bounded(lambda: client.manifest("a/b", "1"))


RAW = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: a\r\nX: b\r\n\r\n2;e=1\r\nok\r\n0\r\nT: v\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"ok" * 50, mtime=0),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 301 Moved\r\nLocation: /\r\n\r\n",
)


@fuzzed
@given(mutated(*RAW))
@example(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2000 + b"\r\n")
@example(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n")
@example(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(200_000_000), 1, mtime=0))
def test_an_answer_of_http(serve: Start, tmp_path: Path, data: bytes) -> None:
    def hang_up(client: socket.socket) -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    server = serve([hang_up])
    try:
        bounded(lambda: Transport(process_environment(tmp_path)).send("GET", server.url + "/a").content)
    finally:
        server.stop()


EVENTS = (
    b"id: 0\ndata: 2026-01-01T00:00:00Z app[web.1]: one\n\nid: 1\r\ndata:two\r\n\r\n: note\nevent: x\nretry: 5\n\n",
    b"plain line\nanother\n",
)


@fuzzed
@given(mutated(*EVENTS), st.booleans(), st.integers(1, 99))
@example(b"data: " + b"x" * 3_000_000, True, 50_000)
@example(b"\n" * 300_000, True, 50_000)
def test_server_sent_events_of_a_log(data: bytes, is_events: bool, piece: int) -> None:
    def read() -> list[str]:
        lines = Lines()
        found = [line for at in range(0, len(data), piece) for line in lines.feed(data[at : at + piece])]
        return list(parse_log((*found, *lines.end()), is_events=is_events))

    found = bounded(read)
    assert isinstance(found, list) and all("\n" not in line for line in found)


PORTS = (
    b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1\n",
    b"   1: 0000000000000000FFFF00000200000A:0051 00000000000000000000000000000000:0000 07 00000000:00000000\n",
)


@fuzzed
@given(text_of(*PORTS))
def test_the_ports_on_which_programs_of_a_host_listen(text: str) -> None:
    bounded(lambda: parse_listening(text))

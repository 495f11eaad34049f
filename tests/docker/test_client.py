"""The engine's client over a real unix socket: what it connects to, and the errors for what goes wrong."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.digest import Digest
from shipit.docker.address import EngineAddress
from shipit.docker.answer import LARGEST_ANSWER, bounded_chunks
from shipit.docker.client import Engine
from shipit.docker.engine_image import EngineImage
from shipit.errors import BuildError, DeadlinePassed, RemoteError
from shipit.platforms import normal_platform
from shipit.reference import parse_reference
from tests.docker.answering_engine import VERSION, Server

ID = Digest.of(b"config")
REF = parse_reference("ghcr.io/team/app:1")


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    engine = Engine(EngineAddress(f"unix://{server.server_address}", "DOCKER_HOST"), {"PATH": ""})
    assert engine.is_reachable(), engine.unreachable_reason
    yield engine
    engine.close()


def test_what_it_knows_of_an_engine(engine: Engine) -> None:
    assert (engine.title, engine.platform, engine.has_buildkit) == ("Engine 20.10.24", "linux/arm64", True)
    assert engine.buildx is None and engine.chosen_builder == ""


@pytest.mark.parametrize(
    ("version", "has_buildkit"),
    [
        ({**VERSION, "ApiVersion": "1.38"}, False),
        ({**VERSION, "Components": [{"Name": "Podman Engine"}]}, False),
        ({"ApiVersion": "1.41"}, True),
    ],
)
def test_buildkit_depends_on_version_and_product(server: Server, version: Any, has_buildkit: bool) -> None:
    server.answers["GET /version"] = (200, json.dumps(version).encode())
    engine = Engine(EngineAddress(f"unix://{server.server_address}"), {"PATH": ""})
    assert engine.is_reachable() and engine.has_buildkit == has_buildkit


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (
            EngineAddress("context gone", problem="there is no docker context 'gone'"),
            "there is no docker context 'gone'",
        ),
        (EngineAddress("http//x"), "it should be a unix://, tcp:// or ssh:// address"),
        (EngineAddress("unix:///nowhere.sock"), "no such file or directory"),
        (
            EngineAddress("unix:///\ud800"),
            "'utf-8' codec can't encode character '\\ud800' in position 1: surrogates not allowed",
        ),
        (EngineAddress("tcp://127.0.0.1:1"), "connection refused"),
    ],
)
def test_an_engine_that_is_not_reachable_says_why(address: EngineAddress, reason: str) -> None:
    engine = Engine(address, {"PATH": ""})
    assert not engine.is_reachable() and engine.unreachable_reason == reason


def test_an_engine_whose_queue_is_full_is_reached_when_it_accepts_again(tmp_path: Path) -> None:
    with Server(tmp_path / "s") as server, ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
        server.socket.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(server.server_address))
        probe = stack.enter_context(socket.socket(socket.AF_UNIX))
        probe.settimeout(30)
        with pytest.raises(BlockingIOError):
            probe.connect(str(server.server_address))
        engine = Engine(EngineAddress(f"unix://{server.server_address!s}"), {"PATH": ""})
        is_reachable = pool.submit(engine.is_reachable)
        wait([is_reachable], 0.2)
        waiting.close()
        serving = pool.submit(server.serve_forever, 0.01)
        try:
            assert is_reachable.result(60), engine.unreachable_reason
        finally:
            server.shutdown()
            serving.result(60)
            engine.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_socket_that_this_user_may_not_open_is_denied(server: Server) -> None:
    engine = Engine(EngineAddress(f"unix://{server.server_address!s}"), {"PATH": ""})
    Path(str(server.server_address)).chmod(0o600)
    os.seteuid(65534)
    try:
        is_reachable = engine.is_reachable()
    finally:
        os.seteuid(0)
    assert (is_reachable, engine.is_denied, engine.unreachable_reason) == (False, True, "permission denied")


@pytest.mark.parametrize("answer", [(500, b"{}"), (200, b"{"), (200, b"{}")])
def test_another_server_is_not_reachable(server: Server, answer: tuple[int, bytes]) -> None:
    server.answers["GET /version"] = answer
    engine = Engine(EngineAddress(f"unix://{server.server_address}"), {"PATH": ""})
    assert not engine.is_reachable() and engine.unreachable_reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "the answer should be a map, not a list"),
        (b"{}", "ApiVersion should be there"),
        (b'{"ApiVersion": 1.41}', "ApiVersion should be text, not a floating-point number"),
        ('{"ApiVersion": "1.4²"}'.encode(), "ApiVersion should be a version such as 1.45, not other text"),
        (b'{"ApiVersion": "1.41/../x"}', "ApiVersion should be a version such as 1.45, not other text"),
        (b'{"ApiVersion": "1.41", "Components": {}}', "Components should be a list, not a map"),
        (b'{"ApiVersion": "1.41", "Components": ["x"]}', "Components[0] should be a map, not text"),
        (b'{"ApiVersion": "1.41", "Components": [{"Name": 1}]}', "Components[0].Name should be text, not a number"),
        (b'{"ApiVersion": "1.41", "Version": []}', "Version should be text, not a list"),
        (b'{"ApiVersion": "1.41", "Os": "linux", "Arch": {}}', "Arch should be text, not a map"),
        (b"[" * 9999, "JSON is nested too deep"),
    ],
)
def test_an_answer_that_no_engine_gives_is_the_reason_that_it_is_not_reachable(
    server: Server, body: bytes, reason: str
) -> None:
    server.answers["GET /version"] = (200, body)
    engine = Engine(EngineAddress(f"unix://{server.server_address}"), {"PATH": ""})
    assert not engine.is_reachable() and engine.unreachable_reason == reason


def test_images_are_inspected(server: Server, engine: Engine) -> None:
    manifest = Digest.of(b"manifest")
    found = {"Id": ID, "Os": "linux", "Architecture": "arm64", "RepoDigests": [f"app@{manifest}", "odd", 1]}
    server.answers["GET /images/app/json"] = (200, json.dumps(found).encode())
    assert engine.inspect("app") == EngineImage(ID, normal_platform("linux", "arm64"), (manifest,))
    assert engine.inspect("other") is None


def test_an_error_of_the_engine_is_shown_with_its_message(server: Server, engine: Engine) -> None:
    server.answers["GET /images/app/json"] = (500, b'{"message": "database is locked"}')
    with pytest.raises(BuildError) as caught:
        engine.inspect("app")
    assert caught.value.what == "the engine answered with status 500: database is locked"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"Id": 1}', b'{"Id": "sha256:../x"}', b"null"])
def test_an_invalid_answer_is_not_an_image(server: Server, engine: Engine, body: bytes) -> None:
    server.answers["GET /images/app/json"] = (200, body)
    assert engine.inspect("app") is None


def test_a_build_returns_rows(server: Server, engine: Engine) -> None:
    server.answers["POST /build"] = (200, b'{"stream": "a"}\n{"aux": {"ID": "x"}}\n')
    assert list(engine.build({"t": "app"}, BytesIO(b"tar"), "Dockerfile")) == [{"stream": "a"}, {"aux": {"ID": "x"}}]
    assert server.requests[-1][0] == "POST /v1.41/build?t=app"


@pytest.mark.parametrize(
    ("body", "message"),
    [(b'{"message": "no space left "}', "no space left"), (b"<html>", "status 500"), (b"[]", "status 500")],
)
def test_a_refused_build_is_an_error(server: Server, engine: Engine, body: bytes, message: str) -> None:
    server.answers["POST /build"] = (500, body)
    with pytest.raises(BuildError) as caught:
        list(engine.build({}, BytesIO(), "Dockerfile"))
    assert (caught.value.where, caught.value.what) == ("Dockerfile", f"the engine refused to build: {message}")


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("POST /build", lambda engine: engine.build({}, BytesIO(b"tar"), "Dockerfile", 0.1)),
        ("GET /images/app/get", lambda engine: engine.save("app", 0.1)),
        ("POST /images/create", lambda engine: iter([engine.pull(REF, "linux/arm64", None, silent_s=0.1)])),
    ],
    ids=["build", "save", "pull"],
)
def test_an_engine_that_falls_silent_is_an_error(
    server: Server, engine: Engine, path: str, call: Callable[[Engine], Iterator[object]]
) -> None:
    server.answers[path] = (200, b'{"stream": "a"}\n')
    server.is_silent = True
    with pytest.raises(BuildError, match=r"the engine sent nothing for 0\.1 s") as caught:
        list(call(engine))
    assert caught.value.hint == "look in its log whether it is busy or hangs"
    assert caught.value.where == f"unix://{server.server_address!s} (DOCKER_HOST)" and caught.value.retryable


def test_a_build_with_endless_output_is_an_error(server: Server, engine: Engine) -> None:
    server.answers["POST /build"] = (200, b'{"stream": "a"}\n' * 100)
    with pytest.raises(BuildError, match="the engine's answer is longer than 1000 bytes"):
        list(engine.build({}, BytesIO(b"tar"), "Dockerfile", most_bytes=1000))


def test_an_image_that_the_engine_does_not_save_is_an_error_with_its_message(server: Server, engine: Engine) -> None:
    server.answers["GET /images/app/get"] = (500, b'{"message": "database is locked"}')
    with pytest.raises(BuildError, match="the engine answered with status 500: database is locked"):
        list(engine.save("app"))


@pytest.mark.parametrize(
    ("login", "header"),
    [
        (None, None),
        (("me", "secret", ""), {"username": "me", "password": "secret", "serveraddress": "ghcr.io"}),
        (("", "", "token"), {"identitytoken": "token", "serveraddress": "ghcr.io"}),
    ],
)
def test_a_pull_sends_credentials(
    server: Server, engine: Engine, login: tuple[str, str, str] | None, header: dict[str, str] | None
) -> None:
    server.answers["POST /images/create"] = (200, b'{"status": "done"}\n')
    engine.pull(REF, "linux/arm64", login)
    path, headers = server.requests[-1]
    assert "fromImage=ghcr.io%2Fteam%2Fapp&tag=1" in path
    sent = headers.get("X-Registry-Auth")
    assert (json.loads(base64.urlsafe_b64decode(sent)) if sent else None) == header


def test_a_pull_ends_with_its_deadline(server: Server, engine: Engine) -> None:
    server.answers["POST /images/create"] = (200, b'{"status": "waiting"}\n')
    with pytest.raises(DeadlinePassed, match="the engine to pull ghcr"):
        engine.pull(REF, "linux/arm64", None, Deadline(Clock(), 0.0))


class ListedClock(Clock):
    """A clock that shows listed times, and the last one from then on."""

    def __init__(self, *times: float) -> None:
        super().__init__()
        self.times = list(times)

    def now(self) -> float:
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]


def test_a_pull_that_falls_silent_midway_ends_with_its_deadline(server: Server, engine: Engine) -> None:
    server.answers["POST /images/create"] = (200, b'{"status": "waiting"}\n')
    server.is_silent = True
    # The request is sent 60 s before the deadline, and the first row comes just before it.
    with pytest.raises(DeadlinePassed, match="the engine to pull ghcr"):
        engine.pull(REF, "linux/arm64", None, Deadline(ListedClock(0.0, 59.9, 59.9, 61.0), 60.0))


@pytest.mark.parametrize("path", ["GET /images/app/json", "POST /images/app/tag"])
def test_an_endless_answer_about_an_image_is_an_error(server: Server, engine: Engine, path: str) -> None:
    server.answers[path] = (500, b" " * (LARGEST_ANSWER + 1))
    with pytest.raises(BuildError, match="the engine's answer is longer than"):
        engine.inspect("app") if path.startswith("GET") else engine.tag("app", "team/app", "1")


def test_an_image_gets_another_name(server: Server, engine: Engine) -> None:
    server.answers["POST /images/team/app:1/tag"] = (201, b"")
    engine.tag("team/app:1", "team/other", "2")
    assert server.requests[-1][0] == "POST /v1.41/images/team/app:1/tag?repo=team%2Fother&tag=2"
    with pytest.raises(BuildError, match="status 404: No such image"):
        engine.tag("gone", "team/other", "2")


@pytest.mark.parametrize("answer", [(200, b'{"error": "denied"}\n'), (404, b'{"message": "denied"}')])
def test_a_failed_pull_is_an_error(server: Server, engine: Engine, answer: tuple[int, bytes]) -> None:
    server.answers["POST /images/create"] = answer
    with pytest.raises(BuildError, match=re.escape("the engine can't pull ghcr.io/team/app:1: denied")):
        engine.pull(REF, "linux/arm64", None)


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.inspect("app"),
        lambda engine: list(engine.save("app")),
        lambda engine: engine.tag("app", "team/app", "1"),
    ],
    ids=["inspect", "save", "tag"],
)
def test_an_engine_that_stops_is_an_error_that_names_it(
    server: Server, engine: Engine, call: Callable[[Engine], object]
) -> None:
    server.is_stopped = True
    with pytest.raises(BuildError) as caught:
        call(engine)
    assert caught.value.what == "lost the connection to the engine: Remote end closed connection without response"
    assert caught.value.where == f"unix://{server.server_address!s} (DOCKER_HOST)" and caught.value.retryable


def test_a_request_has_its_path_escaped_and_gives_an_answer_of_any_status(server: Server, engine: Engine) -> None:
    answer = engine.call("GET", "/images/team/app:1@ä?x/json", query={"all": "true"}, timeout_s=60)
    assert answer.status_code == 404 and json.loads(answer.content) == {"message": "No such image"}
    assert server.requests[-1][0] == "GET /v1.41/images/team/app:1%40%C3%A4%3Fx/json?all=true"


def test_a_longer_answer_than_the_limit_is_an_error(server: Server, engine: Engine) -> None:
    with engine.streamed("GET", "/images/none/json", 60) as answer, pytest.raises(BuildError) as caught:
        list(bounded_chunks(answer, 10))
    assert caught.value.what == "the engine's answer is longer than 10 bytes"


def test_a_request_whose_connection_is_lost_is_an_error_that_names_it(server: Server, engine: Engine) -> None:
    server.is_stopped = True
    with pytest.raises(RemoteError) as caught:
        engine.call("POST", "/volumes/create", body={"Name": "data"})
    assert caught.value.where == f"POST /volumes/create of unix://{server.server_address!s}" and caught.value.retryable
    assert caught.value.what == "lost the connection to the engine: Remote end closed connection without response"


@pytest.fixture
def keeping(server: Server) -> Iterator[Engine]:
    """A client of an engine that keeps connections."""
    server.keeps_connections = True
    engine = Engine(EngineAddress(f"unix://{server.server_address}"), {"PATH": ""})
    assert engine.is_reachable(), engine.unreachable_reason
    yield engine
    engine.close()


def test_requests_for_different_paths_use_one_connection(server: Server, keeping: Engine) -> None:
    for path in ("/containers/json", "/images/json", "/containers/a/json", "/volumes/b"):
        keeping.call("GET", path)
    keeping.call("POST", "/volumes/create", body={"Name": "data"})
    assert len(server.requests) == 6 and len(server.connections) == 1


def test_requests_at_the_same_time_get_their_own_answers(server: Server, keeping: Engine) -> None:
    paths = [f"/containers/{number}/json" for number in range(40)]
    server.answers |= {f"GET {path}": (200, json.dumps(path).encode()) for path in paths}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda path: keeping.call("GET", path).content, paths))
    assert [json.loads(answer) for answer in answers] == paths and len(server.connections) <= 8


def test_the_connections_of_sixteen_requests_at_the_same_time_are_kept(server: Server, keeping: Engine) -> None:
    server.together = threading.Barrier(16)
    with ThreadPoolExecutor(16) as threads:
        for _ in range(2):
            list(threads.map(lambda number: keeping.call("GET", f"/containers/{number}/json"), range(16)))
    assert len(server.connections) == 16


def test_a_request_after_the_engine_closed_the_connection_is_sent_once_on_a_new_one(
    server: Server, keeping: Engine
) -> None:
    server.close_connections()
    assert keeping.call("POST", "/volumes/create", body={"Name": "data"}).status_code == 404
    assert [request for request, _ in server.requests][1:] == ["POST /v1.41/volumes/create"]
    assert len(server.connections) == 2


def test_a_request_that_the_engine_read_and_did_not_answer_is_not_sent_again(server: Server, keeping: Engine) -> None:
    server.is_stopped = True
    with pytest.raises(RemoteError, match="lost the connection") as caught:
        keeping.call("POST", "/volumes/create", body={"Name": "data"})
    assert caught.value.retryable and len(server.connections) == 1
    assert [request for request, _ in server.requests][1:] == ["POST /v1.41/volumes/create"]

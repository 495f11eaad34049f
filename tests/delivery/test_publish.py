"""Pushing: what moves, what does not, and a fault at every single request."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.errors import Interrupted, ShipitError
from shipit.events import Event, Retried, Transferred
from shipit.http.retry import ATTEMPTS
from shipit.image.image import BuiltImage
from shipit.parallel import Failures
from shipit.pipeline.flow import push
from shipit.pipeline.prepare import Preparation
from shipit.pipeline.run import Run
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from shipit.report.plan_text import render_plan
from tests import runs
from tests.runs import EventClock
from tests.sampled import sampled
from tests.servers.certificates import Authority, server_context
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.waits import SOON_S

DOCKERFILE = 'FROM scratch\nCOPY hello.txt /a\nCOPY hello.txt /b/c\nCMD ["/a"]\n'


# docker-registry takes bcrypt only; four rounds.
BCRYPT_OF_SECRET = "$2b$04$bsgMc6XSTW9.6TYuvw8y9u1CbjYj2eC9WpNDgfpPbS.C3iVh3ucLG"


class Faulty(EmbeddedRegistry):
    """Breaks the request of a given index, once or for good."""

    def __init__(self) -> None:
        super().__init__()
        self.index = -1
        self.fault = Response(500)
        self.lasting = False
        self.count = 0

    def answer(self, request: Request) -> Response:
        self.count += 1
        hit = self.count - 1 >= self.index if self.lasting else self.count - 1 == self.index
        if self.index >= 0 and hit:
            return self.fault
        return super().answer(request)


@pytest.fixture
def registry() -> Iterator[Faulty]:
    with Faulty() as server:
        yield server


def make(
    folder: Path,
    registry: EmbeddedRegistry,
    events: list[Event],
    name: str = "app",
    dockerfile: str = DOCKERFILE,
    clock: Clock | None = None,
) -> Run:
    process_environment = runs.environment(folder)
    text = f"app: app\nimage: {{repository: {registry.host}/{name}, tags: [v1]}}\ntargets: {{hub: }}\n"
    loaded = runs.project(folder, text, process_environment, dockerfile=dockerfile)
    return runs.run(loaded, process_environment, events, clock=clock)


def sent(events: list[Event]) -> list[int]:
    return [event.sent for event in events if isinstance(event, Transferred)]


def complete(registry: EmbeddedRegistry) -> bool:
    """Whether every tag names a manifest whose every blob is there."""
    for (name, _), digest in registry.tags.items():
        manifest = json.loads(registry.manifests[name, digest][1])
        if "manifests" in manifest:
            # The record of a run.
            continue
        if any(row["digest"] not in registry.blobs for row in [manifest["config"], *manifest["layers"]]):
            return False
    return True


def test_nothing_moves_twice(tmp_path: Path, registry: Faulty) -> None:
    events: list[Event] = []
    push(make(tmp_path, registry, events))
    assert sent(events) == [3], "two layers and the config"
    assert registry.config_of("app", "v1") is not None
    before = len(registry.log)
    push(make(tmp_path, registry, events))
    assert {method for method, _ in registry.log[before:]} <= {"GET", "HEAD"}
    (tmp_path / "hello.txt").write_text("other\n")
    push(make(tmp_path, registry, events, name="other"))
    assert sent(events) == [3, 3]


def test_what_is_pushed_already_is_seen_with_one_request(tmp_path: Path, registry: Faulty) -> None:
    push(make(tmp_path, registry, []))
    before = len(registry.log)
    push(make(tmp_path, registry, []))
    asked = [path for _, path in registry.log[before:] if path != "/v2/"]
    assert asked == ["/v2/app/manifests/v1"], "for the build, and for the target"


def test_blobs_that_a_tagged_manifest_names_are_not_asked_for(tmp_path: Path, registry: Faulty) -> None:
    dockerfile = "FROM scratch\nCOPY hello.txt /a\nCOPY second.txt /b\nCOPY Dockerfile /c\n"
    (tmp_path / "second.txt").write_text("second\n")
    first = push(make(tmp_path, registry, [], dockerfile=dockerfile))
    (kept, gone, _) = (layer.digest for layer in _built(first).layers)
    (tmp_path / "hello.txt").write_text("changed\n")
    before = len(registry.log)
    events: list[Event] = []
    second = push(make(tmp_path, registry, events, dockerfile=dockerfile))
    new, *others = (layer.digest for layer in _built(second).layers)
    assert kept not in (new, *others)
    asked = [(method, path.rpartition("/")[2]) for method, path in registry.log[before:]]
    assert ("HEAD", new) in asked
    image = next(iter(second.uses.values())).image.manifest_digest
    read = {path for method, path in registry.log[before:] if method == "GET" and path != "/v2/"}
    assert read == {f"/v2/app/manifests/{image}", "/v2/app/tags/list"}, "for the record of the run; the rest is our own"
    assert not {digest for _, digest in asked} & set(others)
    assert [(event.sent, event.there) for event in events if isinstance(event, Transferred)] == [(2, 2)]

    del registry.blobs[gone]
    registry.linked.discard(("app", gone))
    (tmp_path / "hello.txt").write_text("once more\n")
    third = push(make(tmp_path, registry, events, dockerfile=dockerfile))
    assert all(layer.digest in registry.blobs for layer in _built(third).layers), "what the registry lost is sent again"
    assert complete(registry)


def _built(preparation: Preparation) -> BuiltImage:
    (prepared,) = preparation.uses.values()
    return prepared.built


def test_a_cache_in_the_context_is_no_part_of_it(tmp_path: Path, registry: Faulty) -> None:
    built, again = (_built(push(make(tmp_path, registry, [], dockerfile="FROM scratch\nCOPY . /\n"))) for _ in range(2))
    assert any((tmp_path / ".cache/blobs").rglob("*"))
    assert again == built
    with tarfile.open(fileobj=io.BytesIO(registry.blobs[built.layers[0].digest])) as layer:
        assert sorted(layer.getnames()) == ["Dockerfile", "hello.txt"]


def test_a_layer_of_another_repository_is_mounted(tmp_path: Path, registry: Faulty) -> None:
    events: list[Event] = []
    push(make(tmp_path / "base", registry, events, name="base"))
    process_environment = runs.environment(tmp_path)
    text = f"app: app\nimage: {registry.host}/top\ntargets: {{hub: }}\n"
    loaded = runs.project(
        tmp_path / "top",
        text,
        process_environment,
        dockerfile=f'FROM {registry.host}/base:v1\nCOPY hello.txt /top\nCMD ["x"]\n',
    )
    push(runs.run(loaded, process_environment, events))
    last = [event for event in events if isinstance(event, Transferred)][-1]
    assert (last.sent, last.mounted) == (2, 2)


FAULTS = {
    "401": Response(401, b"{}", {"WWW-Authenticate": 'Basic realm="x"'}),
    "404": Response(404, b"{}"),
    "429": Response(429, b"{}", {"Retry-After": "1"}),
    "500": Response(500, b"oops"),
    "503": Response(503, b""),
    "truncated": Response(200, b"{", {"Content-Length": "5000", "Connection": "close"}),
}


@pytest.mark.sampled
@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=[] if name == "503" else [pytest.mark.slow]) for name in FAULTS]
)
def test_a_fault_at_every_request_is_overcome_or_explained(tmp_path: Path, fault: str) -> None:
    with Faulty() as clean:
        push(make(tmp_path / "count", clean, []))
        requests = clean.count
    for index in sampled(range(requests), 5, of=fault):
        with Faulty() as registry:
            registry.index, registry.fault = index, FAULTS[fault]
            try:
                push(make(tmp_path / str(index), registry, []))
            except ShipitError as error:
                assert error.where or isinstance(error, Failures), f"request {index}: {error.render()}"
                assert fault not in ("429", "500", "503"), (
                    f"request {index} should have been sent again: {error.render()}"
                )
            assert complete(registry)
            # The next run converges.
            push(make(tmp_path / str(index), registry, []))
            assert registry.config_of("app", "v1") is not None


def test_a_registry_that_is_gone_midway(tmp_path: Path, registry: Faulty) -> None:
    registry.index, registry.lasting, registry.fault = 8, True, Response(503, b"")
    events: list[Event] = []
    with pytest.raises(ShipitError) as caught:
        push(make(tmp_path, registry, events))
    assert "answered 503" in caught.value.render()
    assert registry.tags == {}
    assert len([event for event in events if isinstance(event, Retried)]) >= 4


def test_a_request_is_sent_again_as_often_as_the_policy_says_and_no_more(tmp_path: Path) -> None:
    for method, path in (("POST", "/v2/app/blobs/uploads/"), ("HEAD", "/v2/app/manifests/v1"), ("PUT", "manifests")):
        with Refusing(method, path) as registry:
            with pytest.raises(ShipitError, match="answered 503"):
                push(make(tmp_path / method, registry, []))
            asked = [where for how, where in registry.log if how == method and path in where]
            # Each of the blobs is one request; so is what is asked of a tag, or a manifest that is put.
            logical = 3 if method == "POST" else len(set(asked))
            assert len(asked) <= logical * ATTEMPTS and len(asked) % ATTEMPTS == 0, method


def test_a_registry_on_the_network_without_tls(tmp_path: Path, own_address: str) -> None:
    registry = EmbeddedRegistry()
    registry.address = own_address
    with registry:
        process_environment, events = runs.environment(tmp_path), list[Event]()
        text = f"app: app\nimage: {{repository: {registry.host}/app, tags: [v1]}}\ntargets: {{hub: }}\n"
        with pytest.raises(ShipitError) as caught:
            push(runs.run(runs.project(tmp_path, text, process_environment), process_environment, events))
        assert caught.value.hint == (
            f"if {registry.host} is on your own network and has no TLS, set insecure: true on the image"
        )
        text = text.replace("tags: [v1]", "tags: [v1], insecure: true")
        run = runs.run(runs.project(tmp_path, text, process_environment), process_environment, events)
        said = f"app  insecure: {registry.host} is asked over plain HTTP, and passwords go there in clear"
        assert said in render_plan(push(run).plan)
        assert registry.config_of("app", "v1") is not None


class ByTagOnly(EmbeddedRegistry):
    """Takes manifests by tag only, and gives them by tag only where `reads` says so."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self._methods = ("PUT", "GET", "HEAD") if reads else ("PUT",)

    def answer(self, request: Request) -> Response:
        if "/manifests/sha256:" in request.path and request.method in self._methods:
            self.log.append((request.method, request.path))
            return Response(405, b'{"errors": [{"code": "UNSUPPORTED", "message": "unsupported"}]}')
        return super().answer(request)


@pytest.mark.parametrize("reads", [False, True])
def test_a_registry_that_takes_manifests_by_tag_only(tmp_path: Path, reads: bool) -> None:
    with ByTagOnly(reads=reads) as registry:
        push(make(tmp_path, registry, []))
        assert registry.config_of("app", "v1") is not None and complete(registry)
        (tmp_path / "hello.txt").write_text("other\n")
        before = dict(registry.tags)
        events: list[Event] = []
        push(make(tmp_path, registry, events))
        assert sent(events) == [3] and complete(registry)
        assert registry.tags["app", "v1"] != before["app", "v1"], "the tag that was there moves last, to the same"
        again = len(registry.log)
        push(make(tmp_path, registry, []))
        assert {method for method, _ in registry.log[again:]} <= {"GET", "HEAD"}


class Refusing(EmbeddedRegistry):
    """Answers 503 to one kind of request, always."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__()
        self._method, self._path = method, path

    def answer(self, request: Request) -> Response:
        if request.method == self._method and self._path in request.path:
            self.log.append((request.method, request.path))
            return Response(503)
        return super().answer(request)


class Silent(EmbeddedRegistry):
    """Gives no answer to one kind of request until it is stopped."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__()
        self._method, self._path = method, path
        self.is_asked, self.is_over = threading.Event(), threading.Event()

    def answer(self, request: Request) -> Response:
        if request.method == self._method and self._path in request.path:
            self.is_asked.set()
            self.is_over.wait(120)
        return super().answer(request)

    def stop(self) -> None:
        self.is_over.set()
        super().stop()


SILENCES = {
    "a tag": ("HEAD", "/manifests/v1"),
    "a blob": ("HEAD", "/blobs/"),
    "an upload": ("POST", "/blobs/uploads/"),
    "a blob's end": ("PUT", "/blobs/uploads/"),
    "a manifest": ("PUT", "/manifests/"),
    "the registry": ("GET", "/v2/"),
}


@pytest.mark.parametrize("name", SILENCES)
def test_a_push_that_gets_no_answer_ends_at_the_deadline_and_says_what_it_waited_for(tmp_path: Path, name: str) -> None:
    method, path = SILENCES[name]
    with Silent(method, path) as registry:
        run = make(tmp_path, registry, [], clock=EventClock(registry.is_asked.is_set))
        run.timeout_s = 60.0
        began = time.monotonic()
        with run, pytest.raises(ShipitError) as caught:
            push(run)
        assert time.monotonic() - began < SOON_S
        text = caught.value.render()
        assert "the deadline passed while waiting for " in text and registry.host in text
        for thread in threading.enumerate():
            assert thread.name not in ("ask", "upload", "early"), "its threads end with the run"


def test_a_push_that_is_cancelled_while_it_waits_ends_at_once(tmp_path: Path) -> None:
    with Silent("HEAD", "/manifests/") as registry:
        clock = Clock(registry.is_asked)
        began = time.monotonic()
        with make(tmp_path, registry, [], clock=clock) as run, pytest.raises(Interrupted):
            push(run)
        assert time.monotonic() - began < SOON_S


def test_credentials_that_are_refused(tmp_path: Path) -> None:
    with EmbeddedRegistry(password="right") as registry:
        with pytest.raises(ShipitError) as caught:
            push(make(tmp_path, registry, []))
        what, hint = caught.value.render().splitlines()
        assert what.startswith(f"HEAD {registry.host}/v2/app/manifests/")
        assert what.endswith(": needs credentials, and none were found")
        assert hint == f"hint: shipit login {registry.host}"
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {registry.host: {"auth": "bWU6d3Jvbmc="}}}))
        with pytest.raises(ShipitError) as caught:
            push(make(tmp_path, registry, []))
        assert f"refused user 'me' from {tmp_path}/.docker/config.json" in caught.value.render()
        assert "wrong" not in caught.value.render()


def test_a_registry_that_speaks_tls_on_loopback(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.issue("server", "server", names=("127.0.0.1",))
    context = server_context(tmp_path / "pki")
    with EmbeddedRegistry() as registry:
        assert registry.http_server is not None
        registry.http_server.socket = context.wrap_socket(registry.http_server.socket, server_side=True)
        process_environment = runs.environment(tmp_path, SSL_CERT_FILE=str(tmp_path / "pki/ca.crt"))
        text = f"app: app\nimage: {{repository: {registry.host}/app, tags: [v1]}}\ntargets: {{hub: }}\n"
        push(
            runs.run(runs.project(tmp_path, text, process_environment, dockerfile=DOCKERFILE), process_environment, [])
        )
        assert registry.config_of("app", "v1") is not None


@pytest.mark.registry
def test_a_real_registry_with_basic_credentials(tmp_path: Path) -> None:
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text(f"me:{BCRYPT_OF_SECRET}\n")
    server = RegistryServer(tmp_path / "registry", htpasswd=htpasswd)
    try:
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(
            json.dumps({"auths": {server.host: {"username": "me", "password": "secret"}}})
        )
        process_environment = runs.environment(tmp_path)
        text = f"app: app\nimage: {{repository: {server.host}/app, tags: [v1]}}\ntargets: {{hub: }}\n"
        push(
            runs.run(runs.project(tmp_path, text, process_environment, dockerfile=DOCKERFILE), process_environment, [])
        )
        command = [
            find("skopeo"),
            "inspect",
            "--tls-verify=false",
            "--creds",
            "me:secret",
            f"docker://{server.host}/app:v1",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert len(json.loads(done.stdout)["Layers"]) == 2
    finally:
        server.stop()


def test_one_registry_that_fails_is_told_as_itself_beside_one_that_works(tmp_path: Path, registry: Faulty) -> None:
    with Faulty() as other:
        other.index, other.lasting, other.fault = 3, True, Response(403, b"{}")
        process_environment = runs.environment(tmp_path)
        images = f"images: {{a: {{repository: {registry.host}/a}}, b: {{repository: {other.host}/b}}}}"
        text = f"app: app\n{images}\ntargets: {{hub: {{images: [a, b]}}}}\n"
        with pytest.raises(ShipitError) as caught:
            push(
                runs.run(
                    runs.project(tmp_path, text, process_environment, dockerfile=DOCKERFILE), process_environment, []
                )
            )
        assert f"{other.host}/v2/b/" in caught.value.render() and "answered 403 Forbidden" in caught.value.render()
        assert caught.value.exit_code == 1

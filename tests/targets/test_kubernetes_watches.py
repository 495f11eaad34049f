"""A list that a watch keeps current, against servers and proxies that end, refuse, hold back or garble the watch."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.rehearsal.server import Request, Response, StrictServer
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.place import find_context
from shipit.targets.kubernetes.server import ApiServer
from shipit.targets.kubernetes.watched_list import FIRST_CHECK_S
from shipit.targets.kubernetes.watches import Watches
from tests import runs

PATH = "/api/v1/namespaces/prod/configmaps"
# How long to wait for what has to come, on a loaded machine.
_PATIENCE_S = 60.0
# A silence after which no test reads the list to check a watch, on a loaded machine.
_NEVER_S = 3600.0


class Skipping(Clock):
    """Real time, to which a test adds."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_s = 0.0

    def now(self) -> float:
        return super().now() + self.skipped_s


class Server(StrictServer):
    """`items`: name -> version of the list. Watches stay open and give what `say` puts, unless `answers` has another answer."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, str] = {"a": "5"}
        self.version = "5"
        self.lists = 0
        self.watched: list[str] = []
        self.answers: list[Callable[[], Response]] = []
        self.is_over = False
        self._said: queue.Queue[bytes | None] = queue.Queue()
        self.route("GET", PATH, self._answer)

    def say(self, kind: str, name: str = "", version: str = "", uid: str = "", **more: Any) -> None:
        metadata = {"name": name, "uid": uid or f"u-{name}", "resourceVersion": version}
        self._said.put(json.dumps({"type": kind, "object": {"metadata": metadata, **more}}).encode() + b"\n")

    def end_watch(self) -> None:
        """The server ends the watch, as it does from time to time."""
        self._said.put(None)

    def _answer(self, request: Request) -> Response:
        if not request.query.get("watch"):
            self.lists += 1
            items = [{"metadata": {"name": n, "uid": f"u-{n}", "resourceVersion": v}} for n, v in self.items.items()]
            return _json({"metadata": {"resourceVersion": self.version}, "items": items})
        self.watched.append(request.query["resourceVersion"])
        if self.answers:
            return self.answers.pop(0)()
        self._said = queue.Queue()
        return Response(200, self._stream(self._said))

    def _stream(self, said: queue.Queue[bytes | None]) -> Iterator[bytes]:
        """What is said until another watch begins: a server does not notice at once that a client has left."""
        while not self.is_over and said is self._said:
            try:
                line = said.get(timeout=0.05)
            except queue.Empty:
                continue
            if line is None:
                return
            yield line


class Bench:
    def __init__(self, folder: Path, server: Server) -> None:
        self.server, self.clock = server, Skipping()
        config = {
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://{server.host}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        (folder / "kubeconfig").write_text(json.dumps(config))
        environment = runs.environment(folder, KUBECONFIG=str(folder / "kubeconfig"))
        self.api = ApiServer(find_context(environment, None), environment)
        self.client = KubernetesClient(self.api, Deadline(self.clock).within(3600), lambda event: None)
        self.checked_after(_NEVER_S)
        self.parsed: list[str] = []

    def checked_after(self, check_s: float) -> None:
        """Begin with a watch whose silence is checked after this time."""
        self.watches = Watches(self.api, self.clock, check_s)

    def read(self) -> list[str]:
        self.watches.begin_look()
        return list(self.watches.read(self.client, PATH, {}, self.parse))

    def names(self) -> list[str]:
        """The same list in another form."""
        return list(self.watches.read(self.client, PATH, {}, lambda item: item["metadata"]["name"].text(), "names"))

    def parse(self, item: Field) -> str:
        metadata = item["metadata"]
        if not item["bad"].is_missing:
            raise item["bad"].wrong("should not be there")
        self.parsed.append(metadata["name"].text())
        return f"{metadata['name'].text()}@{metadata['resourceVersion'].text()}"

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait as the pipeline does, look by look."""
        end_s = time.monotonic() + _PATIENCE_S
        while not is_so():
            assert time.monotonic() < end_s
            self.watches.await_change(0.2)

    def until_read(self, *wanted: str) -> None:
        self.until(lambda: self.read() == list(wanted))

    def until_watching(self) -> None:
        """Until a look needs no list."""

        def is_watching() -> bool:
            before = self.server.lists
            self.read()
            return self.server.lists == before

        self.until(is_watching)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        yield started
        started.is_over = True


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Iterator[Bench]:
    made = Bench(tmp_path, server)
    yield made
    made.watches.close()
    made.api.close()


def test_after_one_list_changes_come_by_the_watch(bench: Bench, server: Server) -> None:
    assert bench.read() == ["a@5"]
    bench.until_watching()
    lists = server.lists
    server.say("ADDED", "b", "6")
    server.say("MODIFIED", "a", "7")
    bench.until_read("a@7", "b@6")
    server.say("DELETED", "a", "8")
    bench.until_read("b@6")
    assert server.lists == lists and server.watched == ["5"]
    # Each version of an object was parsed once, however often it was read.
    assert bench.parsed == ["a", "b", "a"]


def test_a_list_in_two_forms_is_two_lists(bench: Bench) -> None:
    assert (bench.read(), bench.names(), bench.read()) == (["a@5"], ["a"], ["a@5"])


def test_a_change_ends_the_wait(bench: Bench, server: Server) -> None:
    bench.read()
    bench.until_watching()
    threading.Timer(0.3, server.say, ("MODIFIED", "a", "7")).start()
    began_s = time.monotonic()
    bench.watches.await_change(_PATIENCE_S)
    assert time.monotonic() - began_s < _PATIENCE_S / 2
    assert bench.read() == ["a@7"]


def test_a_watch_that_the_server_ends_goes_on_from_the_last_bookmark(bench: Bench, server: Server) -> None:
    bench.read()
    bench.until_watching()
    server.say("BOOKMARK", version="40")
    server.say("MODIFIED", "a", "41")
    bench.until_read("a@41")
    server.say("BOOKMARK", version="50")
    server.items, server.version = {"a": "41"}, "50"
    server.end_watch()
    bench.until(lambda: len(server.watched) == 2)
    assert server.watched == ["5", "50"]
    bench.until_watching()
    server.say("MODIFIED", "a", "51")
    bench.until_read("a@51")


def test_a_version_that_expires_while_watching_is_listed_and_watched_again(bench: Bench, server: Server) -> None:
    bench.read()
    bench.until_watching()
    server.items, server.version = {"b": "90"}, "90"
    server.say("ERROR", code=410, reason="Expired")
    bench.until_read("b@90")
    bench.until_watching()
    assert server.watched[-1] == "90"
    server.say("MODIFIED", "b", "91")
    bench.until_read("b@91")


def test_a_version_that_has_expired_is_listed_and_watched_again(bench: Bench, server: Server) -> None:
    gone = {"kind": "Status", "code": 410, "reason": "Expired"}
    server.answers = [lambda: _json(gone, 410), lambda: _json(gone, 410)]
    bench.read()
    bench.until(lambda: bool(bench.read()) and not server.answers)
    server.items, server.version = {"b": "90"}, "90"
    bench.until_read("b@90")
    bench.until_watching()
    assert server.watched[-1] == "90"


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_where_watches_are_refused_every_look_is_a_list(bench: Bench, server: Server, status: int) -> None:
    server.answers = [lambda: _json({"kind": "Status", "code": status}, status)]
    bench.read()
    bench.until(lambda: len(server.watched) == 1)
    for version in ("6", "7", "8"):
        server.items = {"a": version}
        bench.until_read(f"a@{version}")
    assert len(server.watched) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_watch_that_fails_for_a_while_is_tried_again(bench: Bench, server: Server, status: int) -> None:
    refused = Response(status, b"", {"Retry-After": "0"} if status == 429 else {})
    server.answers = [lambda: refused, lambda: refused]
    bench.read()
    bench.until_watching()
    assert len(server.watched) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"<html>please log in</html>\n",
        b'{"kind": "ConfigMapList", "items": []}\n',
        b'{"type": "ADDED", "object": {"metadata": {"name": "x", "resourceVersion": "1"}, "bad": 1}}\n',
        b'{"type": "ADDED", "object": {"metadata": {"name": "x"}}}\n',
    ],
    ids=["html", "a list", "an object that can't be parsed", "no version"],
)
def test_a_stream_of_something_else_is_left_for_lists(bench: Bench, server: Server, body: bytes) -> None:
    server.answers = [lambda: Response(200, body)]
    bench.read()
    bench.until(lambda: len(server.watched) == 1)
    server.items = {"a": "6"}
    bench.until_read("a@6")
    server.items = {"a": "7"}
    bench.until_read("a@7")
    assert len(server.watched) == 1


def test_an_endless_event_is_left_for_lists(bench: Bench, server: Server) -> None:
    def endless() -> Iterator[bytes]:
        while not server.is_over:
            yield b"x" * 1024 * 1024

    server.answers = [lambda: Response(200, endless())]
    bench.read()
    bench.until(lambda: len(server.watched) == 1)
    server.items = {"a": "6"}
    bench.until_read("a@6")
    assert len(server.watched) == 1


def test_a_proxy_that_holds_events_back_is_found_out(bench: Bench, server: Server) -> None:
    bench.checked_after(FIRST_CHECK_S)
    bench.read()
    # The watch is open and silent, and the list changes all the same.
    for version in ("6", "7"):
        bench.until_watching()
        server.items, server.version = {"a": version}, version
        bench.clock.skipped_s += 5
        bench.until_read(f"a@{version}")
    bench.watches.await_change(0.2)
    lists, watched = server.lists, len(server.watched)
    server.items = {"a": "10"}
    bench.until_read("a@10")
    assert server.lists > lists and len(server.watched) == watched


def test_a_silent_watch_is_checked_ever_more_rarely(bench: Bench, server: Server) -> None:
    bench.checked_after(FIRST_CHECK_S)
    bench.read()
    bench.until_watching()
    lists = server.lists
    for _ in range(120):
        bench.clock.skipped_s += 1
        assert bench.read() == ["a@5"]
    # After 3, 9, 21, 45 and 93 s.
    assert server.lists - lists <= 6
    server.say("MODIFIED", "a", "6")
    bench.until_read("a@6")
    assert server.watched == ["5"]


def test_after_a_change_of_our_own_the_list_is_read_again(bench: Bench, server: Server) -> None:
    bench.read()
    bench.until_watching()
    server.items, server.version = {"a": "6"}, "6"
    bench.watches.reset()
    # The watch has told nothing of it.
    assert bench.read() == ["a@6"]
    bench.until_watching()
    assert server.watched[-1] == "6"


def test_a_list_that_can_not_be_read_is_an_error(bench: Bench, server: Server) -> None:
    server.routes.clear()
    with pytest.raises(RemoteError):
        bench.read()


def test_threads_end_with_the_watches(bench: Bench, server: Server) -> None:
    bench.read()
    bench.until_watching()
    bench.watches.close()
    end_s = time.monotonic() + _PATIENCE_S
    while any(thread.name == f"watch {PATH}" for thread in threading.enumerate()):
        assert time.monotonic() < end_s
        time.sleep(0.05)


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

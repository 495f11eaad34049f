"""What is left of a one-off command on an engine that gives prepared answers: its exit code, and its removal when shipit is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from shipit.docker.client import Engine
from shipit.errors import RemoteError
from shipit.record import to_json
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.ending import Ending
from shipit.targets.engine.guard import ARGUMENTS, Guard, Guarded, remove_guarded
from shipit.targets.engine.one_off import run_once
from shipit.targets.engine.running import RunningContainer
from shipit.targets.remote import Command
from tests.docker.answering_engine import VERSION, Server
from tests.shipit import ROOT
from tests.targets.answering_host import answering_host
from tests.targets.test_docker_commands import LIKE, OWNER
from tests.waits import wait_until

WAIT, DELETE = "POST /containers/run-1/wait", "DELETE /containers/run-1"


def deletes(server: Server) -> list[str]:
    return [request.partition("?")[0] for request, _ in server.requests if request.startswith("DELETE")]


@pytest.mark.parametrize(
    ("body", "code"), [({"StatusCode": 0}, 0), ({"StatusCode": 137, "Error": None}, 137), ({"StatusCode": 3}, 3)]
)
def test_an_engine_that_waits_for_a_container_gives_its_exit_code(tmp_path: Path, body: Any, code: int) -> None:
    with answering_host(tmp_path, {WAIT: body}) as (client, server), Ending(client, "run-1") as ending:
        assert server.requests[-1][0].endswith("/wait?condition=next-exit")
        assert ending.exit_code() == code


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "does not say how the command ended"),
        (b"{}", "StatusCode"),
        (b'{"StatusCode": "0"}', "StatusCode"),
        (b"[" * 5000, "does not say how the command ended"),
        ({"StatusCode": 0, "Error": {"Message": "the disk is full"}}, "the disk is full"),
        (b'{"StatusCode": 0' + b" " * 70_000, "its exit code is not known: the engine's answer is longer"),
    ],
)
def test_an_answer_without_an_exit_code_is_an_error(tmp_path: Path, body: Any, what: str) -> None:
    with (
        answering_host(tmp_path, {WAIT: body}) as (client, _),
        Ending(client, "run-1") as ending,
        pytest.raises(RemoteError, match=what),
    ):
        ending.exit_code()


def test_the_exit_code_is_waited_for_after_the_deadline_of_the_start(tmp_path: Path) -> None:
    with answering_host(tmp_path, {WAIT: {"StatusCode": 0}}) as (client, server):
        server.is_silent = True
        with Ending(client.within(1), "run-1") as ending:
            # The engine does not end its answer while the command runs.
            threading.Timer(1.5, server.is_over.set).start()
            with pytest.raises(RemoteError, match="its exit code is not known: lost the connection"):
                ending.exit_code()


def test_podman_waits_for_the_removal(tmp_path: Path) -> None:
    with answering_host(tmp_path, {WAIT: {"StatusCode": 3}}) as (client, server):
        podman = Engine(client.engine.address, {})
        server.answers["GET /version"] = (
            200,
            json.dumps({**VERSION, "Components": [{"Name": "Podman Engine"}]}).encode(),
        )
        assert podman.is_reachable() and podman.is_podman
        with Ending(HostClient(podman, "podman", client.deadline), "run-1") as ending:
            assert server.requests[-1][0].endswith("/wait?condition=removed")
            assert ending.exit_code() == 3
        podman.close()


def test_an_engine_that_does_not_wait_is_an_error_with_its_message(tmp_path: Path) -> None:
    with answering_host(tmp_path, {}) as (client, _), pytest.raises(RemoteError, match="No such image"):
        Ending(client, "run-1").__enter__()


# A process that waits for a command, as `shipit run` does.
WAITING = """
    import sys, time
    from shipit.docker.address import EngineAddress
    from shipit.docker.client import Engine
    from shipit.targets.engine.guard import Guard
    with Guard(Engine(EngineAddress(sys.argv[1]), {"PYTHONPATH": sys.argv[2]}), "/containers/run-1") as guard:
        print("waits", flush=True)
        if len(sys.argv) == 3:
            time.sleep(600)
        guard.remove(lambda: None)
"""


def test_a_container_is_removed_when_the_process_that_waits_for_it_is_killed(tmp_path: Path) -> None:
    with answering_host(tmp_path, {DELETE: None}) as (client, server):
        command = [sys.executable, "-c", textwrap.dedent(WAITING), client.engine.address.host, str(ROOT)]
        # One that ends as it should removes it by itself.
        subprocess.run([*command, "ends"], check=True, capture_output=True, timeout=120)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout and process.stdout.readline() == b"waits\n"
            process.kill()
        wait_until("the container is removed", lambda: deletes(server), bool, within_s=120)
        assert deletes(server) == ["DELETE /v1.41/containers/run-1"]


def test_a_guard_runs_the_package_of_this_process_also_where_none_is_installed(tmp_path: Path) -> None:
    (tmp_path / "shipit").mkdir()
    (tmp_path / "shipit" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    # -I and -S: without installed packages.
    started = [sys.executable, "-I", "-S", *ARGUMENTS]
    ended = subprocess.run(started, cwd=tmp_path, input=b"", capture_output=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def lost() -> None:
    raise RemoteError("lost the connection", where="POST", retryable=True)


def refused() -> None:
    raise RemoteError("no such image", where="POST", status=404)


@pytest.mark.parametrize("lose", ["the answer to the creation", "the removal"])
def test_where_the_creation_or_the_removal_is_lost_the_guard_removes_it(tmp_path: Path, lose: str) -> None:
    with answering_host(tmp_path, {DELETE: None}) as (client, server):
        client.engine.variables = {"PYTHONPATH": str(ROOT)}
        with (
            pytest.raises(RemoteError, match="lost the connection"),
            Guard(client.engine, "/containers/run-1") as guard,
        ):
            with guard.creating():
                lost() if lose == "the answer to the creation" else None
            guard.remove(lost)
        wait_until("the container is removed", lambda: deletes(server), bool, within_s=120)


class ByEnd(dict[str, tuple[int, bytes]]):
    """Answers by the method and the end of the path: the container of a one-off command has a random name."""

    def get(self, request: str, default: Any = None) -> Any:
        method, _, path = request.partition(" ")
        rows = [key.partition(" ") for key in self]
        return next((self[f"{own} {end}"] for own, _, end in rows if own == method and path.endswith(end)), default)


@pytest.mark.parametrize(
    ("create", "removals", "what"),
    [((201, b"cut"), 1, "not JSON"), ((201, b'{"Id": "1"}'), 2, "busy")],
    ids=["the answer to its creation is lost", "its removal fails"],
)
def test_a_container_that_may_be_left_is_removed_by_the_guard(
    tmp_path: Path, create: tuple[int, bytes], removals: int, what: str
) -> None:
    with answering_host(tmp_path, {}) as (client, server):
        answers = server.answers = ByEnd(server.answers)
        answers.update({"GET /json": (200, json.dumps(LIKE).encode()), "POST /create": create})
        answers["DELETE "] = (500, b'{"message": "busy"}')
        client.engine.variables = {"PYTHONPATH": str(ROOT)}
        with pytest.raises(RemoteError, match=what):
            run_once(RunningContainer(client, "1", "web-1"), OWNER, "web", Command(("id",), None, has_input=False))
        answers["DELETE "] = (204, b"")
        wait_until("the guard asks for it", lambda: deletes(server), lambda sent: len(sent) >= removals, within_s=120)


def test_what_was_removed_or_refused_needs_no_guard(tmp_path: Path) -> None:
    with answering_host(tmp_path, {DELETE: None}) as (client, server):
        client.engine.variables = {"PYTHONPATH": str(ROOT)}
        guards = [Guard(client.engine, "/containers/run-1").__enter__() for _ in range(2)]
        processes = [guard._process for guard in guards]
        with pytest.raises(RemoteError, match="no such image"), guards[0].creating():
            refused()
        guards[1].remove(lambda: None)
        assert [process.returncode for process in processes if process] == [-9, -9]
        assert deletes(server) == []


class Requests(list[Any]):
    """Those of an engine that removes a container at the second request."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.requests)
        self._server = server

    def append(self, one: Any) -> None:
        super().append(one)
        if len(deletes(self._server)) == 2:
            self._server.answers[DELETE] = (204, b"")


def test_a_guard_tries_again_until_the_engine_has_removed_it(tmp_path: Path) -> None:
    with answering_host(tmp_path, {}) as (client, server):
        server.answers[DELETE] = (500, b'{"message": "busy"}')
        server.requests = Requests(server)
        remove_guarded(json.dumps(to_json(Guarded(client.engine.address, {}, "/containers/run-1"))).encode())
        assert len(deletes(server)) == 2


def test_where_no_process_can_be_started_there_is_no_guard(tmp_path: Path) -> None:
    with answering_host(tmp_path, {}) as (client, server):
        client.engine.variables = {"A\0B": "x"}
        with Guard(client.engine, "/containers/run-1"):
            pass
        assert deletes(server) == []

"""One-off commands that end before anyone is connected to them, and images without a shell, on the API server in memory."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.events import Warned
from shipit.rehearsal.server import Request, Response
from shipit.targets.kubernetes.one_off import render_one_off
from shipit.targets.kubernetes.one_off_job import OneOffJob
from shipit.targets.kubernetes.target import KubernetesTarget
from shipit.targets.remote import Command
from shipit.targets.verbs import runs_once
from tests.servers.kube_api import KubeApi, Object
from tests.targets.kube_place import KubePlace, kube_place

NO_SHELL = 'exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown'


class Ending(KubeApi):
    """The container of each Job ends as `ends` says, in turn: reason, exit code, message.

    `notes` requests for a log are answered as by a kubelet that has none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[str, int, str]] = []
        self.commands: list[list[str]] = []
        self.notes = 0

    def _run(self, job: Object) -> None:
        super()._run(job)
        pod = self.objects["pods", f"{job['metadata']['name']}-x"]
        main = pod["spec"]["containers"][0]
        self.commands.append(main["command"])
        reason, code, message = self.ends.pop(0)
        state = {"terminated": {"reason": reason, "exitCode": code, "message": message}}
        pod["status"] = {"phase": "Failed", "containerStatuses": [{"name": main["name"], "state": state}]}

    def _log(self, request: Request) -> Response:
        if not self.notes:
            return super()._log(request)
        self.notes -= 1
        note = b"unable to retrieve container logs for containerd://0123456789abcdef"
        return Response(200, note, {"Content-Type": "text/plain"})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    own = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}}'
    with kube_place(tmp_path, own, Ending) as made:
        assert made.deploy()[0] == 0
        yield made


def ran(place: KubePlace, *words: str) -> tuple[int, bytes, list[str]]:
    """The exit code, the output, and the warnings."""
    run, events = place.run()
    [target] = run.targets
    assert runs_once(target)
    remote = target.run_once("web", Command(words), run.session(target), "")
    output = b""
    while not remote.is_over:
        select.select([remote], [], [], 5)
        output += b"".join(part.data for part in remote.receive())
        remote.flush()
    code = remote.result()
    remote.close()
    run.close()
    return code, output, [event.message for event in events if isinstance(event, Warned)]


def jobs(api: KubeApi) -> list[Any]:
    return [name for plural, name in api.objects if plural == "jobs"]


def test_a_command_that_has_ended_already_gives_its_log_and_its_code(place: KubePlace) -> None:
    assert isinstance(place.api, Ending)
    place.api.ends = [("Error", 3, "")]
    assert ran(place, "rake") == (3, b"migrating\nmigrated\n", [])
    assert place.api.commands[0][:2] == ["/bin/sh", "-c"]
    assert jobs(place.api) == []


@pytest.mark.slow
@pytest.mark.parametrize(("notes", "output"), [(2, b"migrating\nmigrated\n"), (1_000, b"")])
def test_the_note_of_a_kubelet_without_a_log_is_not_the_output_of_a_command(
    place: KubePlace, notes: int, output: bytes
) -> None:
    assert isinstance(place.api, Ending)
    place.api.ends, place.api.notes = [("Error", 3, "")], notes
    code, written, warnings = ran(place, "rake")
    assert (code, written) == (3, output)
    assert [text.partition(": ")[2] for text in warnings] == (
        [] if output else ["the node has no log of the command: its output is missing"]
    )


def test_an_image_without_a_shell_runs_the_command_itself(place: KubePlace) -> None:
    assert isinstance(place.api, Ending)
    place.api.ends = [("StartError", 128, NO_SHELL), ("Completed", 0, "")]
    code, output, warnings = ran(place, "/app", "seed")
    assert (code, output) == (0, b"migrating\nmigrated\n")
    assert warnings == ["the image has no /bin/sh: what the command writes at once may be missing"]
    assert place.api.commands[1] == ["/app", "seed"]
    assert jobs(place.api) == []


def test_a_program_that_is_not_in_the_image_is_an_error(place: KubePlace) -> None:
    assert isinstance(place.api, Ending)
    missing = 'exec: "nosuch": executable file not found in $PATH: unknown'
    place.api.ends = [("StartError", 128, NO_SHELL), ("StartError", 128, missing)]
    with pytest.raises(RemoteError, match="executable file not found"):
        ran(place, "nosuch")
    assert jobs(place.api) == []


def test_who_may_not_change_a_job_is_told_that_it_ends_by_itself(tmp_path: Path) -> None:
    class Refusing(KubeApi):
        def answer(self, request: Request) -> Response:
            if request.method == "PATCH" and "/jobs/" in request.path:
                return Response(403, b'{"kind": "Status", "reason": "Forbidden", "message": "not you"}')
            return super().answer(request)

    own = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}}'
    with kube_place(tmp_path, own, Refusing) as place:
        run, events = place.run()
        [target] = run.targets
        assert isinstance(target, KubernetesTarget)
        client = target._one_off("web", run.session(target), "").client
        OneOffJob(client, target.name, target.namespace, "web-run-1").extend(120.0)
        run.close()
        [warned] = [event.message for event in events if isinstance(event, Warned)]
        assert warned.startswith("the cluster ends Job/web-run-1 after 10 minutes: ") and "not you" in warned


def test_a_long_name_that_is_cut_at_a_dot_or_dash_stays_a_name(tmp_path: Path) -> None:
    name = f"{'a' * 49}.{'b' * 12}-{'c' * 9}"
    metadata = {"name": name, "uid": "u"}
    live = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    live |= {"spec": {"template": {"spec": {"containers": [{"name": "web"}]}}}}
    labels = render_one_off("n", live, Command(("sh",)), [])["metadata"]["labels"]
    assert labels["shipit.dev/run"] == name[:62]

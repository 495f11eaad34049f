"""Compose projects that others started, that fail, and whose deploy is killed, on a real engine."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.engine import DockerEngine, install_compose
from tests.servers.install import find
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]

SECRET = "canary-secret-4711"
SLEEP = "command: [sleep, '9999'], stop_grace_period: 0s"
COMPOSE = """
services:
  web:
    build: .
    environment: [TOKEN, VERSION]
    stop_grace_period: 0s
    volumes: ["data:/data"]
volumes: {data: {}}
"""
WITH_JOB = COMPOSE.replace(
    "    build: .\n", "    build: .\n    depends_on: {job: {condition: service_completed_successfully}}\n"
).replace("services:\n", "services:\n  job: {build: ., command: [sh, -c, 'echo no table; exit 4']}\n")
DOCKERFILE = 'FROM python:3.12-alpine\nCOPY run.sh /\nCMD ["sh", "/run.sh"]\n'


class Project:
    """A project of one service, and the docker command with Compose."""

    def __init__(
        self, shipit: Shipit, engine: DockerEngine, base: str, folder: Path, name: str, host: str = ""
    ) -> None:
        self.shipit, self.engine, self.base, self.config = shipit, engine, base, folder
        self.project = f"{name}-production"
        install_compose(folder)
        shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={base}", "DOCKER_CONFIG": str(folder), "TOKEN": SECRET}
        shipit.write(
            compose__yaml=COMPOSE,
            Dockerfile=DOCKERFILE,
            deploy__yml=(
                f"app: {name}\nimages: {{web: {{build: .}}}}\nsecrets: {{TOKEN: {{env: TOKEN}}}}\n"
                f"targets: {{compose: {{host: '{host or engine.host}', settle: 2s, pending: 3m, on_failure: rollback}}}}\n"
            ),
        )
        self.write("v1")

    def write(self, version: str, ending: str = "exec sleep 9999") -> None:
        self.shipit.write(run__sh=f"echo serving {version}\n{ending}\n")

    def docker(self, *words: str) -> str:
        command = [find("docker"), "--config", str(self.config), "--host", self.engine.host, *words]
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=180).stdout.strip()

    def ids(self, *words: str) -> dict[str, str]:
        """Name -> id of the containers of the project."""
        filters = ("--filter", f"label=com.docker.compose.project={self.project}", "--no-trunc")
        lines = self.docker("ps", *filters, *words, "--format", "{{.Names}} {{.ID}}").splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}

    def files(self) -> list[str]:
        return self.docker("volume", "ls", "--quiet", "--filter", "label=dev.shipit.compose-file-id").split()

    def clean(self) -> None:
        if found := self.ids("--all"):
            self.docker("rm", "--force", *found.values())
        labels = (f"com.docker.compose.project={self.project}", f"dev.shipit.app={self.project[: -len('-production')]}")
        for kind in ("volume", "network"):
            for label in labels:
                if found_too := self.docker(kind, "ls", "--quiet", "--filter", f"label={label}").split():
                    self.docker(kind, "rm", *found_too)


@pytest.fixture
def taken(shipit: Shipit, engine: DockerEngine, python_base: str, tmp_path: Path) -> Iterator[Project]:
    project = Project(shipit, engine, python_base, tmp_path / "docker-config", "taken")
    yield project
    project.clean()


@pytest.fixture
def behind_ssh(
    shipit: Shipit, engine: DockerEngine, python_base: str, ssh: tuple[int, Path], tmp_path: Path
) -> Iterator[Project]:
    port, folder = ssh
    shipit.env["PATH"] = f"{folder / 'bin'}:{shipit.env['PATH']}"
    host = f"ssh://root@127.0.0.1:{port}"
    project = Project(shipit, engine, python_base, tmp_path / "docker-config", "killed", host)
    yield project
    project.clean()


def test_a_project_that_runs_already_is_taken_over_and_a_failed_deploy_is_rolled_back(taken: Project) -> None:
    project = taken
    shipit, web, dev = project.shipit, "taken-production-web-1", "taken-production-dev-1"
    image = f"image: {project.base}/library/python:3.12-alpine"
    shipit.write(other__yaml=f"services: {{web: {{{image}, {SLEEP}}}, dev: {{{image}, {SLEEP}}}}}\n")
    project.docker("compose", "-p", project.project, "-f", str(shipit.folder / "other.yaml"), "up", "--detach")
    before = project.ids()
    assert set(before) == {web, dev}

    plan = shipit.run("plan", "--full")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert f"takes over the project {project.project}, which runs already: {web}" in plan.stdout
    assert f"left alone, as shipit did not create them: {dev}" in plan.stdout
    done = shipit.run("deploy", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    first = project.ids()
    assert first[dev] == before[dev] and first[web] != before[web]
    told = shipit.run("exec", "compose/web", "--", "sh", "-c", "echo $TOKEN; exit 3")
    assert (told.stdout.strip(), told.returncode) == (SECRET, 3)
    told = shipit.run("run", "compose/web", "--", "sh", "-c", "echo once; ls /data")
    assert (told.stdout.strip(), told.returncode) == ("once", 0), told.stderr
    assert set(project.ids("--all")) == {web, dev}
    assert shipit.run("stop").returncode == 0 and set(project.ids()) == {dev}
    begun = shipit.run("start")
    assert begun.returncode == 0 and project.ids() == first, begun.stdout + begun.stderr

    project.write("v2", "echo no database; exit 7")
    failed = shipit.run("deploy", "--yes")
    said = failed.stdout + failed.stderr
    assert failed.returncode == 1 and f"{web} exited with 7" in said and "no database" in said, said
    assert "rolled back" in said and SECRET not in said
    back = project.ids()
    assert set(back) == {web, dev} and project.docker("logs", back[web]).splitlines()[-1] == "serving v1"
    history = shipit.run("history")
    assert "failed" in history.stdout and "healthy" in history.stdout, history.stdout

    # Compose ends with 1 here: the container that it waited for is named.
    shipit.write(compose__yaml=WITH_JOB)
    failed = shipit.run("deploy", "--yes")
    said = failed.stdout + failed.stderr
    assert failed.returncode == 1 and "taken-production-job-1 exited with 4" in said and "no table" in said, said
    assert set(project.ids("--all")) == {web, dev}, "the job went with the rollback"

    gone = shipit.run("destroy", "-e", "production", "--yes", "--include", "volume/taken-production_data")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert f"the container {dev} stays: shipit did not create it" in gone.stdout + gone.stderr
    assert set(project.ids("--all")) == {dev} and project.files() == []
    assert project.docker("volume", "ls", "--quiet", "--filter", "name=taken-production_data") == ""


def test_a_killed_deploy_to_a_host_behind_ssh_is_completed_by_the_next_one(behind_ssh: Project) -> None:
    project, shipit = behind_ssh, behind_ssh.shipit
    assert shipit.run("deploy").returncode == 0
    first, kept = project.ids(), project.files()
    project.write("v2")
    running = shipit.start("deploy", "--yes")
    try:
        # The file of the release is kept just before Compose starts.
        wait_until("a second file is kept", project.files, lambda files: len(files) > len(kept))
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    # The lock of the killed run is free when it was not renewed for a while.
    again = shipit.run("deploy", "--yes", "--wait", "10m", timeout_s=700)
    assert again.returncode == 0, again.stdout + again.stderr
    found = project.ids("--all")
    assert set(found) == {"killed-production-web-1"} and found != first
    assert project.docker("logs", *found.values()) == "serving v2"
    assert "nothing changed" in shipit.run("deploy").stdout

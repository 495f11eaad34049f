"""Compose projects that others started, that fail, and whose deploy is killed, on a real engine."""

from __future__ import annotations

import getpass
import json
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from shipit.rehearsal.dyno import free_port
from shipit.targets.compose.content import unpack
from tests.e2e.attached import check_codes, check_killed, check_shell
from tests.e2e.followed import Followed
from tests.sampled import only_deep, sampled
from tests.servers.engine import DockerEngine, install_compose
from tests.servers.install import find
from tests.servers.killing import HeldEngine
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
        self.project, self.host = f"{name}-production", host or engine.host
        install_compose(folder)
        shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={base}", "DOCKER_CONFIG": str(folder), "TOKEN": SECRET}
        shipit.write(
            compose__yaml=COMPOSE,
            Dockerfile=DOCKERFILE,
            deploy__yml=(
                f"app: {name}\nimages: {{web: {{build: .}}}}\nsecrets: {{TOKEN: {{env: TOKEN}}}}\n"
                f"targets: {{compose: {{host: '{self.host}', settle: 2s, pending: 3m, on_failure: rollback}}}}\n"
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

    def commit(self) -> str:
        """A new commit of the folder, without a change of a file that is deployed: its hash."""
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(self.shipit.folder)]
        for words in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "any"), ("rev-parse", "HEAD")):
            done = subprocess.run([*command, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def origin(self, name: str) -> tuple[str, str, str]:
        """The run, the commit and the author of a container, by its labels."""
        found = json.loads(self.docker("inspect", "--format", "{{json .Config.Labels}}", name))
        run, commit, by = (found[f"dev.shipit.{key}"] for key in ("release", "commit", "by"))
        return run, commit, by

    def files(self) -> list[str]:
        return self.docker("volume", "ls", "--quiet", "--filter", "label=dev.shipit.compose-file-id").split()

    def made(self) -> list[str]:
        """The volumes and networks that Compose made for the project."""
        label = f"label=com.docker.compose.project={self.project}"
        return [
            name
            for kind in ("volume", "network")
            for name in self.docker(kind, "ls", "--quiet", "--filter", label).split()
        ]

    def up_by_hand(self) -> None:
        """`docker compose up` with the file that shipit kept last."""
        label = '{{index .Labels "dev.shipit.compose-file"}}'
        texts = [self.docker("volume", "inspect", "--format", label, name) for name in self.files()]
        [running] = self.ids().values()
        image = self.docker("inspect", "--format", "{{.Config.Image}}", running)
        [text] = {found.text for found in map(unpack, texts) if found and image in found.text}
        file = self.shipit.folder / "by-hand.json"
        file.write_text(text)
        self.docker(
            "compose",
            "-p",
            self.project,
            "--project-directory",
            str(self.shipit.folder),
            "-f",
            str(file),
            "up",
            "--detach",
        )

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
    services = f"web: {{{image}, {SLEEP}, volumes: ['data:/data']}}, dev: {{{image}, {SLEEP}}}"
    shipit.write(other__yaml=f"services: {{{services}}}\nvolumes: {{data: {{}}}}\n")
    project.docker("compose", "-p", project.project, "-f", str(shipit.folder / "other.yaml"), "up", "--detach")
    before = project.ids()
    assert set(before) == {web, dev}
    project.docker("exec", web, "sh", "-c", "echo kept > /data/file")
    made = project.made()

    plan = shipit.run("plan", "--full")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    started = f"which docker compose started from {shipit.folder / 'other.yaml'}: {web}; its volumes stay"
    assert f"takes over the project {project.project}, {started}" in plan.stdout, plan.stdout
    assert f"left alone, as shipit did not create them: {dev}" in plan.stdout
    commit = project.commit()
    done = shipit.run("deploy", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    first, origin = project.ids(), project.origin(web)
    assert origin[1] == commit and origin[2].startswith(getpass.getuser())
    assert first[dev] == before[dev] and first[web] != before[web]
    assert project.made() == made and project.docker("exec", web, "cat", "/data/file") == "kept"
    told = shipit.run("exec", "compose/web", "--", "sh", "-c", "echo $TOKEN; exit 3")
    assert (told.stdout.strip(), told.returncode) == (SECRET, 3)
    told = shipit.run("run", "compose/web", "--", "sh", "-c", "echo once; ls /data")
    assert (told.stdout.split(), told.returncode) == (["once", "file"], 0), told.stderr
    # docker compose run -it, docker compose up --scale
    for words in (("exec", "compose/web"), ("run", "compose/web")):
        check_codes(shipit, *words)
        check_shell(shipit, *words)
    check_killed(shipit, lambda: project.docker("ps", "--all", "--quiet"), "compose/web")
    assert set(project.ids("--all")) == {web, dev}
    for number, names in (("2", {web, "taken-production-web-2", dev}), ("1", {web, dev})):
        scaled = shipit.run("scale", f"compose/web={number}")
        assert scaled.returncode == 0 and set(project.ids()) == names, scaled.stdout + scaled.stderr
    assert shipit.run("stop").returncode == 0 and set(project.ids()) == {dev}
    begun = shipit.run("start")
    assert begun.returncode == 0 and project.ids() == first, begun.stdout + begun.stderr

    # Another commit alone changes nothing.
    assert project.commit() != commit
    assert "nothing changed" in shipit.run("deploy").stdout and project.ids() == first

    project.write("v2", "echo no database; exit 7")
    failed = shipit.run("deploy", "--yes")
    said = failed.stdout + failed.stderr
    assert failed.returncode == 1 and f"{web} exited with 7" in said and "no database" in said, said
    assert "rolled back" in said and SECRET not in said
    back = project.ids()
    assert set(back) == {web, dev} and project.docker("logs", back[web]).splitlines()[-1] == "serving v1"
    returned = project.origin(web)
    assert returned[0] != origin[0] and returned[1:] == origin[1:], "this run, and the commit of what it brought back"
    history = shipit.run("history")
    assert "failed" in history.stdout and "healthy" in history.stdout, history.stdout

    # Compose ends with 1 here: the container that it waited for is named.
    shipit.write(compose__yaml=WITH_JOB)
    failed = shipit.run("deploy", "--yes")
    said = failed.stdout + failed.stderr
    assert failed.returncode == 1 and "taken-production-job-1 exited with 4" in said and "no table" in said, said
    assert set(project.ids("--all")) == {web, dev}, "the job went with the rollback"

    # A service with another name is another one: the earlier one goes when the new one is healthy, and the volume stays.
    project.write("v1")
    shipit.write(compose__yaml=COMPOSE.replace("  web:", "  shop:"))
    plan = shipit.run("plan", "--full")
    assert "start shop of" in plan.stdout or "update shop of" in plan.stdout, plan.stdout
    assert "remove web, which left the compose file" in plan.stdout and web in plan.stdout, plan.stdout
    renamed = shipit.run("deploy", "--yes")
    assert renamed.returncode == 0, renamed.stdout + renamed.stderr
    shop = "taken-production-shop-1"
    assert set(project.ids("--all")) == {shop, dev} and project.made() == made
    assert project.docker("exec", shop, "cat", "/data/file") == "kept"

    # docker compose down --rmi all --volumes
    images = ("images", "--quiet", "--filter", "reference=localhost/taken/production/*")
    assert project.docker(*images)
    gone = shipit.run("destroy", "-e", "production", "--yes", "--rmi", "--include", "volume/taken-production_data")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert f"the container {dev} stays: shipit did not create it" in gone.stdout + gone.stderr
    assert set(project.ids("--all")) == {dev} and project.files() == [] and project.docker(*images) == ""
    assert project.docker("volume", "ls", "--quiet", "--filter", "name=taken-production_data") == ""


# Writes its numbered lines, the last one when it is stopped, and keeps the number of that one.
TICKS = """n=0
trap 'echo tick VERSION $n; echo $n > /data/VERSION; exit 0' TERM
while :; do echo tick VERSION $n; n=$((n+1)); sleep 0.05; done"""


@pytest.fixture
def ticking(shipit: Shipit, engine: DockerEngine, python_base: str, tmp_path: Path) -> Iterator[Project]:
    project = Project(shipit, engine, python_base, tmp_path / "docker-config", "ticking")
    text = (shipit.folder / "deploy.yml").read_text()
    shipit.write(
        compose__yaml=COMPOSE.replace("stop_grace_period: 0s", "stop_grace_period: 10s"),
        deploy__yml=text.replace("settle: 2s", "services: {web: {rollout: start-first}}, settle: 1s"),
    )
    yield project
    project.clean()


def deploy_ticks(project: Project, version: str) -> None:
    project.write(version, TICKS.replace("VERSION", version))
    done = project.shipit.run("deploy", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_log_is_followed_through_a_rollout_up_to_the_last_line_of_a_container_that_is_removed_at_once(
    ticking: Project,
) -> None:
    project = ticking
    deploy_ticks(project, "v1")
    with Followed(project.shipit, "compose/web") as followed:
        followed.await_ticks("v1")
        deploy_ticks(project, "v2")
        followed.await_ticks("v2")
        [web] = project.ids()
        last = int(project.docker("exec", web, "cat", "/data/v1"))
        found = lambda: [numbers[-1] for numbers in followed.of("v1").values()]  # noqa: E731
        wait_until("the last line is followed, whose container was removed at once", found, lambda ends: ends == [last])
        for numbers in (*followed.of("v1").values(), *followed.of("v2").values()):
            assert numbers == list(range(len(numbers))), "none is lost, none comes twice"


@pytest.mark.sampled
@only_deep
def test_a_killed_restart_is_completed_by_the_next_deploy(ticking: Project) -> None:
    project, shipit = ticking, ticking.shipit
    deploy_ticks(project, "v1")
    running = shipit.start("restart")
    try:
        wait_until("a second one runs", project.ids, lambda found: len(found) == 2, within_s=120)
    finally:
        running.kill()
        running.communicate()
    again = shipit.run("deploy", "--yes", "--wait", "3m")
    said = again.stdout + again.stderr
    assert again.returncode == 0 and "web  containers  2 -> 1" in said, said
    assert len(project.ids("--all")) == len(project.ids()) == 1
    assert "nothing changed" in shipit.run("deploy").stdout


# Requests of a rollout after which a deploy is killed: those of Compose, and those of shipit.
POINTS = [
    (rb"POST /v[0-9.]+/containers/create", 1),
    (rb"POST /v[0-9.]+/containers/[^/]+/start", 1),
    (rb"POST /v[0-9.]+/containers/[^/]+/stop", 1),
    (rb"DELETE /v[0-9.]+/containers/", 1),
]


@pytest.fixture
def rolled(
    shipit: Shipit, engine: DockerEngine, python_base: str, tmp_path: Path
) -> Iterator[tuple[Project, HeldEngine]]:
    held = HeldEngine(engine.host)
    project = Project(shipit, engine, python_base, tmp_path / "docker-config", "rolled", held.host)
    text = (shipit.folder / "deploy.yml").read_text()
    keys = "services: {web: {rollout: start-first, drain: 0s, before_stop: 'echo ending > /proc/1/fd/1'}}, settle: 1s"
    shipit.write(deploy__yml=text.replace("settle: 2s", keys))
    yield project, held
    held.stop()
    project.clean()


@pytest.mark.sampled
@only_deep
def test_a_killed_rollout_is_completed_by_the_next_deploy(rolled: tuple[Project, HeldEngine]) -> None:
    project, held = rolled
    shipit = project.shipit
    assert shipit.run("deploy").returncode == 0
    for number, point in enumerate(sampled(POINTS, 2), 2):
        project.write(f"v{number}")
        done = held.hold(*point)
        process = shipit.start("deploy", "--yes", "--wait", "3m")
        try:
            wait_until(f"the deploy sends {point[0]!r}", done.is_set, within_s=120)
        finally:
            process.kill()
            process.communicate()
        assert project.ids(), "one of them runs"
        project.write(f"w{number}")
        again = shipit.run("deploy", "--yes", "--wait", "10m", timeout_s=700)
        assert again.returncode == 0, again.stdout + again.stderr
        [found] = project.ids("--all").values()
        assert project.docker("logs", found) == f"serving w{number}"
        assert "nothing changed" in shipit.run("deploy").stdout
    # Compose by hand, with the file that is kept, makes a container without the labels of a run, which is as wanted.
    project.up_by_hand()
    assert len(project.ids("--all")) == 1
    assert "nothing changed" in shipit.run("deploy").stdout
    port = free_port()
    published = COMPOSE.replace("build: .", f'build: .\n    ports: ["{port}:80"]')
    shipit.write(compose__yaml=published)
    refused = shipit.run("deploy", "--yes")
    said = f"web can't have rollout: start-first: it publishes the port {port} of the host"
    assert refused.returncode == 1 and said in refused.stdout + refused.stderr, refused.stdout + refused.stderr


@pytest.mark.sampled
@only_deep
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

    # The other verbs go by a context of the docker command that leads to the same host.
    project.docker("context", "create", "far", "--docker", f"host={project.host}")
    text = (shipit.folder / "deploy.yml").read_text()
    shipit.write(deploy__yml=text.replace(project.host, "context:far"))
    back = shipit.run("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    [web] = project.ids()
    shipit.follow("compose/web", ("serving v1", "one more line"), partial(project.docker, "exec", web, "sh", "-c"))
    gone = shipit.run("destroy", "-e", "production", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert project.ids("--all") == {} and project.files() == []

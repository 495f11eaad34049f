"""The kind swarm on a real manager, looked at from outside with the docker command and over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.attached import check_bytes, check_codes, check_killed, check_shell
from tests.e2e.followed import TICKS, Followed
from tests.e2e.test_docker_hosts import DOCKERFILE, SECRET, SERVER
from tests.servers.engine import DockerEngine
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]
# Of the commands of a test, those with other options are measured, too.
SECOND, THIRD = ("--yes",), ("--timeout", "10m")
# The kernel of test machines may have no ip_vs, which virtual addresses need.
COMMON = "endpoint_mode: dnsrr, grace: 0s, update: {monitor: 1s, parallelism: 2}"
CHECK = "healthcheck: {test: 'wget -qO- http://localhost:3000/healthz', interval: 1s, start_period: 30s}"


class Swarm:
    """An app that shipit deploys into a swarm."""

    def __init__(self, shipit: Shipit, engine: DockerEngine, registry: str, name: str, target: str) -> None:
        self.shipit, self.engine, self.name = shipit, engine, name
        shipit.write(
            Dockerfile=DOCKERFILE,
            deploy__yml=(
                f"app: {name}\nimage: {registry}/{name}\nsecrets: {{TOKEN: {{env: TOKEN}}}}\n"
                f"targets: {{swarm: {{host: '{engine.host}', settle: 0s, pending: 3m, {target}}}}}\n"
            ),
        )
        self.write("v1")

    def write(self, version: str, code: str = SERVER) -> None:
        self.shipit.write(app__py=f"VERSION = {version!r}\n{code}")

    def edit(self, old: str, new: str) -> None:
        file = self.shipit.folder / "deploy.yml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def docker(self, *words: str) -> str:
        return self.engine.docker(*words)

    def spec(self, service: str) -> Any:
        return json.loads(self.docker("service", "inspect", f"{self.name}-production-{service}"))[0]

    def tasks(self, service: str) -> list[str]:
        """The tasks that run, by id."""
        words = ["--filter", "desired-state=running", "--format", "{{.ID}} {{.CurrentState}}", "--no-trunc"]
        rows = self.docker("service", "ps", *words, f"{self.name}-production-{service}").splitlines()
        return sorted(row.split()[0] for row in rows if row.split()[1] == "Running")

    def containers(self, service: str) -> list[str]:
        form = "{{.Status.ContainerStatus.ContainerID}}"
        return [self.docker("inspect", "--type", "task", "--format", form, task) for task in self.tasks(service)]

    def ask(self, service: str) -> list[str]:
        """The answers of the tasks that run, each asked from within its own container.

        A task without a health check runs before it answers.
        """
        command = ("sh", "-c", "until wget -qO- http://localhost:3000/; do sleep 0.1; done")
        return [self.docker("exec", one, *command) for one in self.containers(service)]

    def follow(self, service: str, *texts: str) -> None:
        """Follow the log through these lines; a task writes each but the first when the one before was read."""

        def write(command: str) -> None:
            self.docker("exec", self.containers(service)[0], "sh", "-c", command)

        self.shipit.follow(f"swarm/{service}", texts, write)

    def ids(self, kind: str) -> list[str]:
        return self.docker(kind, "ls", "--quiet", "--filter", f"label=dev.shipit.app={self.name}").split()

    def clean(self) -> None:
        for kind in ("service", "config", "secret"):
            if found := self.ids(kind):
                self.docker(kind, "rm", *found)


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    shipit: Shipit,
    swarm: DockerEngine,
    registry_server: RegistryServer,
    python_base: str,
) -> Iterator[Swarm]:
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "TOKEN": SECRET}
    name, target = request.param
    found = Swarm(shipit, swarm, registry_server.host, name, target)
    yield found
    found.clean()


LOGGED = (
    "logging: {driver: json-file, options: {max-size: 1m}}, rollback: {parallelism: 0, monitor: 1s},"
    " ulimits: {nofile: {soft: 512, hard: 1024}}, sysctls: {net.core.somaxconn: 512}, pids_limit: 99, stop_signal: SIGTERM,"
    " group_add: ['20'], dns_search: [example.com], tmpfs: ['/run/app:size=1m,mode=1777']"
)
WEB = f"services: {{web: {{port: 3000, replicas: 2, volumes: ['stack-data:/data'], {LOGGED}, {COMMON}, {CHECK}}}}}"


@pytest.mark.parametrize("place", [("stack", WEB)], indirect=True)
def test_a_service_from_its_first_deploy_until_it_is_destroyed(place: Swarm) -> None:
    shipit = place.shipit
    place.write("v1", TICKS + SERVER)
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "web: 2 tasks run on" in done.stdout
    first = place.tasks("web")
    assert place.ask("web") == [f"v1 {SECRET}"] * 2
    sent = place.spec("web")["Spec"]
    assert "@sha256:" in sent["TaskTemplate"]["ContainerSpec"]["Image"]
    assert (sent["UpdateConfig"]["Parallelism"], sent["RollbackConfig"]["Parallelism"]) == (2, 0)
    for container in place.containers("web"):
        [row] = json.loads(place.docker("inspect", container))
        host = row["HostConfig"]
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
        assert host["Ulimits"] == [{"Name": "nofile", "Soft": 512, "Hard": 1024}] and host["PidsLimit"] == 99
        assert host["Sysctls"] == {"net.core.somaxconn": "512"} and host["GroupAdd"] == ["20"]
        folders = [one for one in host["Mounts"] if one["Type"] == "tmpfs"]
        assert folders == [
            {"Type": "tmpfs", "Target": "/run/app", "TmpfsOptions": {"SizeBytes": 1024**2, "Mode": 0o1777}}
        ]
        assert row["Config"]["StopSignal"] == "SIGTERM" and host["DnsSearch"] == ["example.com"]

    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout
    assert place.tasks("web") == first

    place.write("v2", TICKS + SERVER)
    with Followed(shipit, "swarm/web") as followed:
        followed.await_ticks("v1", 2)
        done = shipit.run("deploy", *SECOND)
        assert done.returncode == 0, done.stdout + done.stderr
        followed.await_ticks("v2", 2)
    for numbers in (*followed.of("v1").values(), *followed.of("v2").values()):
        assert numbers == list(range(len(numbers))), "none is lost, none comes twice"
    second = place.tasks("web")
    assert not set(first) & set(second) and place.ask("web") == [f"v2 {SECRET}"] * 2
    assert place.spec("web")["UpdateStatus"]["State"] == "completed"

    place.write("v3", 'import sys\nsys.exit("no database for " + VERSION)\n')
    failed = shipit.run("deploy", *THIRD)
    assert failed.returncode == 1
    assert "Swarm rolled back web" in failed.stdout and "non-zero exit (1)" in failed.stdout, failed.stdout
    assert "no database for v3" in failed.stdout and "tasks of the earlier version serve on" in failed.stdout
    assert place.spec("web")["UpdateStatus"]["State"] == "rollback_completed"
    assert set(place.tasks("web")) & set(second) and place.ask("web") == [f"v2 {SECRET}"] * 2

    # Another machine knows nothing of these runs, and has other keys for its hashes.
    shipit.env["SHIPIT_CACHE_DIR"] += "-of-another-machine"
    shutil.rmtree(shipit.folder / ".shipit")
    history = shipit.run("history")
    assert history.returncode == 0 and SECRET not in history.stdout
    back = shipit.run("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert place.ask("web") == [f"v1 {SECRET}"] * 2
    back_again = place.tasks("web")
    place.write("v1", TICKS + SERVER)
    same = shipit.run("deploy")
    assert same.returncode == 0 and place.tasks("web") == back_again, same.stdout

    place.docker("service", "update", "--detach", "--quiet", "--host-add", "db:10.0.0.5", "stack-production-web")
    plan = shipit.run("plan", "--full")
    assert "changed by someone else, and set back: Hosts" in plan.stdout, plan.stdout
    assert shipit.run("deploy", *SECOND).returncode == 0
    assert not place.spec("web")["Spec"]["TaskTemplate"]["ContainerSpec"].get("Hosts")
    assert "2/2" in shipit.run("status").stdout
    assert "serving v1" in shipit.run("logs", "swarm/web", "--since", "1h").stdout
    place.follow("web", "tick v1", "one more line")
    command = shipit.run("exec", "swarm/web", "--", "sh", "-c", "echo $PORT; exit 3")
    assert (command.returncode, command.stdout) == (3, "3000\n"), command.stderr
    check_codes(shipit, "exec", "swarm/web")
    check_shell(shipit, "exec", "swarm/web")
    check_bytes(shipit, "exec", "swarm/web")

    gone = shipit.run("destroy", "-e", "production", "--yes", "--include", "volume/stack-data")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert [place.ids(kind) for kind in ("service", "config", "secret", "network")] == [[], [], [], []]
    assert "stack-data" not in place.docker("volume", "ls", "--quiet")


FILES = (
    "services: {"
    f"web: {{port: 3000, {COMMON}, secret_files: [TOKEN], configs: {{/etc/motd: motd}}}}, "
    f"worker: {{command: [sleep, '600'], mode: global, {COMMON}}}}}"
)
READER = SERVER.replace("os.environ['TOKEN']", "open('/run/secrets/TOKEN').read()").replace(
    "{VERSION}", "{VERSION} {open('/etc/motd').read()}"
)


@pytest.mark.parametrize("place", [("files", FILES)], indirect=True)
def test_files_a_release_command_and_services_that_change_and_leave(place: Swarm) -> None:
    shipit = place.shipit
    shipit.write(motd="hello")
    place.write("v1", READER)
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.ask("web") == [f"v1 hello {SECRET}"]
    assert "TOKEN" not in json.dumps(place.spec("web")["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"])
    assert SECRET not in json.dumps(place.spec("web"))
    assert list(place.spec("worker")["Spec"]["Mode"]) == ["Global"] and len(place.tasks("worker")) == 1
    mounts = place.docker("exec", place.containers("web")[0], "cat", "/proc/mounts").splitlines()
    assert [row.split()[0] for row in mounts if row.split()[1].startswith("/run/secrets")] == ["tmpfs"], mounts

    # Both change: the second service fails, and the first goes back with it, also to the values of then.
    shipit.write(motd="changed")
    shipit.env["TOKEN"] = "canary-rotated-4711"
    place.edit("settle: 0s", "settle: 0s, on_failure: rollback")
    place.edit("[sleep, '600']", "[sh, -c, 'echo no queue; exit 5']")
    failed = shipit.run("deploy", *SECOND)
    assert failed.returncode == 1 and "no queue" in failed.stdout, failed.stdout
    assert place.ask("web") == [f"v1 hello {SECRET}"], failed.stdout
    worker = place.spec("worker")["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert worker["Args"] == ["sleep", "600"]

    # A release command that fails changes no service; one that does not is followed by the release.
    place.edit("[sh, -c, 'echo no queue; exit 5']", "[sleep, '700']")
    file = shipit.folder / "deploy.yml"
    file.write_text(f"release: [sh, -c, 'echo migrating; exit 4']\n{file.read_text()}")
    before = place.tasks("web")
    failed = shipit.run("deploy", *SECOND)
    assert failed.returncode == 1 and "the release command failed" in failed.stdout, failed.stdout
    assert "exit (4)" in failed.stdout and "migrating" in failed.stdout
    assert place.tasks("web") == before and len(place.ids("service")) == 2
    place.edit("exit 4", "exit 0")
    place.edit(f", worker: {{command: [sleep, '700'], mode: global, {COMMON}}}", "")
    done = shipit.run("deploy", *THIRD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.ask("web") == ["v1 changed canary-rotated-4711"] and len(place.ids("service")) == 1

    scaled = shipit.run("scale", "swarm/web=2")
    assert scaled.returncode == 0, scaled.stdout + scaled.stderr
    two = place.tasks("web")
    assert len(two) == 2
    restarted = shipit.run("restart", "swarm/web")
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert len(place.tasks("web")) == 2 and not set(two) & set(place.tasks("web"))
    assert "nothing changed" in shipit.run("deploy").stdout

    # A job has the settings and the secret files of the service, and is gone when its command has ended.
    script = "echo on the way; cat /run/secrets/TOKEN /etc/motd; echo problem >&2; exit 3"
    ran = shipit.run("run", "swarm/web", "--", "sh", "-c", script)
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (3, "on the way"), ran.stdout + ran.stderr
    assert ran.stdout.endswith("changed") and "problem" in ran.stderr
    check_codes(shipit, "run", "swarm/web", codes=(0, 137))
    check_shell(shipit, "run", "-it", "swarm/web")
    assert len(place.ids("service")) == 1
    check_killed(shipit, lambda: place.ids("service"), "swarm/web")
    # With a terminal the command has input, too, and nothing of its first output is lost.
    script = "test -t 0 && cat /run/secrets/TOKEN; echo ' first'; read -r line; echo \"$line $(stty size)\"; exit 5"
    code, shown = shipit.converse(("run", "-it", "swarm/web", "--", "sh", "-c", script), [("first", "typed")])
    assert code == 5 and "canary-rotated-4711 first\n" in shown and "typed " in shown, shown
    assert len(place.ids("service")) == 1
    forward = shipit.start("forward", "swarm/web", "0:3000")
    try:
        assert forward.stdout is not None
        address = re.search(r"127[.]0[.]0[.]1:\d+", forward.stdout.readline())
        assert address is not None
        with urllib.request.urlopen(f"http://{address[0]}/", timeout=30) as answer:
            assert answer.read() == b"v1 changed canary-rotated-4711"
    finally:
        forward.kill()
        forward.communicate()

    # Stopped, it keeps the number of its tasks, also for the next deploy.
    for verb in ("start", "deploy"):
        stopped = shipit.run("stop", "swarm/web")
        assert stopped.returncode == 0 and place.tasks("web") == [], stopped.stdout + stopped.stderr
        back = shipit.run(verb, *(["swarm/web"] if verb == "start" else []))
        assert back.returncode == 0 and len(place.tasks("web")) == 2, back.stdout + back.stderr


PLAIN = f"services: {{web: {{port: 3000, {COMMON}}}}}"


@pytest.mark.parametrize("place", [("taken", PLAIN)], indirect=True)
def test_what_is_not_ours_is_refused_and_a_killed_deploy_is_completed_by_the_next(place: Swarm) -> None:
    shipit = place.shipit
    base = place.docker("image", "ls", "--quiet")
    place.docker("service", "create", "--detach", "--quiet", "--name", "taken-production-web", "busybox:none", "true")
    try:
        assert "is taken by a service that shipit did not create here" in shipit.run("plan", "--full").stdout
        refused = shipit.run("deploy")
        assert refused.returncode == 1 and "is taken by a service" in refused.stdout, refused.stdout
        assert place.spec("web")["Spec"]["Labels"] == {}, base
    finally:
        place.docker("service", "rm", "taken-production-web")
    process = shipit.start("deploy", *SECOND)
    try:
        wait_until("the service is created", lambda: place.ids("service"), bool)
    finally:
        process.kill()
        process.communicate()
    done = shipit.run("deploy", "--wait", "1m")
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.ask("web") == [f"v1 {SECRET}"]


@pytest.mark.parametrize("host", ["engine"])
def test_an_engine_that_manages_no_swarm_is_named_with_the_command(
    shipit: Shipit, modern_engine: DockerEngine, registry_server: RegistryServer, host: str
) -> None:
    place = Swarm(shipit, modern_engine, registry_server.host, "none", PLAIN)
    shipit.env["TOKEN"] = SECRET
    for words in (("doctor",), ("deploy",), ("plan",)):
        found = place.shipit.run(*words)
        assert found.returncode != 0
        said = found.stdout + found.stderr
        assert "is no manager of a swarm" in said and f"docker --host {modern_engine.host} swarm init" in said, said

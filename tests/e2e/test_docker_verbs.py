"""Commands in containers of Docker hosts, and connections to their ports, on a real engine."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.e2e.attached import check_bytes, check_codes, check_interrupted, check_killed, check_shell
from tests.e2e.test_docker_hosts import SECRET, Host, fetch
from tests.sampled import only_deep
from tests.servers.engine import DockerEngine
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]

WEB = "services: {web: {port: 3000, health: /healthz, grace: 1s, volumes: ['verbs-data:/data']}}"
COPY = ("exec", "docker/web", "--", "sh", "-c", "cat; echo to-stderr >&2; exit 7")


@pytest.fixture
def host(shipit: Shipit, engine: DockerEngine, python_base: str) -> Iterator[Host]:
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "TOKEN": SECRET}
    found = Host(shipit, engine, "", "verbs", WEB)
    yield found
    found.clean()


def test_commands_and_ports_of_a_service(host: Host, ssh: tuple[int, Path]) -> None:
    shipit = host.shipit
    early = shipit.run("exec", "docker/web", "--", "true")
    assert early.returncode == 125 and "no container of web runs" in early.stderr
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    [name] = host.running

    # Input, both outputs and the exit code, byte for byte; also through ssh.
    data = "ab\n" * 100_000
    port, folder = ssh
    file = shipit.folder / "deploy.yml"
    local = file.read_text()
    path = shipit.env["PATH"]
    remote = local.replace(host.engine.host, f"ssh://root@127.0.0.1:{port}")
    for text, output in ((local, ()), (remote, ("--output", "json"))):
        shipit.env["PATH"] = f"{folder / 'bin'}:{path}"
        file.write_text(text)
        done = shipit.run(*COPY, input_text=data)
        assert (done.returncode, done.stdout) == (7, data)
        assert "to-stderr" in done.stderr
        _forwards(host, *output)
    with socket.create_server(("0.0.0.0", 0)) as server:
        taken = server.getsockname()[1]
        file.write_text(
            remote.replace("services:", f"proxy: {{http: {taken}}}, services:").replace(
                "web: {", "web: {host: a.test, "
            )
        )
        doctor = shipit.run("doctor")
    said = f"the port {taken}/tcp of ssh://root@127.0.0.1:{port} is taken by a program there"
    assert doctor.returncode == 1 and said in doctor.stdout, doctor.stdout
    file.write_text(local)
    lost = shipit.run("exec", "docker/web", "--", "no-such-program")
    assert lost.returncode in (126, 127) and "no-such-program" in lost.stdout + lost.stderr

    shipit.follow("docker/web", ("serving v1", "one more line"), partial(host.docker, "exec", name, "sh", "-c"))

    # A one-off command has the variables and volumes of the service, and its container is removed.
    words = ("sh", "-c", "cat > /data/given; echo $TOKEN | wc -c; hostname; exit 3")
    done = shipit.run("run", "docker/web", "--", *words, input_text="seed")
    assert done.returncode == 3 and done.stdout.splitlines()[0].strip() == str(len(SECRET) + 1), done.stderr
    assert host.names() == [name]
    assert host.docker("exec", name, "cat", "/data/given") == "seed"
    for verb in ("exec", "run"):
        check_codes(shipit, verb, "docker/web")
        check_bytes(shipit, verb, "docker/web")
        check_shell(shipit, verb, "-it", "docker/web")
    check_interrupted(shipit, "run", "-T", "docker/web")
    assert host.names() == [name]
    check_killed(shipit, host.names, "docker/web")
    missing = shipit.run("run", "docker/web", "--", "no-such-program")
    assert missing.returncode == 125 and "check that the image has this program" in missing.stderr
    assert host.names() == [name]
    started = shipit.run("run", "--detach", "docker/web", "--", "sh", "-c", "echo detached > /data/given")
    assert started.returncode == 0, started.stderr
    where = started.stdout.split()[0]
    assert where in started.stderr and host.inspect(where)["Config"]["Labels"]["dev.shipit.run"] == "web"
    wait_until(
        "the command has ended",
        lambda: host.docker("exec", name, "cat", "/data/given"),
        lambda text: "detached" in text,
    )
    assert host.running == [name] or where in host.running
    # What is stopped stays stopped, and is the same container when it is started again.
    stopped = shipit.run("stop", "docker/web")
    assert stopped.returncode == 0 and "web stopped" in stopped.stdout, stopped.stdout + stopped.stderr
    assert name not in host.running and "exited" in shipit.run("status").stdout
    assert "nothing changed" in shipit.run("stop").stdout
    begun = shipit.run("start", "docker/web")
    assert begun.returncode == 0 and host.get(name) == f"v1 {SECRET}", begun.stdout + begun.stderr
    # An only container restarts in place while another one serves, which is removed then.
    before = host.inspect(name)
    restarted = shipit.run("restart")
    said = restarted.stdout + restarted.stderr
    assert restarted.returncode == 0 and f"{name}-beside-1 serves meanwhile" in said, said
    after = host.inspect(name)
    assert after["Id"] == before["Id"] and after["State"]["StartedAt"] != before["State"]["StartedAt"]
    assert host.running == [name] and f"{name}-beside-1" not in host.names()
    status = shipit.run("status")
    assert after["Config"]["Labels"]["dev.shipit.release"] in status.stdout, status.stdout
    # A one-off command takes no part in a deploy.
    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout
    assert where in host.names()


@pytest.mark.sampled
@only_deep
def test_a_restart_after_one_that_was_killed_uses_the_container_that_it_left(host: Host) -> None:
    shipit = host.shipit
    assert shipit.run("deploy").returncode == 0
    [name] = host.running
    process = shipit.start("restart")
    try:
        wait_until("the second one runs", lambda: host.running, lambda found: f"{name}-beside-1" in found)
    finally:
        process.kill()
        process.communicate()
    restarted = shipit.run("restart", "--wait", "3m")
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert host.running == [name] and f"{name}-beside-1" not in host.names()


def _forwards(host: Host, *output: str) -> None:
    """A free port of this machine leads to the one of the container. `output` is empty, or asks for JSON."""
    process = host.shipit.start("forward", "docker/web", "0:3000", *output)
    try:
        assert process.stdout
        line = process.stdout.readline()
        event = json.loads(line) if output else {"local": line.split(" -> ")[0].strip()}
        assert not output or [event[key] for key in ("event", "target", "workload", "port")] == [
            "forwarding", "docker", "web", 3000,
        ]  # fmt: skip
        address = event["local"]
        assert fetch(f"http://{address}/") == f"v1 {SECRET}"
        with urlopen(f"http://{address}/healthz", timeout=60) as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.communicate()
        assert isinstance(process, subprocess.Popen)

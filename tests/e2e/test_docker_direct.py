"""Images that Docker hosts get without a registry, over the connection to their engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_docker_hosts import SECRET, Host
from tests.servers.engine import DockerEngine
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

SIDE = "command: [sleep, '600'], user: '1000:1000', read_only: true, secret_files: [TOKEN], logging: {driver: json-file, options: {max-size: 1m}}"
WEB = f"keep: 1, services: {{web: {{port: 3000, health: /healthz, grace: 1s}}, side: {{{SIDE}, grace: 0s}}}}"
IMAGES = "localhost/direct/production/direct"


def web(host: Host) -> str:
    """The only container of web that runs."""
    [name] = [one for one in host.running if "-web-" in one]
    return name


def check_secret(host: Host, name: str) -> None:
    """The user of a container can read the file, and inspecting the container does not show the value."""
    file = "/run/secrets/TOKEN"
    assert host.docker("exec", name, "sh", "-c", f"id -u; cat {file}; stat -c ' %a' {file}") == f"1000\n{SECRET} 400"
    assert SECRET not in host.docker("inspect", name)


def sent_images(host: Host) -> list[str]:
    """The ids of the images that were sent to a host."""
    return host.docker("image", "ls", "--no-trunc", "--quiet", IMAGES).split()


def test_hosts_of_both_image_stores_get_the_layers_that_they_lack(
    shipit: Shipit, ssh: tuple[int, Path], engine: DockerEngine, modern_engine: DockerEngine, python_base: str
) -> None:
    port, folder = ssh
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "TOKEN": SECRET}
    shipit.env["PATH"] = f"{folder / 'bin'}:{shipit.env['PATH']}"
    addresses = (f"ssh://root@127.0.0.1:{port}", modern_engine.host)
    hosts = [Host(shipit, one, "", "direct", WEB, *addresses) for one in (engine, modern_engine)]
    try:
        done = shipit.run("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
        first = {}
        for host in hosts:
            name = web(host)
            [identity] = sent_images(host)
            assert host.get(name) == f"v1 {SECRET}"
            assert host.inspect(name)["Config"]["Image"] == host.inspect(name)["Image"] == identity
            first[host] = name
            [side] = [one for one in host.running if one != name]
            check_secret(host, side)
            assert host.inspect(side)["HostConfig"]["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
        again = shipit.run("deploy")
        assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout

        # Only the layer with the app is sent. No other test has sent the same.
        hosts[0].write("v2 direct")
        plan = shipit.run("plan", "--full")
        assert plan.stdout.count("sends 1 layer, ") == 2, plan.stdout
        done = shipit.run("deploy", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        for host in hosts:
            name = web(host)
            assert name != first[host] and host.get(name) == f"v2 direct {SECRET}"

        # Another container, and a one-off command, have the file as well.
        assert shipit.run("scale", "docker/side=2").returncode == 0
        for host in hosts:
            assert len(host.running) == 3
            for name in host.running:
                if "-side-" in name:
                    check_secret(host, name)
        once = shipit.run("run", "docker/side", "--", "sh", "-c", "wc -c < /run/secrets/TOKEN")
        assert once.returncode == 0 and once.stdout.split()[0] == str(len(SECRET)), once.stderr

        back = shipit.run("rollback")
        assert back.returncode == 0, back.stdout + back.stderr
        for host in hosts:
            assert web(host) == first[host] and host.get(first[host]) == f"v1 {SECRET}"

        # With keep: 1, the image of the second release goes with its container.
        hosts[0].write("v3")
        assert shipit.run("deploy", "--yes").returncode == 0
        for host in hosts:
            kept = {host.inspect(name)["Image"] for name in host.names()}
            assert set(sent_images(host)) == kept and len(kept) == 2
        gone = shipit.run("destroy", "-e", "production", "--yes")
        assert gone.returncode == 0, gone.stdout + gone.stderr
        for host in hosts:
            assert host.names() == [] and sent_images(host) == []
    finally:
        for host in hosts:
            host.clean()

"""Images that Docker hosts get without a registry, over the connection to their engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_docker_hosts import SECRET, Host
from tests.servers.engine import DockerEngine
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

WEB = "keep: 1, services: {web: {port: 3000, health: /healthz, grace: 1s}}"
IMAGES = "localhost/direct/production/direct"


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
            [name] = host.running
            [identity] = sent_images(host)
            assert host.get(name) == f"v1 {SECRET}"
            assert host.inspect(name)["Config"]["Image"] == host.inspect(name)["Image"] == identity
            first[host] = name
        again = shipit.run("deploy")
        assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout

        # Only the layer with the app is sent.
        hosts[0].write("v2")
        plan = shipit.run("plan", "--full")
        assert plan.stdout.count("sends 1 layer, ") == 2, plan.stdout
        done = shipit.run("deploy", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        for host in hosts:
            [name] = host.running
            assert name != first[host] and host.get(name) == f"v2 {SECRET}"

        back = shipit.run("rollback")
        assert back.returncode == 0, back.stdout + back.stderr
        for host in hosts:
            assert host.running == [first[host]] and host.get(first[host]) == f"v1 {SECRET}"

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

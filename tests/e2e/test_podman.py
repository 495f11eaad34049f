"""Docker hosts and Compose on Podman's socket, looked at from outside with podman and over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.dyno import free_port
from tests.conftest import started
from tests.e2e.test_docker_hosts import serves
from tests.e2e.test_docker_proxy import ask
from tests.sampled import only_deep
from tests.servers.engine import install_compose
from tests.servers.hub import DockerHub
from tests.servers.install import find, netavark_programs
from tests.servers.podman import Podman
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
COPY version /www/index.html
CMD ["/bin/busybox", "httpd", "-f", "-v", "-p", "3000", "-h", "/www"]
"""
SERVICE = "web: {port: 3000, health: /, volumes: ['pod-data:/data'], memory: 64Mi, grace: 0s}"


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Podman]:
    server = started(lambda: Podman(tmp_path / "podman"))
    yield server
    server.stop()


@pytest.fixture
def caddy(docker_hub: DockerHub) -> str:
    """The image of the proxy, in a registry without TLS."""
    return f"{docker_hub.having('caddy:2')}/library/caddy:2"


def proxied(podman: Podman, caddy: str, port: int, compose: str = "") -> str:
    """A deploy.yml with a service behind the proxy, whose image Podman gets by hand: it takes TLS for granted."""
    podman.podman("pull", "--tls-verify=false", caddy)
    proxy = f"proxy: {{image: '{caddy}', tls: off, http: {port}, drain: 1s}}"
    service = "services: {web: {port: 3000, health: /, host: pod.example, grace: 0s}}"
    docker = f"docker: {{hosts: ['{podman.host}'], settle: 0s, pending: 3m, {proxy}, {service}}}"
    return f"app: pod\nimage: {{build: .}}\ntargets:\n  {docker}\n{compose}"


def test_a_service_on_podman_from_its_first_deploy_until_it_is_destroyed(
    shipit: Shipit, podman: Podman, caddy: str
) -> None:
    shutil.copy(find("busybox"), shipit.folder / "busybox")
    shipit.write(
        Dockerfile=DOCKERFILE,
        version="v1",
        deploy__yml=f"app: pod\nimage: {{build: .}}\ntargets:\n"
        f"  docker: {{hosts: ['{podman.host}'], keep: 1, settle: 0s, pending: 3m, services: {{{SERVICE}}}}}\n",
    )

    def run(*words: str, code: int = 0) -> str:
        done = shipit.run(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def running() -> list[str]:
        return sorted(podman.podman("ps", "--format", "{{.Names}}").split())

    def get(name: str) -> str:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return serves(f"http://{podman.podman('inspect', '--format', form, name)}:3000/")

    doctor = run("doctor")
    assert "answers: Podman 4" in doctor and "systemctl enable --now podman-restart.service" in doctor
    assert "GET / answers 200" in run("deploy")
    [first] = running()
    assert get(first) == "v1"
    shipit.write(version="v2")
    run("deploy", "--yes")
    [second] = running()
    assert second != first and get(second) == "v2"
    assert "nothing changed" in run("deploy")
    run("rollback")
    assert running() == [first] and get(first) == "v1"
    run("scale", "docker/web=2")
    assert [get(name) for name in running()] == ["v1", "v1"]
    assert "hello" in run("run", "docker/web", "--", "/bin/busybox", "echo", "hello")
    assert "v1" in run("exec", "docker/web", "--", "/bin/busybox", "cat", "/www/index.html")
    assert "nothing to remove" in run("prune")
    run("destroy", "-e", "production", "--yes", "--rmi")
    assert running() == [] and podman.podman("images", "--quiet") == ""
    assert podman.podman("volume", "ls", "--quiet") == "pod-data"
    shipit.write(deploy__yml=proxied(podman, caddy, free_port()))
    assert f"the proxy on {podman.host} does not find containers by name" in run("deploy", code=1)
    assert running() == ["shipit-proxy"]
    swarm = f"app: pod\nimage: registry.example/pod\ntargets: {{swarm: {{host: '{podman.host}', port: 3000}}}}\n"
    shipit.write(deploy__yml=swarm)
    assert "is Podman, which has no swarm" in run("doctor", code=1)


COMPOSE = "services: {page: {build: ., volumes: ['data:/data'], stop_grace_period: 0s}}\nvolumes: {data: {}}\n"


@pytest.mark.sampled
@only_deep
def test_the_proxy_and_a_compose_project_on_podman_with_names(shipit: Shipit, tmp_path: Path, caddy: str) -> None:
    podman = started(lambda: Podman(tmp_path / "podman", netavark_programs()))
    install_compose(tmp_path / "docker-config")
    shipit.env["DOCKER_CONFIG"] = str(tmp_path / "docker-config")
    shutil.copy(find("busybox"), shipit.folder / "busybox")
    port = free_port()
    stack = f"  stack: {{kind: compose, host: '{podman.host}', settle: 1s, pending: 3m}}\n"
    shipit.write(
        Dockerfile=DOCKERFILE, version="v1", compose__yaml=COMPOSE, deploy__yml=proxied(podman, caddy, port, stack)
    )

    def run(*words: str) -> str:
        done = shipit.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def seen() -> tuple[str, str]:
        """What the proxy answers, and what the container of Compose has."""
        page = podman.podman("exec", "pod-production-page-1", "/bin/busybox", "cat", "/www/index.html")
        return ask("127.0.0.1", port, "pod.example").text, page

    try:
        run("deploy")
        assert seen() == ("v1", "v1")
        shipit.write(version="v2")
        run("deploy", "--yes")
        assert seen() == ("v2", "v2")
        assert "nothing changed" in run("deploy")
        run("rollback", "--yes")
        assert seen() == ("v1", "v1")
        run("destroy", "-e", "production", "--yes", "--rmi", "--include", "volume/pod-production_data")
        assert podman.podman("volume", "ls", "--quiet") == "shipit-proxy-data" and "pod" not in podman.podman("images")
        assert podman.podman("ps", "--all", "--quiet") == "", "the proxy goes with its last app"
    finally:
        podman.stop()

"""The kind docker on Podman's socket, looked at from outside with podman and over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import started
from tests.e2e.test_docker_hosts import serves
from tests.servers.install import find
from tests.servers.podman import Podman
from tests.shipit import Shipit

pytestmark = pytest.mark.engine

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


def test_a_service_on_podman_from_its_first_deploy_until_it_is_destroyed(shipit: Shipit, podman: Podman) -> None:
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
    swarm = f"app: pod\nimage: registry.example/pod\ntargets: {{swarm: {{host: '{podman.host}', port: 3000}}}}\n"
    shipit.write(deploy__yml=swarm)
    assert "is Podman, which has no swarm" in run("doctor", code=1)

"""Reaching an engine as the docker command does: contexts, TCP with TLS, ssh, and what is said where none answers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.dyno import free_port
from tests.conftest import started
from tests.servers.certificates import Authority
from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine]


@pytest.fixture
def app(shipit: Shipit) -> Shipit:
    """An app that the engine builds though it has no RUN, from nothing."""
    shipit.write(
        Dockerfile="FROM scratch\nCOPY a /\nCMD ['/a']\n",
        a="hello",
        deploy__yml="app: reached\nimage: {repository: localhost:1/reached, build: {builder: engine}}\n",
    )
    return shipit


def _docker(shipit: Shipit, *words: str) -> None:
    subprocess.run([find("docker"), *words], env=shipit.env, check=True, capture_output=True)


def test_a_context_of_the_docker_command_names_the_engine(app: Shipit, engine: DockerEngine) -> None:
    _docker(app, "context", "create", "elsewhere", "--docker", f"host={engine.host}")
    _docker(app, "context", "use", "elsewhere")
    done = app.run("build")
    assert done.returncode == 0, done.stderr
    assert "the engine's BuildKit: builder: engine" in done.stderr


def test_docker_context_overrides_the_current_one_and_docker_host_both(app: Shipit, engine: DockerEngine) -> None:
    _docker(app, "context", "create", "right", "--docker", f"host={engine.host}")
    _docker(app, "context", "create", "wrong", "--docker", "host=unix:///nowhere.sock")
    _docker(app, "context", "use", "wrong")
    failed = app.run("build")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-2:] == [
        "Dockerfile: no Docker engine answers at unix:///nowhere.sock (context wrong): no such file or directory",
        "hint: start Docker, or set DOCKER_HOST to a running engine; without one, shipit builds only Dockerfiles without RUN",
    ]
    app.env["DOCKER_CONTEXT"] = "right"
    assert app.run("build").returncode == 0
    app.env |= {"DOCKER_CONTEXT": "wrong", "DOCKER_HOST": engine.host}
    assert app.run("build").returncode == 0


def test_a_context_that_is_not_there(app: Shipit) -> None:
    app.env["DOCKER_CONTEXT"] = "gone"
    done = app.run("build")
    assert done.returncode == 1
    assert "answers at context gone (DOCKER_CONTEXT): there is no docker context 'gone'" in done.stderr


@pytest.fixture(scope="module")
def secured(server_folder: Path) -> Iterator[tuple[str, Path]]:
    """An engine behind TLS that asks for a client's certificate: its address, and the folder of certificates."""
    folder = server_folder / "engine-tls"
    authority = Authority(folder)
    authority.issue("server", "engine", names=("127.0.0.1", "localhost"))
    authority.issue("cert", "client")
    for source, name in (("ca.crt", "ca.pem"), ("cert.crt", "cert.pem"), ("cert.key", "key.pem")):
        shutil.copy(folder / source, folder / name)
    port = free_port()
    arguments = ["-H", f"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", str(folder / "ca.crt")]
    arguments += ["--tlscert", str(folder / "server.crt"), "--tlskey", str(folder / "server.key")]
    server = started(lambda: DockerEngine(folder, beside=True, arguments=tuple(arguments)))
    yield f"tcp://127.0.0.1:{port}", folder
    server.stop()


def test_tcp_with_tls_by_variables_and_by_context(app: Shipit, secured: tuple[str, Path], tmp_path: Path) -> None:
    host, folder = secured
    app.env |= {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
    done = app.run("build")
    assert done.returncode == 0, done.stderr
    for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        del app.env[name]
    files = ",".join(
        f"{key}={folder / file}" for key, file in (("ca", "ca.pem"), ("cert", "cert.pem"), ("key", "key.pem"))
    )
    _docker(app, "context", "create", "secured", "--docker", f"host={host},{files}")
    app.env["DOCKER_CONTEXT"] = "secured"
    done = app.run("build")
    assert done.returncode == 0, done.stderr


def test_tls_that_is_not_trusted_is_said(app: Shipit, secured: tuple[str, Path], tmp_path: Path) -> None:
    host, folder = secured
    Authority(tmp_path / "other")
    strange = tmp_path / "strange"
    shutil.copytree(folder, strange, ignore=shutil.ignore_patterns("sde-*"))
    shutil.copy(tmp_path / "other/ca.crt", strange / "ca.pem")
    app.env |= {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(strange)}
    done = app.run("build")
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr and "Traceback" not in done.stderr


def test_an_engine_behind_ssh(app: Shipit, ssh: tuple[int, Path]) -> None:
    port, folder = ssh
    app.env |= {"PATH": f"{folder / 'bin'}:{app.env['PATH']}", "DOCKER_HOST": f"ssh://root@127.0.0.1:{port}"}
    done = app.run("build")
    assert done.returncode == 0, done.stderr
    assert "the engine's BuildKit: builder: engine" in done.stderr


def test_an_image_is_loaded_into_an_engine_behind_ssh(app: Shipit, ssh: tuple[int, Path], engine: DockerEngine) -> None:
    port, folder = ssh
    name = "registry.example/reached/app:v1"
    app.write(deploy__yml="app: reached\nimage: {repository: registry.example/reached/app, tags: [v1]}\n")
    app.env |= {"PATH": f"{folder / 'bin'}:{app.env['PATH']}", "DOCKER_HOST": "unix:///nowhere.sock"}
    for content in ("first", "second"):
        app.write(a=content)
        done = app.run("build", "--load", "--engine", f"ssh://root@127.0.0.1:{port}")
        assert done.returncode == 0 and f"loaded {name}" in done.stderr, done.stderr
        copied = app.folder.parent / f"{content}.tar"
        for words in (["create", "--name", content, name], ["cp", f"{content}:/a", str(copied)], ["rm", content]):
            subprocess.run([find("docker"), "--host", engine.host, *words], check=True, capture_output=True)
        assert copied.read_text() == content
    subprocess.run([find("docker"), "--host", engine.host, "rmi", name], check=True, capture_output=True)


def test_an_image_is_loaded_over_tcp_with_tls(app: Shipit, secured: tuple[str, Path]) -> None:
    host, folder = secured
    app.write(deploy__yml="app: reached\nimage: {repository: registry.example/reached/app, tags: [v1]}\n")
    app.env |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
    done = app.run("build", "--load", "--engine", host)
    assert done.returncode == 0 and "loaded registry.example/reached/app:v1" in done.stderr, done.stderr
    again = app.run("build", "--load", "--engine", host)
    assert again.returncode == 0 and "tagged registry.example/reached/app:v1" in again.stderr, again.stderr


def test_ssh_that_is_refused_says_so_and_never_asks(app: Shipit, ssh: tuple[int, Path]) -> None:
    port = ssh[0]
    app.env["DOCKER_HOST"] = f"ssh://root@127.0.0.1:{port}"
    done = app.run("build", timeout_s=180)
    assert done.returncode == 1
    assert "no Docker engine answers at ssh://" in done.stderr
    assert "verification failed" in done.stderr or "denied" in done.stderr.lower(), done.stderr
    app.env["DOCKER_HOST"] = "ssh://-oProxyCommand=touch/owned"
    done = app.run("build")
    assert done.returncode == 1 and "is not an engine's address" in done.stderr


def test_addresses_that_are_none(app: Shipit) -> None:
    for host in ("fd://", "nonsense", "npipe:////./pipe/docker", "tcp://127.0.0.1:1"):
        app.env["DOCKER_HOST"] = host
        done = app.run("build")
        assert done.returncode == 1, host
        assert "no Docker engine answers at" in done.stderr and "Traceback" not in done.stderr, done.stderr

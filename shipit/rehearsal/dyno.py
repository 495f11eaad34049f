"""Dynos: a released image runs as a container of a Docker engine, or as a local process without one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, cast

from shipit.image.tar.read import clean_path
from shipit.process import ProgramFailed, started_program
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.rendezvous import Started

Line = Callable[[str], None]
_WITH_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Running(Protocol):
    """A started dyno."""

    def exit_code(self) -> int | None:
        """Its exit code, or None while it runs."""
        ...

    def stop(self) -> None: ...


class Runner(Protocol):
    """Starts images. `kind` says how, for people."""

    kind: str

    def start(
        self, registry: EmbeddedRegistry, name: str, digest: str, env: Mapping[str, str], port: int, line: Line
    ) -> Running:
        """Start the image of a repository by manifest digest; `line` is called with each line of output."""
        ...


def free_port(among: range = range(10_000, 30_000)) -> int:
    """A free port below those that systems give to connections: no connection takes it before it is listened at."""
    for port in random.SystemRandom().sample(among, 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port")


def listens(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class ProcessRunner:
    """Runs the image's command on this machine, in a folder with the image's files; `python` becomes this interpreter."""

    kind = "local process"

    def start(
        self, registry: EmbeddedRegistry, name: str, digest: str, env: Mapping[str, str], port: int, line: Line
    ) -> Running:
        root, folder, config, own = _unpacked(registry, name, digest)
        words = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
        variables = {**own, **env, "PORT": str(port), "PATH": os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1"}
        command = [_program(words[0], root), *(_inside(word, root) for word in words[1:])]
        try:
            return _Process(command, variables, folder, root, line)
        except ProgramFailed as error:
            line(f"bash: {words[0]}: {error.reason}")
            return _Ended(127, root)

    def run_shell(
        self,
        registry: EmbeddedRegistry,
        name: str,
        digest: str,
        env: Mapping[str, str],
        command: str,
        stdin: int,
        output: int,
    ) -> Started:
        """A command in a shell, in a session of its own whose terminal is its stdin, if that is one."""
        root, folder, _, own = _unpacked(registry, name, digest)
        variables = {**own, **env, "PATH": os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1"}
        # A new session gets its terminal only by asking for it.
        session = [sys.executable, "-c", _WITH_TERMINAL] if os.isatty(stdin) else []
        process = subprocess.Popen(
            [*session, "/bin/sh", "-c", command],
            cwd=folder,
            env=variables,
            stdin=stdin,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        return Started(process, root)


def _unpacked(registry: EmbeddedRegistry, name: str, digest: str) -> tuple[Path, Path, dict[str, Any], dict[str, str]]:
    """The files of an image in a temporary folder, its working folder there, its config, and the config's variables."""
    root = Path(tempfile.mkdtemp(prefix="shipit-dyno-"))
    manifest = json.loads(registry.manifests[name, digest][1])
    config = json.loads(registry.blobs[manifest["config"]["digest"]])["config"]
    unpack([registry.blobs[row["digest"]] for row in manifest["layers"]], root)
    own = dict(item.partition("=")[::2] for item in config.get("Env") or [])
    return root, root / str(config.get("WorkingDir") or "/").lstrip("/"), config, own


def unpack(layers: list[bytes], root: Path) -> None:
    """Extract layers into a folder; members outside of it are skipped, and owners ignored."""
    root = root.resolve()
    for data in layers:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                _write_member(archive, member, root)


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    place = root / clean_path(member.name)
    if not place.parent.resolve().is_relative_to(root):
        return
    if member.isdir():
        if not place.is_symlink():
            place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.is_file():
        place.unlink()
    if member.issym():
        # A link to an absolute path means the image's root, not this machine's.
        place.symlink_to(root / member.linkname.lstrip("/") if member.linkname.startswith("/") else member.linkname)
    elif (source := archive.extractfile(member)) is not None:
        place.write_bytes(source.read())
        place.chmod(0o700 | member.mode & 0o777)


def _program(word: str, root: Path) -> str:
    if Path(word).name in ("python", "python3"):
        return sys.executable
    inside = root / word.lstrip("/")
    return str(inside) if word.startswith("/") and inside.is_file() else shutil.which(word) or word


def _inside(word: str, root: Path) -> str:
    path = root / word.lstrip("/")
    return str(path) if word.startswith("/") and path.exists() else word


class _Ended:
    def __init__(self, code: int, root: Path) -> None:
        self._code = code
        shutil.rmtree(root, ignore_errors=True)

    def exit_code(self) -> int | None:
        return self._code

    def stop(self) -> None:
        """Nothing runs any more."""


class _Process:
    """A running command; stopping it ends all the processes that it started."""

    def __init__(self, command: list[str], variables: Mapping[str, str], folder: Path, root: Path, line: Line) -> None:
        self._root = root
        self._exits = ExitStack()
        started = started_program(command, variables=variables, folder=folder, is_merged=True)
        self._process = self._exits.enter_context(started)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._reader = threading.Thread(target=self._read, args=(line,), daemon=True)
        self._reader.start()

    def _read(self, line: Line) -> None:
        assert self._process.stdout is not None
        try:
            with io.BufferedReader(cast("io.RawIOBase", self._process.stdout)) as output:
                for raw in output:
                    line(raw.decode("utf-8", "replace").rstrip("\n"))
        except ValueError:
            # Stopped, and its output closed.
            return

    def exit_code(self) -> int | None:
        code = self._process.poll()
        if code is not None:
            self._reader.join(2)
        return code

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(3)
        self._reader.join(0.3)
        self._exits.close()
        self._reader.join(2)
        shutil.rmtree(self._root, ignore_errors=True)


class ContainerRunner:
    """Runs the image as a container of a Docker engine, pulled from the stand-in's registry."""

    kind = "container"

    def __init__(self, host: str) -> None:
        import docker

        self._client = docker.DockerClient(base_url=host, timeout=60)

    def start(
        self, registry: EmbeddedRegistry, name: str, digest: str, env: Mapping[str, str], port: int, line: Line
    ) -> Running:
        login = {"username": "_", "password": registry.password} if registry.password else None
        image = f"{registry.host}/{name}"
        self._client.images.pull(image, tag=digest, auth_config=login)
        container = self._client.containers.run(
            f"{image}@{digest}",
            detach=True,
            environment={**env, "PORT": str(port)},
            ports={f"{port}/tcp": ("127.0.0.1", port)},
            labels={"dev.shipit.rehearsal": "dyno"},
        )
        return _Container(container, line)

    def close(self) -> None:
        self._client.close()


class _Container:
    def __init__(self, container: Any, line: Line) -> None:
        self._container = container
        self._reader = threading.Thread(target=self._read, args=(line,), daemon=True)
        self._reader.start()

    def _read(self, line: Line) -> None:
        rest = b""
        for chunk in self._container.logs(stream=True, follow=True):
            *lines, rest = (rest + chunk).split(b"\n")
            for text in lines:
                line(text.decode("utf-8", "replace"))
        if rest:
            line(rest.decode("utf-8", "replace"))

    def exit_code(self) -> int | None:
        self._container.reload()
        if self._container.status not in ("exited", "dead"):
            return None
        self._reader.join(2)
        return int(self._container.attrs["State"]["ExitCode"])

    def stop(self) -> None:
        self._container.stop(timeout=2)
        self._reader.join(2)
        image = self._container.attrs["Image"]
        self._container.remove(force=True)
        try:
            self._container.client.images.remove(image, force=True)
        except OSError:
            # Another dyno still runs this image; the last one to stop removes it.
            return

"""BuildKit of the version that the native builder follows, built from its source: a buildkitd, and buildctl to ask it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shipit.image.engine.export import read_archive
from shipit.image.image import BuiltImage
from shipit.image.store.content_store import ContentStore
from tests.servers.install import SYSTEM_PATH, buildkit_folder, find
from tests.servers.process import Background, Unavailable


class RefusedBuild(Exception):
    """BuildKit refused a build; the message is the end of its output."""


class BuildKit:
    """A buildkitd on a unix socket. `address` is what buildctl and `docker buildx create --driver remote` take."""

    def __init__(self, folder: Path) -> None:
        if platform.system() != "Linux" or os.geteuid() != 0:
            raise Unavailable("BuildKit needs Linux and root")
        self._programs = buildkit_folder()
        if not (self._programs / "buildkitd").is_file():
            raise Unavailable("BuildKit is not built (python -m tests.servers.install; it needs Go)")
        # A unix socket's path has to be short.
        self._run = Path(tempfile.mkdtemp(prefix="sbk-", dir="/tmp"))
        self.address = f"unix://{self._run}/s.sock"
        folder.mkdir(parents=True, exist_ok=True)
        command = [str(self._programs / "buildkitd"), "--root", str(folder / "root"), "--addr", self.address]
        command += ["--containerd-worker=false", "--oci-worker-net=host", f"--oci-worker-binary={find('runc')}"]
        self._process = Background("buildkitd", command, folder, {"PATH": SYSTEM_PATH})
        self._process.wait_until(self._answers, 180)

    def _answers(self) -> bool:
        return self._ask(["debug", "workers"]).returncode == 0

    def _ask(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        command = [str(self._programs / "buildctl"), "--addr", self.address, *words]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)

    def build(self, context: Path, store: ContentStore, options: Mapping[str, str] = {}) -> BuiltImage:
        """The image of a context's Dockerfile, its layers in a store. `options` are those of its frontend. Raises: RefusedBuild."""
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "image.tar"
            words = ["build", "--progress", "plain", "--frontend", "dockerfile.v0"]
            words += ["--local", f"context={context}", "--local", f"dockerfile={context}"]
            words += [word for key, value in options.items() for word in ("--opt", f"{key}={value}")]
            done = self._ask([*words, "--output", f"type=docker,dest={archive}"])
            if done.returncode != 0:
                raise RefusedBuild(done.stderr.strip().splitlines()[-1:])
            with tarfile.open(archive) as opened:
                config, layers = read_archive(opened, store, {})
        return BuiltImage("a", config, layers, options.get("platform", "linux/amd64"), "buildkit")

    def stop(self) -> None:
        self._process.stop(20)
        shutil.rmtree(self._run, ignore_errors=True)

"""A Docker engine as the builder: it builds, we take the result and push it ourselves.

Source: Docker Engine API 1.41, POST /build, GET /images/{name}/get; OCI image-layout 1.1.
"""

from __future__ import annotations

import io
import json
import re
import socket
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from shipit.errors import BuildError
from shipit.events import Emit, Log
from shipit.image.context import read_ignore_rules, scan_context
from shipit.image.image import BuiltImage, Layer
from shipit.image.layer import pack_layer, read_content
from shipit.image.options import BuildOptions
from shipit.image.store import ContentStore

DEFAULT_HOST = "unix:///var/run/docker.sock"
_BLOCK = 1024 * 1024
_LAST_LINES = 15


class Engine:
    """One engine, by its address."""

    def __init__(self, host: str | None) -> None:
        self.host = host or DEFAULT_HOST
        self._api: Any = None

    def answers(self) -> bool:
        """Whether an engine answers at the address, within two seconds."""
        if self._api is None:
            if not self._socket_accepts():
                return False
            import docker

            try:
                self._api = docker.APIClient(base_url=self.host, version="auto", timeout=2)
                self._api.timeout = None
            except (docker.errors.DockerException, OSError, ValueError):
                return False
        return True

    def _socket_accepts(self) -> bool:
        """Whether a unix socket takes connections; of other addresses the SDK finds out."""
        if not self.host.startswith("unix://"):
            return True
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            try:
                probe.connect(self.host.removeprefix("unix://"))
            except OSError:
                return False
        return True

    def build(self, name: str, options: BuildOptions, store: ContentStore, emit: Emit) -> BuiltImage:
        """Build, then bring the image into the store.

        Raises: BuildError with the last lines of what failed.
        """
        tag = f"shipit-build:{uuid.uuid4().hex}"
        try:
            with _packed_context(options) as (body, dockerfile):
                self._run(name, tag, dockerfile, body, options, emit)
            self._keep(name, tag, options)
            return self._export(name, tag, options, store)
        finally:
            self._forget(tag)

    def _run(self, name: str, tag: str, dockerfile: str, body: IO[bytes], options: BuildOptions, emit: Emit) -> None:
        import docker
        import requests

        parameters = {
            "t": tag,
            "dockerfile": dockerfile,
            "platform": options.platform,
            "rm": "true",
            "forcerm": "true",
            "buildargs": json.dumps(dict(options.args)),
        }
        if options.stage:
            parameters["target"] = options.stage
        try:
            url = self._api._url("/build")
            answer = self._api._post(
                url, params=parameters, data=body, headers={"Content-Type": "application/x-tar"}, stream=True
            )
            if answer.status_code != 200:
                raise BuildError(
                    f"the engine refused to build: {_message(answer)}",
                    where=options.dockerfile.name,
                    hint="correct the Dockerfile at the line it names",
                )
            lines: list[str] = []
            for row in _rows(answer):
                text = str(row.get("stream") or "").rstrip("\n")
                for line in filter(None, text.splitlines()):
                    lines.append(line)
                    emit(Log("", f"build {name}", line))
                if "errorDetail" in row or "error" in row:
                    raise _failed(row, lines, options)
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise BuildError(
                f"the engine broke off: {error}", where=self.host, hint="is the engine still running?", retryable=True
            ) from None

    def _export(self, name: str, tag: str, options: BuildOptions, store: ContentStore) -> BuiltImage:
        with store.scratch_file() as (file, path):
            for chunk in self._api.get_image(tag, chunk_size=_BLOCK):
                file.write(chunk)
            file.close()
            with tarfile.open(path) as archive:
                return _read_archive(archive, name, options, store)

    def _keep(self, name: str, tag: str, options: BuildOptions) -> None:
        """Leave the last build in the engine under one name: without it the engine would forget its build cache."""
        platform = options.platform.replace("/", "-")
        self._api.tag(tag, "shipit-build", f"{name}-{platform}", force=True)

    def _forget(self, tag: str) -> None:
        import docker

        try:
            self._api.remove_image(tag)
        except (docker.errors.DockerException, OSError):
            return


@contextmanager
def _packed_context(options: BuildOptions) -> Iterator[tuple[IO[bytes], str]]:
    """The context as a tar, and the Dockerfile's name in it; a Dockerfile from elsewhere is put in under another name."""
    rules = read_ignore_rules(options.context, options.dockerfile)
    tree = scan_context(options.context, rules)
    inside = options.dockerfile.is_relative_to(options.context)
    dockerfile = str(options.dockerfile.relative_to(options.context)) if inside else ".shipit.Dockerfile"
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for path in sorted(tree):
                entry = tree[path]
                info = tarfile.TarInfo(path)
                info.mode, info.mtime = entry.mode, options.created_s
                if entry.kind == "file":
                    info.size = entry.size
                    data = b"".join(read_content(path, entry))
                    archive.addfile(info, io.BytesIO(data))
                else:
                    info.type = tarfile.DIRTYPE if entry.kind == "dir" else tarfile.SYMTYPE
                    info.linkname = entry.target
                    archive.addfile(info)
            if dockerfile not in tree:
                data = options.dockerfile.read_bytes()
                info = tarfile.TarInfo(dockerfile)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        file.seek(0)
        yield file, dockerfile


def _rows(answer: Any) -> Iterator[Mapping[str, Any]]:
    for line in answer.iter_lines():
        if line:
            row = json.loads(line)
            if isinstance(row, dict):
                yield row


def _message(answer: Any) -> str:
    try:
        return str(answer.json().get("message", ""))
    except (ValueError, AttributeError):
        return f"status {answer.status_code}"


def _failed(row: Mapping[str, Any], lines: list[str], options: BuildOptions) -> BuildError:
    detail = row.get("errorDetail") or {}
    message = str(detail.get("message") or row.get("error"))
    match = re.search(r"The command '(.*)' returned a non-zero code: (\d+)", message, re.DOTALL)
    what = f"RUN ended with {match[2]}: {match[1]}" if match else message
    where = options.dockerfile.name
    if match:
        command = match[1].removeprefix("/bin/sh -c ")
        for number, text in enumerate(options.dockerfile.read_text().splitlines(), 1):
            if (
                text.strip().upper().startswith("RUN")
                and text.strip()[3:].strip()[:20]
                and command.startswith(text.strip()[3:].strip().rstrip("\\").strip()[:20])
            ):
                where = f"{options.dockerfile.name}:{number}"
                break
    return BuildError(what, where=where, detail=lines[-_LAST_LINES:], hint="the lines above are the last it wrote")


def _read_archive(archive: tarfile.TarFile, name: str, options: BuildOptions, store: ContentStore) -> BuiltImage:
    """An image from `docker save`: its config as it is, each layer compressed once and remembered by its diff_id."""
    manifest = json.loads(_member(archive, "manifest.json"))[0]
    config = _member(archive, manifest["Config"])
    diff_ids = json.loads(config)["rootfs"]["diff_ids"]
    layers = []
    for diff_id, member in zip(diff_ids, manifest["Layers"], strict=True):
        key = diff_id.removeprefix("sha256:")
        known = store.recall("packed", key)
        if known and store.has(known["digest"]):
            layers.append(Layer(diff_id, known["digest"], known["size_bytes"]))
            continue
        source = archive.extractfile(_real(archive, member))
        assert source is not None
        layer = pack_layer(iter(partial(source.read, _BLOCK), b""), store)
        if layer.diff_id != diff_id:
            raise BuildError("the engine gave a layer that is not the one it named", where=member, hint="run it again")
        store.note("packed", key, {"digest": layer.digest, "size_bytes": layer.size_bytes})
        layers.append(layer)
    return BuiltImage(name, config, tuple(layers), options.platform, "engine")


def _real(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    """A member, or what it links to: engines store equal layers once."""
    member = archive.getmember(name)
    if member.issym():
        return archive.getmember(str((Path("/") / Path(name).parent / member.linkname).resolve()).lstrip("/"))
    return member


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()

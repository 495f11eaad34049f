"""A registry that serves any images and blobs, and builds that use it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from shipit.clock import Clock
from shipit.digest import Digest
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.events import Event, Warned
from shipit.image.build import build_image
from shipit.image.build_tools import BuildTools
from shipit.image.image import BuiltImage
from shipit.image.manifest import CONFIG_TYPES, LAYER_TYPES, MANIFEST_TYPES
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore, Limits
from shipit.reference import ImageRef, parse_reference
from shipit.registry.registries import Registries
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.runs import environment

OCI = MANIFEST_TYPES["oci"]
LAYER = LAYER_TYPES["oci", "gzip"]


def tar_of(files: Mapping[str, bytes | str]) -> bytes:
    """A tar of files by name. A name that ends in / is a folder; `-> x` as content is a link."""
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, content in files.items():
                info, data = tarfile.TarInfo(path), content.encode() if isinstance(content, str) else content
                if path.endswith("/"):
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                elif data.startswith(b"-> "):
                    info.type, info.linkname = tarfile.SYMTYPE, data[3:].decode()
                info.size = len(data) if info.isreg() else 0
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()


def descriptor(data: bytes, media_type: str, **changes: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data), **changes}


class HostileRegistry(EmbeddedRegistry):
    """A registry that serves what it is given, unchecked."""

    def blob(self, repository: str, data: bytes, digest: str | None = None) -> str:
        """Serve bytes under their digest, or under another one."""
        digest = digest or str(Digest.of(data))
        self.blobs[digest] = data
        self.linked.add((repository, digest))
        return digest

    def manifest(self, repository: str, tag: str, value: Any, media_type: str = OCI, digest: str | None = None) -> str:
        """Serve a manifest under a tag and its digest, or under another digest."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        digest = digest or str(Digest.of(data))
        self.manifests[repository, digest] = media_type, data
        self.tags[repository, tag] = digest
        return digest

    def image(
        self,
        repository: str,
        *tars: bytes,
        diff_ids: Sequence[str] | None = None,
        runtime: Any = None,
        layers: Sequence[Mapping[str, Any]] | None = None,
        blobs: Sequence[bytes] | None = None,
        **config: Any,
    ) -> str:
        """Serve an image of some layers, with false diff_ids and sizes where given. Returns its manifest's digest."""
        packed = list(blobs) if blobs is not None else [gzip.compress(tar, mtime=0) for tar in tars]
        claimed = [str(Digest.of(tar)) for tar in tars] if diff_ids is None else [*diff_ids]
        full = {
            "architecture": "amd64",
            "os": "linux",
            "config": runtime or {},
            "rootfs": {"type": "layers", "diff_ids": claimed},
            **config,
        }
        data = json.dumps(full).encode()
        for blob in (data, *packed):
            self.blob(repository, blob)
        rows = [descriptor(blob, LAYER) for blob in packed] if layers is None else [*layers]
        config_row = descriptor(data, CONFIG_TYPES["oci"])
        return self.manifest(
            repository, "v1", {"schemaVersion": 2, "mediaType": OCI, "config": config_row, "layers": rows}
        )


class Served(Protocol):
    @property
    def host(self) -> str: ...


class Machine:
    """A machine with its own cache, which builds on images of a registry."""

    def __init__(self, folder: Path, registry: Served, **variables: str) -> None:
        self.host = registry.host
        self.folder = folder / "context"
        self.folder.mkdir(parents=True)
        (self.folder / "a").write_text("a")
        self.events: list[Event] = []
        self.environment = environment(folder, **variables)
        self.store = ContentStore(
            self.environment.cache_dir, self._warn, Limits(self.environment.cache_max, self.environment.unpack_max)
        )
        self.registries = Registries(self.environment, Clock(), self.events.append, self.store)

    def _warn(self, text: str) -> None:
        self.events.append(Warned("", text))

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    def ref(self, text: str) -> ImageRef:
        return parse_reference(f"{self.host}/{text}")

    def build(self, dockerfile: str) -> BuiltImage:
        """Build; `BASE` in the Dockerfile is replaced by the registry's host."""
        (self.folder / "Dockerfile").write_text(dockerfile.replace("BASE", self.host))
        engine = Engine(EngineAddress("unix:///nowhere.sock"), {})
        tools = BuildTools(self.store, self.registries, lambda: engine, self.events.append)
        return build_image("app", BuildOptions(self.folder, self.folder / "Dockerfile"), tools)

    def owners(self, image: BuiltImage) -> dict[str, tuple[int, int]]:
        """The owners of the files in the layers that the build added."""
        found: dict[str, tuple[int, int]] = {}
        for layer in image.layers:
            if layer.origin is None:
                with tarfile.open(self.store.path(layer.digest)) as tar:
                    found |= {member.name: (member.uid, member.gid) for member in tar}
        return found

    def files(self, image: BuiltImage) -> dict[str, bytes]:
        """The files of an image, all layers merged."""
        found: dict[str, bytes] = {}
        for layer in image.layers:
            data = self.store.path(layer.digest).read_bytes()
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.isreg() else None
                    found[member.name] = file.read() if file else b""
        return found

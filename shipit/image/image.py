"""An image as values: its config, its layers, and its manifest in Docker's or in OCI's form. Pure.

Source: OCI image-spec 1.1 (manifest.md, config.md); Docker Registry image manifest version 2, schema 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from shipit.digest import Digest, InvalidDigest
from shipit.errors import BuildError
from shipit.image.manifest import CONFIG_TYPES, LAYER_TYPES, MANIFEST_TYPES, Compression
from shipit.reference import ImageRef
from shipit.release import Form

# A label that changes the id of an image with the same content, for a platform that ignores an id which failed before.
ATTEMPT_LABEL = "dev.shipit.attempt"


class Layer(NamedTuple):
    """One layer: the digest of its tar, digest and size of its blob, and the repository that has it, if any."""

    diff_id: Digest
    digest: Digest
    size_bytes: int
    compression: Compression = "gzip"
    origin: ImageRef | None = None


def parse_layer(row: object) -> Layer | None:
    """The layer in a JSON row of its fields; None when the row has another form."""
    try:
        match row:
            case [diff_id, digest, int(size), "gzip" | "zstd" | "none" as compression, None]:
                return Layer(Digest(diff_id), Digest(digest), size, compression)
            case [
                diff_id,
                digest,
                int(size),
                "gzip" | "zstd" | "none" as compression,
                [str(host), str(path), None, pin],
            ]:
                origin = ImageRef(host, path, None, Digest(pin))
                return Layer(Digest(diff_id), Digest(digest), size, compression, origin)
    except InvalidDigest:
        pass
    return None


def parse_layers(rows: Sequence[object]) -> tuple[Layer, ...] | None:
    """The layers in JSON rows; None when one of them has another form."""
    layers = tuple(layer for row in rows if (layer := parse_layer(row)))
    return layers if len(layers) == len(rows) else None


class BuiltImage(NamedTuple):
    """An image to publish. `config` is its config's bytes. `builder` is the builder and the reason for it.

    `has_cache`: its builder can export its build cache to a registry. `origin`: the reference, by digest, of an image
    that is used without being built. `left_out`: what was left out of its build context, for people. `engine_name`: its
    name in the engine that built it; empty when no engine did. `source_manifest`: the form and the bytes of the manifest of
    an image that is used without being built, which is copied as it is.
    """

    name: str
    config: bytes
    layers: tuple[Layer, ...]
    platform: str
    builder: str
    has_cache: bool = False
    origin: ImageRef | None = None
    left_out: str = ""
    engine_name: str = ""
    source_manifest: tuple[Form, bytes] | None = None

    @property
    def config_digest(self) -> Digest:
        return Digest.of(self.config)

    @property
    def runtime(self) -> dict[str, Any]:
        """The `config` part: Env, Cmd, Entrypoint and so on."""
        return json.loads(self.config).get("config") or {}

    @property
    def user(self) -> str:
        """The user that it runs as: `USER`, `USER:GROUP`, names or numbers; empty for root."""
        user = self.runtime.get("User")
        return user if isinstance(user, str) else ""

    @property
    def has_command(self) -> bool:
        return bool(self.runtime.get("Cmd") or self.runtime.get("Entrypoint"))

    def with_command(self, command: Sequence[str] | None) -> BuiltImage:
        """The same layers with a config whose Cmd is `command`; unchanged when that is None."""
        return self if command is None else self._with_runtime(Cmd=list(command))

    def with_attempt(self, attempt: int) -> BuiltImage:
        """The same image with another id, by a label in its config; unchanged when `attempt` is 0."""
        if not attempt:
            return self
        return self._with_runtime(Labels={**(self.runtime.get("Labels") or {}), ATTEMPT_LABEL: str(attempt)})

    def _with_runtime(self, **changed: Any) -> BuiltImage:
        config = json.loads(self.config)
        config["config"] = {**(config.get("config") or {}), **changed}
        # The engine that built it has the image with the config as it was.
        return self._replace(config=canonical_json(config), engine_name="", source_manifest=None)

    def beginning(self, count: int) -> BuiltImage:
        """The first layers as an image of their own, which runs nothing. The same layers give the same image."""
        own = json.loads(self.config)
        config = {key: own[key] for key in ("architecture", "os", "variant") if key in own}
        layers = self.layers[:count]
        rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
        return self._replace(
            config=canonical_json({**config, "config": {}, "rootfs": rootfs}), layers=layers, engine_name="",
            source_manifest=None,
        )  # fmt: skip

    def manifest(self, form: Form) -> bytes:
        """The manifest's bytes in a form.

        Raises: BuildError for a layer that the form does not support.
        """
        if self.source_manifest is not None and self.source_manifest[0] == form:
            return self.source_manifest[1]
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPES[form],
                "config": _descriptor(CONFIG_TYPES[form], self.config_digest, len(self.config)),
                "layers": [self._layer(layer, form) for layer in self.layers],
            }
        )

    def _layer(self, layer: Layer, form: Form) -> dict[str, Any]:
        media_type = LAYER_TYPES.get((form, layer.compression))
        if media_type is None:
            hint = "build it on a base whose layers are gzip-compressed"
            raise BuildError(
                f"a layer of its base is {layer.compression}-compressed, which a Docker schema 2 manifest does not support",
                where=f"image {self.name}",
                hint=hint,
            )
        return _descriptor(media_type, layer.digest, layer.size_bytes)


def _descriptor(media_type: str, digest: Digest, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and without spaces, so that equal values have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class SourceImage(NamedTuple):
    """An image in a registry, for one platform: its reference by digest, its config's bytes, its layers."""

    ref: ImageRef
    config: bytes
    layers: tuple[Layer, ...]
    form: Form


class BlobSource(Protocol):
    """Where base images come from."""

    def pulled_from(self, ref: ImageRef) -> ImageRef:
        """The reference that is requested: `ref`, or the same image at a mirror."""
        ...

    def resolve(self, ref: ImageRef, platform: str) -> SourceImage:
        """The image of a reference for a platform. Raises: RemoteError or BuildError when there is none."""
        ...

    def blob(self, ref: ImageRef, digest: Digest) -> Iterator[bytes]:
        """The bytes of one blob, in chunks. Raises: RemoteError."""
        ...

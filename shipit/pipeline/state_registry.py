"""The state in the repository of an image: an artifact with a tag for the runs of an app in an environment.

A registry can't compare and swap, so it keeps no lock: of two runs that end in the same moment, one may not be known.
Source: OCI image-spec 1.1, manifest.md, "Guidelines for artifact usage"; distribution-spec 1.1.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipit.digest import Digest
from shipit.errors import Interrupted, ShipitError
from shipit.history.state_store import MOST_BYTES, Kept, StateError
from shipit.image.manifest import MANIFEST_TYPES, InvalidManifest, Manifest, parse_manifest
from shipit.json_text import parse_json
from shipit.reference import parse_reference
from shipit.registry.client import RegistryClient
from shipit.registry.registries import Registries
from shipit.release import STATE_TAG

_TYPE = "application/vnd.shipit.state.v1"
_DATA_TYPE, _EMPTY_TYPE, _EMPTY = f"{_TYPE}+json", "application/vnd.oci.empty.v1+json", b"{}"
_NAME, _SIGNATURE = "dev.shipit.state", "dev.shipit.signature"
_LOGIN = "log in: shipit login; or name a folder or a bucket for `state:`"


class StateRegistry:
    """The artifacts of a repository. With a `key`, they are signed, and others are an error. Thread-safe."""

    keeps_locks = False

    def __init__(self, repository: str, registries: Callable[[], Registries], key: str | None = None) -> None:
        self.title = f"the repository {repository}"
        self._ref, self._registries = parse_reference(repository), registries
        self._key = key.encode("utf-8", "surrogatepass") if key else b""
        self._deletes = True

    def read(self, name: str) -> Kept | None:
        with self._told(name):
            client, repository = self._client, self._ref.repository
            found = client.manifest(repository, state_tag(name))
            if found is None:
                return None
            layer = self._layer(found[0], name)
            data = b""
            for piece in client.blob(repository, layer):
                data += piece
                if len(data) > MOST_BYTES:
                    raise self._wrong(name, f"it has more than {MOST_BYTES:,} bytes")
            if not layer.matches(data):
                raise self._wrong(name, "its bytes do not match its digest")
            self._check_signed(found[0], name, data)
            return Kept(data, str(found[1]), 0.0)

    def swap(self, name: str, data: bytes, version: str) -> str | None:
        with self._told(name):
            client, repository, tag = self._client, self._ref.repository, state_tag(name)
            if (client.manifest_digest(repository, tag) or "") != version:
                return None
            manifest = self._manifest(name, data)
            for blob in (_EMPTY, data):
                self._upload(client, blob)
            client.put_manifest(repository, tag, manifest, MANIFEST_TYPES["oci"])
            own = Digest.of(manifest)
            if client.manifest_digest(repository, tag) != own:
                # Another machine wrote at the same time.
                return None
            if version and version != own and self._deletes:
                self._delete(client, Digest(version))
            return str(own)

    def now_s(self) -> float:
        raise StateError("it has no clock", where=self.title)

    @property
    def _client(self) -> RegistryClient:
        return self._registries().client(self._ref)

    def _manifest(self, name: str, data: bytes) -> bytes:
        annotations = {_NAME: name, **({_SIGNATURE: self._signature(name, data)} if self._key else {})}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPES["oci"],
            "artifactType": _TYPE,
            "config": _descriptor(_EMPTY, _EMPTY_TYPE),
            "layers": [_descriptor(data, _DATA_TYPE)],
            "annotations": annotations,
        }
        return json.dumps(manifest, indent=1).encode()

    def _layer(self, data: bytes, name: str) -> Digest:
        """The digest of the data of an artifact. Raises: StateError."""
        try:
            manifest, told = parse_manifest(data), parse_json(data)
        except (InvalidManifest, ValueError) as error:
            raise self._wrong(name, str(error)) from None
        if not isinstance(manifest, Manifest) or len(manifest.layers) != 1 or told.get("artifactType") != _TYPE:
            raise self._wrong(name, "it is no artifact of shipit")
        return manifest.layers[0].digest

    def _check_signed(self, manifest: bytes, name: str, data: bytes) -> None:
        """Raises: StateError."""
        told = parse_json(manifest).get("annotations")
        signature = told.get(_SIGNATURE) if isinstance(told, dict) else None
        shown = signature if isinstance(signature, str) else ""
        if self._key and not hmac.compare_digest(shown.encode(), self._signature(name, data).encode()):
            raise self._wrong(name, "it was not signed with SHIPIT_PLAN_KEY")

    def _signature(self, name: str, data: bytes) -> str:
        signed = b"shipit state 1\n" + name.encode() + b"\n" + data
        return hmac.new(self._key, signed, hashlib.sha256).hexdigest()

    def _upload(self, client: RegistryClient, blob: bytes) -> None:
        digest = Digest.of(blob)
        if client.has_blob(self._ref.repository, digest):
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "blob")
            path.write_bytes(blob)
            client.upload_blob(self._ref.repository, digest, path, len(blob), lambda amount: None)

    def _delete(self, client: RegistryClient, digest: Digest) -> None:
        """Delete a manifest that has no tag any more. Not every registry does: one that fails is not asked again in this run."""
        try:
            client.delete_manifest(self._ref.repository, digest, attempts=1)
        except ShipitError:
            # The runs are written all the same, and what has no tag is not listed.
            self._deletes = False

    def _wrong(self, name: str, why: str) -> StateError:
        where = f"{self._ref.name}:{state_tag(name)}"
        return StateError(f"the runs can't be read: {why}", where=where, hint="look who wrote the tag, and delete it")

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except (StateError, Interrupted):
            raise
        except (ShipitError, OSError) as error:
            where = f"{self._ref.name}:{state_tag(name)}"
            raise StateError(f"the state can't be read or written: {error}", where=where, hint=_LOGIN) from None


def state_tag(name: str) -> str:
    """The tag of an object of the state: readable, and different for different names."""
    shown = re.sub(r"[^a-z0-9]+", "-", name.removesuffix(".json").lower()).strip("-")[:60]
    return f"{STATE_TAG}{shown}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}

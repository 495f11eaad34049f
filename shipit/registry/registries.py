"""Every registry of a run: one client per host, found credentials, mirrors; and images as bases to build on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from shipit.clock import Clock
from shipit.config.environment import Environment
from shipit.errors import BuildError, RemoteError
from shipit.events import Emit, Warned
from shipit.http.transport import Transport
from shipit.image.image import INDEX_TYPES, MANIFEST_TYPES, Layer, SourceImage
from shipit.image.store import ContentStore
from shipit.reference import ImageRef
from shipit.registry.client import RegistryClient
from shipit.registry.credentials import CredentialFinder, Credentials


class Registries:
    """Clients by host, made when first asked for. `logins` are credentials that targets bring: host -> credentials."""

    def __init__(
        self,
        environment: Environment,
        clock: Clock,
        emit: Emit,
        store: ContentStore,
        logins: Mapping[str, Credentials] | None = None,
    ) -> None:
        self.environment = environment
        self.clock = clock
        self.emit = emit
        self.store = store
        self.logins = dict(logins or {})
        self.http = Transport(environment)
        self._clients: dict[str, RegistryClient] = {}
        self._by_login: dict[tuple[str, Credentials | None], RegistryClient] = {}
        self._finder: CredentialFinder | None = None
        self._lock = threading.Lock()
        self._mirrors = _mirrors(environment)

    def client(self, ref: ImageRef) -> RegistryClient:
        """The client for a repository. Repositories of one host share one, unless their credentials differ."""
        with self._lock:
            if ref.name not in self._clients:
                found = self.credentials(ref)
                key = (ref.registry, found)
                if key not in self._by_login:
                    self._by_login[key] = RegistryClient(ref.registry, self.http, self.clock, self.emit, found)
                self._clients[ref.name] = self._by_login[key]
            return self._clients[ref.name]

    def credentials(self, ref: ImageRef) -> Credentials | None:
        """The credentials for a repository, looked for once per host and namespace."""
        own = self.logins.get(ref.registry)
        if own is None and self._finder is None:
            self._finder = CredentialFinder(self.environment, lambda text: self.emit(Warned("", text)))
        return own or (self._finder.find(ref) if self._finder else None)

    def login(self, ref: ImageRef) -> tuple[str, str, str] | None:
        """User, password and identity token for the registry of a reference, as an engine takes them."""
        found = self.credentials(ref)
        return (found.username, found.password, found.identity_token) if found else None

    def pulled_from(self, ref: ImageRef) -> ImageRef:
        """The reference as it is asked for: its own, or its mirror's."""
        host = self._mirrors.get(ref.registry, ref.registry)
        return ImageRef(host, ref.repository, ref.tag, ref.digest)

    def resolve(self, ref: ImageRef, platform: str, *, mirrored: bool = True) -> SourceImage:
        """The image of a reference for a platform: its manifest is read once per digest, then remembered.

        Raises: RemoteError when the registry does not give it, BuildError when it is for other platforms only.
        """
        asked = self.pulled_from(ref) if mirrored else ref
        client = self.client(asked)
        wanted = asked.digest or client.manifest_digest(asked.repository, asked.tag or "latest")
        if wanted is None:
            raise RemoteError(
                f"there is no {ref}",
                where=f"HEAD {asked.registry}/v2/{asked.repository}/manifests/{asked.tag or 'latest'}",
                hint="check its name and tag",
                status=404,
            )
        media_type, manifest, digest = self.manifest(asked, wanted)
        if media_type in INDEX_TYPES:
            digest = _for_platform(manifest, platform, str(ref))
            media_type, manifest, digest = self.manifest(asked, digest)
        if media_type not in MANIFEST_TYPES.values():
            raise BuildError(
                f"{ref} has a manifest of a type that can't be built on: {media_type or 'none'}", where=asked.registry
            )
        pinned = ImageRef(asked.registry, asked.repository, None, digest)
        try:
            config = self._config(pinned, manifest["config"]["digest"])
            _check_platform(json.loads(config), platform, str(ref))
            layers = _layers(config, manifest, pinned)
        except (KeyError, TypeError, ValueError, AttributeError):
            # A chart, a bill of materials or the like has a manifest of the same type.
            raise BuildError(f"{ref} is no container image", where=pinned.name, hint="check its name and tag") from None
        return SourceImage(pinned, config, layers, "docker" if "docker" in media_type else "oci")

    def blob(self, ref: ImageRef, digest: str) -> Iterator[bytes]:
        return self.client(ref).blob(ref.repository, digest)

    def manifest(self, ref: ImageRef, digest: str) -> tuple[str, Any, str]:
        """Media type, parsed manifest and digest of a manifest of a repository; read once, then remembered.

        Raises: RemoteError; ValueError where it is no JSON.
        """
        known = self.store.recall("manifests", digest.removeprefix("sha256:"))
        if known:
            return known["type"], known["manifest"], digest
        found = self.client(ref).manifest(ref.repository, digest)
        if found is None:
            raise RemoteError("the manifest is gone", where=f"GET {ref.name}@{digest}", status=404)
        data, media_type, _ = found
        return self.keep_manifest(digest, data, media_type)

    def keep_manifest(self, digest: str, data: bytes, media_type: str) -> tuple[str, Any, str]:
        """Remember a manifest that was read or written. Raises: ValueError where it is no JSON."""
        manifest = json.loads(data)
        media_type = manifest.get("mediaType") or media_type
        self.store.note("manifests", digest.removeprefix("sha256:"), {"type": media_type, "manifest": manifest})
        return media_type, manifest, digest

    def _config(self, ref: ImageRef, digest: str) -> bytes:
        if not self.store.has(digest):
            self.store.put_stream(self.blob(ref, digest), digest, f"{ref.name}@{digest}")
        return self.store.read(digest)


def _layers(config: bytes, manifest: Any, origin: ImageRef) -> tuple[Layer, ...]:
    diff_ids = json.loads(config)["rootfs"]["diff_ids"] or []
    return tuple(
        Layer(str(diff_id), str(row["digest"]), int(row["size"]), _compression(row["mediaType"]), origin)
        for diff_id, row in zip(diff_ids, manifest["layers"] or [], strict=True)
    )


def _mirrors(environment: Environment) -> dict[str, str]:
    """SHIPIT_MIRRORS, such as `docker.io=127.0.0.1:5000,ghcr.io=mirror.example`: host -> host to pull from."""
    pairs = (item.partition("=") for item in (environment.get("SHIPIT_MIRRORS") or "").split(","))
    return {host.strip(): mirror.strip() for host, _, mirror in pairs if mirror.strip()}


def _for_platform(index: Any, platform: str, name: str) -> str:
    offered = []
    for row in index.get("manifests", []):
        own = row.get("platform") or {}
        text = "/".join(filter(None, (own.get("os"), own.get("architecture"), own.get("variant"))))
        if own.get("os") in (None, "unknown"):
            continue
        offered.append(text)
        if (
            text == platform
            or text == f"{platform}/v8"
            or (text.startswith(f"{platform}/") and platform.count("/") == 1)
        ):
            return str(row["digest"])
    raise BuildError(
        f"{name} has no {platform}; it has {', '.join(offered) or 'no platform'}",
        hint="choose another base, or set build: platforms:",
    )


def _check_platform(config: Any, platform: str, name: str) -> None:
    own = f"{config.get('os', 'linux')}/{config.get('architecture', '')}"
    if config.get("architecture") and not platform.startswith(own):
        raise BuildError(
            f"{name} is for {own}, not for {platform}", hint="choose another base, or set build: platforms:"
        )


def _compression(media_type: str) -> Any:
    if media_type.endswith("zstd"):
        return "zstd"
    return "gzip" if media_type.endswith("gzip") else "none"

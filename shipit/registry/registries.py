"""The registries of a run: a client per host, credentials, mirrors; and images as bases of builds."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from functools import partial

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.digest import Digest
from shipit.errors import BuildError, RemoteError
from shipit.events import Emit, Warned
from shipit.http.timeouts import REQUEST_S
from shipit.http.transport import Transport
from shipit.image.config import ImageConfig, parse_config
from shipit.image.image import Layer, SourceImage
from shipit.image.manifest import (
    MAX_CONFIG_BYTES,
    MAX_MANIFEST_BYTES,
    Descriptor,
    Index,
    InvalidManifest,
    Manifest,
    parse_manifest,
)
from shipit.image.store.content_store import ContentStore
from shipit.platforms import normal_platform, parse_platform
from shipit.reference import ImageRef
from shipit.registry.client import RegistryClient
from shipit.registry.credentials import CredentialFinder, Credentials
from shipit.registry.wire import RegistryWire
from shipit.threads import Once


class Registries:
    """Clients by host, made on first use. `logins` are credentials of targets: host -> credentials.

    `insecure` are hosts that are used over plain HTTP.
    """

    def __init__(
        self,
        environment: ProcessEnvironment,
        clock: Clock,
        emit: Emit,
        store: ContentStore,
        logins: Mapping[str, Credentials] | None = None,
        request_s: float = REQUEST_S,
        insecure: Collection[str] = (),
    ) -> None:
        self.environment = environment
        self.clock = clock
        self.emit = emit
        self.store = store
        self.logins = dict(logins or {})
        self.http = Transport(environment, Deadline(clock), request_s)
        self._clients: Once[str, RegistryClient] = Once()
        self._by_login: dict[tuple[str, Credentials | None], RegistryClient] = {}
        self._finder: CredentialFinder | None = None
        self._insecure = frozenset(insecure)
        self._lock = threading.Lock()
        self._mirrors = _mirrors(environment)

    @property
    def deadline(self) -> Deadline:
        """The deadline of every request that begins now."""
        return self.http.deadline

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def client(self, ref: ImageRef) -> RegistryClient:
        """The client for a repository. Repositories of one host share one, unless their credentials differ."""
        waiting_for = f"credentials for {ref.name}"
        return self._clients.get(ref.name, partial(self._client, ref), self.deadline, waiting_for)

    def _client(self, ref: ImageRef) -> RegistryClient:
        found = self.credentials(ref)
        with self._lock:
            wire = RegistryWire(ref.registry, self.http, self.emit, found, is_insecure=ref.registry in self._insecure)
            return self._by_login.setdefault((ref.registry, found), RegistryClient(wire))

    def credentials(self, ref: ImageRef) -> Credentials | None:
        """The credentials for a repository, looked up once per host and namespace."""
        if own := self.logins.get(ref.registry):
            return own
        with self._lock:
            if self._finder is None:
                warn = partial(_warn, self.emit)
                self._finder = CredentialFinder(self.environment, warn, self.deadline)
            finder = self._finder
        return finder.find(ref)

    def login(self, ref: ImageRef) -> tuple[str, str, str] | None:
        """User, password and identity token for the registry of a reference, as an engine takes them."""
        found = self.credentials(ref)
        return (found.username, found.password, found.identity_token) if found else None

    def pulled_from(self, ref: ImageRef) -> ImageRef:
        """The reference to pull from: the same, or that of its mirror."""
        host = self._mirrors.get(ref.registry, ref.registry)
        return ImageRef(host, ref.repository, ref.tag, ref.digest)

    def resolve(self, ref: ImageRef, platform: str, *, mirrored: bool = True) -> SourceImage:
        """The image of a reference for a platform. A manifest is read once per digest.

        Raises: RemoteError when it can't be read, BuildError when it is for other platforms only.
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
        try:
            return self._image(asked, wanted, platform, str(ref))
        except InvalidManifest as error:
            # Helm charts, SBOMs and other artifacts have manifests of the same type.
            what = f"{ref} is not a container image: {error.what}"
            raise BuildError(what, where=asked.name, hint="check its name and tag") from None

    def _image(self, asked: ImageRef, digest: Digest, platform: str, name: str) -> SourceImage:
        """The image of a digest for a platform. Raises: InvalidManifest, BuildError, RemoteError."""
        manifest = self.manifest(asked, digest)
        if isinstance(manifest, Index):
            digest = _for_platform(manifest, platform, name)
            manifest = self.manifest(asked, digest)
        if isinstance(manifest, Index):
            raise InvalidManifest("its index refers to another index")
        pinned = ImageRef(asked.registry, asked.repository, None, digest)
        data = self.config(pinned, manifest.config)
        config = parse_config(data)
        _check_platform(config, platform, name)
        if len(config.diff_ids) != len(manifest.layers):
            raise InvalidManifest("its config and its manifest differ in the number of layers")
        layers = tuple(
            Layer(diff_id, row.digest, row.size_bytes, row.compression, pinned)
            for diff_id, row in zip(config.diff_ids, manifest.layers, strict=True)
        )
        return SourceImage(pinned, data, layers, manifest.form)

    def blob(self, ref: ImageRef, digest: Digest) -> Iterator[bytes]:
        return self.client(ref).blob(ref.repository, digest)

    def manifest(self, ref: ImageRef, digest: Digest) -> Manifest | Index:
        """A manifest of a repository. Raises: RemoteError; InvalidManifest."""
        return parse_manifest(self.manifest_bytes(ref, digest))

    def manifest_bytes(self, ref: ImageRef, digest: Digest) -> bytes:
        """The bytes of a manifest: stored after the first read, and verified on each use. Raises: RemoteError."""
        data = self.store.read(digest, MAX_MANIFEST_BYTES)
        if data is None:
            found = self.client(ref).manifest(ref.repository, digest)
            if found is None:
                raise RemoteError("the manifest does not exist any more", where=f"GET {ref.name}@{digest}", status=404)
            data = found[0]
            self.store.keep(digest, data)
        return data

    def config(self, ref: ImageRef, row: Descriptor) -> bytes:
        """The config of an image, stored after the first read. Raises: RemoteError, InvalidManifest."""
        if row.size_bytes > MAX_CONFIG_BYTES:
            raise InvalidManifest(f"its config should be at most {MAX_CONFIG_BYTES // 1024**2} MiB")
        data = self.store.read(row.digest, row.size_bytes)
        if data is None:
            where = f"{ref.name}@{row.digest}"
            self.store.put_stream(self.blob(ref, row.digest), row.digest, where, row.size_bytes)
            data = self.store.read(row.digest, row.size_bytes)
        if data is None or len(data) != row.size_bytes:
            raise InvalidManifest("its config has another size than its manifest says")
        return data


def _warn(emit: Emit, text: str) -> None:
    emit(Warned("", text))


def _mirrors(environment: ProcessEnvironment) -> dict[str, str]:
    """SHIPIT_MIRRORS, such as `docker.io=127.0.0.1:5000,ghcr.io=mirror.example`: host -> host to pull from."""
    pairs = (item.partition("=") for item in (environment.get("SHIPIT_MIRRORS") or "").split(","))
    return {host.strip(): mirror.strip() for host, _, mirror in pairs if mirror.strip()}


def _for_platform(index: Index, platform: str, name: str) -> Digest:
    """The best image of an index for a platform, as containerd chooses it. Raises: BuildError."""
    offered = {
        normal_platform(row.os, row.architecture, row.variant): row.digest
        for row in reversed(index.rows)
        if row.os not in ("", "unknown")
    }
    for runs in parse_platform(platform).runs:
        if runs in offered:
            return offered[runs]
    names = ", ".join(sorted(map(str, offered))) or "no platform"
    raise BuildError(f"{name} has no {platform}; it has {names}", hint=_OTHER_BASE)


def _check_platform(config: ImageConfig, platform: str, name: str) -> None:
    """Check that an image without an index is for the platform; configs seldom name a variant."""
    own = normal_platform(config.os, config.architecture)
    if config.architecture and own[:2] not in {runs[:2] for runs in parse_platform(platform).runs}:
        raise BuildError(f"{name} is for {own.os}/{own.architecture}, not for {platform}", hint=_OTHER_BASE)


_OTHER_BASE = "choose another base, or set build: platforms:"

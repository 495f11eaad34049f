"""One Docker engine over the SDK's transport: what it is, and the few requests that builds take.

Source: Docker Engine API 1.41 to 1.45: /version, /info, /images/create, /images/{name}/json, /images/{name}/get, /build.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from shipit.digest import Digest, parse_digest
from shipit.docker.address import EngineAddress, Tls
from shipit.docker.buildx import buildx_version, chosen_builder
from shipit.docker.json_rows import json_rows
from shipit.docker.tunnel import Tunnel
from shipit.errors import BuildError
from shipit.platforms import Platform, normal_platform, this_platform
from shipit.reference import ImageRef

_BLOCK = 1024 * 1024
_PIECE = 64 * 1024
_ANSWER_S = 10
# The first API version whose BuildKit takes a build over HTTP.
_BUILDKIT_SINCE = (1, 39)


class EngineImage(NamedTuple):
    """What an engine says of an image: its id, its platform, and the digests by which registries know it."""

    id: Digest
    platform: Platform
    pulled_as: tuple[Digest, ...] = ()


def _image(found: Any) -> EngineImage | None:
    match found:
        case {"Id": str(text)} if (identity := parse_digest(text)) is not None:
            parts = (found.get(key) for key in ("Os", "Architecture", "Variant"))
            platform = normal_platform(*(part if isinstance(part, str) else "" for part in parts))
            names = found.get("RepoDigests")
            named = [parse_digest(str(name).rpartition("@")[2]) for name in names] if isinstance(names, list) else []
            return EngineImage(identity, platform, tuple(digest for digest in named if digest))
    return None


class Engine:
    """One engine. Nothing is connected before it is asked whether it answers."""

    def __init__(self, address: EngineAddress, variables: Mapping[str, str]) -> None:
        self.address = address
        self.variables = dict(variables)
        self.silence = ""
        self._api: Any = None
        self._version: Mapping[str, Any] = {}
        self._tunnel: Tunnel | None = None
        self._buildx: str | None = None
        self._chosen: str | None = None

    def answers(self) -> bool:
        """Whether an engine answers at the address; `silence` says why not."""
        if self._api is None:
            self._api = self._connected()
        return self._api is not None

    def _connected(self) -> Any:
        host, self.silence = self.address.host, self.address.problem
        if self.silence:
            return None
        if not host.startswith(("unix://", "tcp://", "http://", "https://", "ssh://")):
            self.silence = "it is no unix://, tcp:// or ssh:// address"
            return None
        if not self._socket_accepts(host):
            return None
        import docker
        import requests

        try:
            if host.startswith("ssh://"):
                self._tunnel = Tunnel(host, self.variables)
                host = self._tunnel.address
            tls: Any = _tls_config(self.address.tls) if self.address.tls else False
            api: Any = docker.APIClient(base_url=host, version="1.30", timeout=_ANSWER_S, tls=tls)
            api.trust_env = False
            self._version = api.version(api_version=False)
            api._version = str(self._version["ApiVersion"])
            api.timeout = None
        except (docker.errors.DockerException, requests.RequestException, OSError, ValueError, KeyError) as error:
            said = self._tunnel.said if self._tunnel else ""
            self.silence = said or _root(error)
            return None
        return api

    def _socket_accepts(self, host: str) -> bool:
        """Whether a unix socket takes connections, so that the SDK is not imported for nothing."""
        if not host.startswith("unix://"):
            return True
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            try:
                probe.connect(host.removeprefix("unix://"))
            except OSError as error:
                self.silence = (error.strerror or str(error)).lower()
                return False
        return True

    @property
    def title(self) -> str:
        """What it is, for people and as a key: product and version."""
        parts = self._version.get("Components") or [{}]
        return f"{parts[0].get('Name', 'Engine')} {self._version.get('Version', '')}".strip()

    @property
    def has_buildkit(self) -> bool:
        """Whether POST /build?version=2 can be hoped for."""
        number = tuple(int(part) for part in str(self._version.get("ApiVersion", "0")).split(".") if part.isdigit())
        return number >= _BUILDKIT_SINCE and "podman" not in self.title.lower()

    @property
    def buildx(self) -> str | None:
        """The version of the installed `docker buildx`, or None. Asked once."""
        if self._buildx is None:
            self._buildx = buildx_version(self.variables)
        return self._buildx or None

    @property
    def chosen_builder(self) -> str:
        """The builder of `docker buildx` that its user has chosen beside the engine itself, or nothing. Asked once."""
        if self._chosen is None:
            self._chosen = chosen_builder(self.variables) if self.buildx else ""
        return self._chosen

    @property
    def platform(self) -> str:
        """What it runs on."""
        try:
            return str(normal_platform(str(self._version["Os"]), str(self._version["Arch"])))
        except KeyError:
            return this_platform()

    def build(self, parameters: Mapping[str, str], body: IO[bytes], where: str) -> Iterator[Mapping[str, Any]]:
        """The rows of JSON that POST /build answers with.

        Raises: BuildError when it refuses or breaks off; what stands in a row is the caller's to judge.
        """
        with self._mapped():
            answer = self._api._post(
                self._api._url("/build"),
                params=dict(parameters),
                data=body,
                headers={"Content-Type": "application/x-tar"},
                stream=True,
            )
            if answer.status_code != 200:
                raise BuildError(f"the engine refused to build: {_message(answer)}", where=where)
            yield from json_rows(answer.iter_content(_PIECE))

    def inspect(self, name: str) -> EngineImage | None:
        """What it knows of an image, or None when it has none of that name, or what it says of it is no image."""
        import docker

        with self._mapped():
            try:
                found = self._api.inspect_image(name)
            except docker.errors.ImageNotFound:
                return None
        return _image(found)

    def pull(self, ref: ImageRef, platform: str, login: tuple[str, str, str] | None) -> None:
        """Let it pull an image. `login` is user, password and identity token.

        Raises: BuildError with what it says.
        """
        headers = {"X-Registry-Auth": _auth_header(ref.registry, login)} if login else {}
        parameters = {"fromImage": ref.name, "tag": ref.digest or ref.tag or "latest", "platform": platform}
        with self._mapped():
            answer = self._api._post(self._api._url("/images/create"), params=parameters, headers=headers, stream=True)
            if answer.status_code != 200:
                raise BuildError(f"the engine can't pull {ref}: {_message(answer)}")
            for row in json_rows(answer.iter_content(_PIECE)):
                if error := row.get("error"):
                    raise BuildError(f"the engine can't pull {ref}: {error}")

    def tag(self, name: str, repository: str, tag: str) -> None:
        with self._mapped():
            self._api.tag(name, repository, tag, force=True)

    def save(self, name: str) -> Iterator[bytes]:
        """An image as `docker save` writes it, in pieces."""
        with self._mapped():
            yield from self._api.get_image(name, chunk_size=_BLOCK)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        import docker
        import requests
        import urllib3

        try:
            yield
        except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise BuildError(
                f"the engine broke off: {_root(error)}",
                where=str(self.address),
                hint="is the engine still running?",
                retryable=True,
            ) from None


def _tls_config(tls: Tls) -> Any:
    import docker

    pair = (tls.certificate, tls.key) if tls.certificate and tls.key else None
    return docker.tls.TLSConfig(client_cert=pair, ca_cert=tls.ca or None, verify=tls.verify)


def _auth_header(host: str, login: tuple[str, str, str]) -> str:
    username, password, identity_token = login
    value = (
        {"identitytoken": identity_token, "serveraddress": host}
        if identity_token
        else {"username": username, "password": password, "serveraddress": host}
    )
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _message(answer: Any) -> str:
    try:
        return str(answer.json().get("message", "")).strip()
    except (ValueError, AttributeError, RecursionError):
        return f"status {answer.status_code}"


def _root(error: BaseException) -> str:
    """What the operating system, TLS or the engine said at the bottom of a chain of library errors."""
    seen = error
    while (nested := seen.__cause__ or seen.__context__) is not None:
        seen = nested
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror.lower()
    return str(seen) or type(seen).__name__

"""One Docker engine: its version, and the requests that builds need.

Source: Docker Engine API 1.41 to 1.45: /version, /images/create, /images/{name}/json, /images/{name}/get, /build.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

from shipit.clock import Deadline
from shipit.docker.address import EngineAddress
from shipit.docker.answer import (
    LARGEST_ANSWER,
    bounded_chunks,
    chunks_until,
    limit_until,
    message_of,
    root_cause,
    whole_answer,
)
from shipit.docker.buildx import buildx_version, chosen_builder
from shipit.docker.engine_image import EngineImage, parse_image
from shipit.docker.json_rows import json_rows
from shipit.docker.tunnel import Tunnel
from shipit.docker.version import EngineVersion, parse_version
from shipit.errors import BuildError, RemoteError
from shipit.json_text import parse_json
from shipit.platforms import this_platform
from shipit.reference import ImageRef

if TYPE_CHECKING:
    from shipit.docker.dial import ByteStream
    from shipit.docker.tls_bytes import TlsBytes
    from shipit.docker.transport import EngineAnswer, Transport

_BLOCK = 1024 * 1024
_CONNECT_TIMEOUT_S = 10.0
# Seconds without an answer to a question about an image. A build, a pull and an export may be silent for long: an engine may write
# a whole image to its disk before it sends it.
_ANSWER_S, SILENT_S = 60.0, 3600.0
_LONGEST_OUTPUT = 1024 * 1024 * 1024
# Where an engine keeps images: in its own store (graph drivers), in containerd's, or in that of Podman or another product.
StoreKind = Literal["classic", "containerd", "other"]


class WholeAnswer(NamedTuple):
    """An answer of the engine. `content` is bounded."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Engine:
    """A client of one engine. It connects when `is_reachable` is called, which has to be first.

    `unreachable_reason` is set when that returned False, and `is_denied` when this user may not open its socket.
    """

    def __init__(self, address: EngineAddress, variables: Mapping[str, str]) -> None:
        self.address = address
        self.variables = dict(variables)
        self.unreachable_reason = ""
        self.is_denied = False
        # Known from the first question for it.
        self.store_kind: StoreKind | None = None
        self._api: Transport | None = None
        self._version = EngineVersion()
        self._tunnel: Tunnel | None = None
        # The address that is connected to: that of the tunnel for an engine behind ssh.
        self._reached = ""
        self._buildx: str | None = None
        self._chosen: str | None = None

    def is_reachable(self) -> bool:
        """Connect; True when an engine answers at the address. Raises: BuildError for an invalid ssh:// address."""
        if self._api is None:
            self._api = self._connect()
        return self._api is not None

    def close(self) -> None:
        """Close its connections and its tunnel. It can't be used afterwards."""
        if self._api is not None:
            self._api.close()
        if self._tunnel is not None:
            self._tunnel.close()

    def _connect(self) -> Transport | None:
        host, self.unreachable_reason = self.address.host, self.address.problem
        if self.unreachable_reason:
            return None
        if not host.startswith(("unix://", "tcp://", "http://", "https://", "ssh://")):
            self.unreachable_reason = "it should be a unix://, tcp:// or ssh:// address"
            return None
        if not self._socket_accepts(host):
            return None
        from shipit.docker.transport import Transport

        try:
            if host.startswith("ssh://"):
                self._tunnel = Tunnel(host, self.variables)
                host = self._tunnel.address
            self._reached = host
            api = Transport(host, self.address.tls, str(self.address))
            self._version, self.unreachable_reason = _asked_version(api)
        except (OSError, ValueError) as error:
            self.unreachable_reason = root_cause(error)
        if self.unreachable_reason:
            self.unreachable_reason = (self._tunnel.last_error if self._tunnel else "") or self.unreachable_reason
            return None
        return api

    def _socket_accepts(self, host: str) -> bool:
        """True when a unix socket accepts connections; checked first because importing what sends requests is slow."""
        if not host.startswith("unix://"):
            return True
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            try:
                probe.connect(host.removeprefix("unix://"))
            except BlockingIOError:
                # Its queue is full, which the first request waits for.
                return True
            except (OSError, ValueError) as error:
                self.is_denied = isinstance(error, PermissionError)
                self.unreachable_reason = root_cause(error).lower()
                return False
        return True

    @property
    def title(self) -> str:
        """Product and version, such as `Engine 20.10.24`; shown to people and used as a cache key."""
        return self._version.title

    @property
    def is_podman(self) -> bool:
        """True for Podman, which serves the API of Docker without swarms."""
        return self._version.is_podman

    def has_api(self, major: int, minor: int) -> bool:
        """True when the engine's API has this version or a newer one."""
        return self._version.has_api(major, minor)

    @property
    def has_buildkit(self) -> bool:
        """True when POST /build?version=2 should work, by product and API version."""
        return self._version.has_buildkit

    @property
    def buildx(self) -> str | None:
        """The version of the installed `docker buildx`, or None. Looked up once."""
        if self._buildx is None:
            self._buildx = buildx_version(self.variables)
        return self._buildx or None

    @property
    def chosen_builder(self) -> str:
        """The builder that the user selected with `docker buildx use`; empty for the engine itself. Looked up once."""
        if self._chosen is None:
            self._chosen = chosen_builder(self.variables) if self.buildx else ""
        return self._chosen

    @property
    def platform(self) -> str:
        """The platform that the engine runs on, such as `linux/amd64`."""
        return self._version.platform or this_platform()

    def build(
        self,
        parameters: Mapping[str, str],
        body: IO[bytes],
        where: str,
        silent_s: float = SILENT_S,
        most_bytes: int = _LONGEST_OUTPUT,
    ) -> Iterator[Mapping[str, Any]]:
        """The JSON rows of the answer to POST /build; errors inside of a row are left to the caller.

        Raises: BuildError when the engine refuses the request, the connection is lost, the engine sends nothing for `silent_s`, or
        more than `most_bytes`.
        """
        more = {"params": dict(parameters), "data": body, "headers": {"Content-Type": "application/x-tar"}}
        with self.streamed("POST", "/build", silent_s, **more) as answer:
            if answer.status_code != 200:
                raise BuildError(f"the engine refused to build: {message_of(answer)}", where=where)
            yield from json_rows(bounded_chunks(answer, most_bytes))

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> WholeAnswer:
        """The whole answer to a request, of any status. `body` is sent as JSON, bytes as they are. `timeout_s` is that of `streamed`.

        Raises: RemoteError when the connection is lost, or the answer is longer than 64 MiB or not over in time.
        """
        try:
            content_key = "data" if isinstance(body, bytes) else "json"
            more = {"params": dict(query or {}), content_key: body, "headers": dict(headers or {})}
            with self.streamed(method, path, timeout_s, **more) as answer:
                content = whole_answer(answer, LARGEST_ANSWER, timeout_s)
                return WholeAnswer(answer.status_code, answer.headers, content)
        except BuildError as error:
            where = f"{method} {path} of {self.address.host}"
            raise RemoteError(error.what, where=where, hint=error.hint, retryable=error.retryable) from None

    def upgraded(self, path: str, query: Mapping[str, str], body: Any, timeout_s: float) -> ByteStream:
        """A connection that POST has turned into a stream. `timeout_s` is for each step until then.

        Raises: RemoteError, with the engine's status and message.
        """
        from shipit.docker.upgrade import upgrade

        where = f"POST {path} of {self.address.host}"
        return upgrade(self._dialled(where, timeout_s), f"/v{self._version.api}{path}", query, body, where)

    def download(self, path: str, query: Mapping[str, str], timeout_s: float) -> ByteStream:
        """The body of the answer to GET, as it comes. `timeout_s` is for each step until it begins. Raises: as `upgraded`."""
        from shipit.docker.upgrade import download

        where = f"GET {path} of {self.address.host}"
        return download(self._dialled(where, timeout_s), f"/v{self._version.api}{path}", query, where)

    def _dialled(self, where: str, timeout_s: float) -> socket.socket | TlsBytes:
        from shipit.docker.dial import dial

        try:
            return dial(self._reached, self.address.tls, timeout_s)
        except OSError as error:
            what = f"lost the connection to the engine: {root_cause(error)}"
            raise RemoteError(what, where=where, retryable=True) from None

    def inspect(self, name: str) -> EngineImage | None:
        """The engine's image of that name; None when it has none, or when its answer is invalid. Raises: BuildError."""
        with self.streamed("GET", f"/images/{name}/json", _ANSWER_S) as answer:
            if answer.status_code == 404:
                return None
            self._check(answer, 200)
            content = whole_answer(answer, LARGEST_ANSWER)
        try:
            return parse_image(parse_json(content))
        except ValueError:
            return None

    def pull(
        self,
        ref: ImageRef,
        platform: str,
        login: tuple[str, str, str] | None,
        deadline: Deadline | None = None,
        silent_s: float = SILENT_S,
    ) -> None:
        """Make the engine pull an image. `login` is user, password and identity token; None means anonymous.

        Raises: BuildError with the engine's message, and when it sends nothing for `silent_s`; DeadlinePassed and Interrupted
        where there is a deadline.
        """
        headers = {"X-Registry-Auth": auth_header(ref.registry, login)} if login else {}
        parameters = {"fromImage": ref.name, "tag": ref.digest or ref.tag or "latest", "platform": platform}
        limit_s = limit_until(deadline, silent_s) if deadline else silent_s
        waiting_for = f"the engine to pull {ref}"
        try:
            with self.streamed("POST", "/images/create", limit_s, params=parameters, headers=headers) as answer:
                if answer.status_code != 200:
                    raise BuildError(f"the engine can't pull {ref}: {message_of(answer)}")
                chunks = bounded_chunks(answer, _LONGEST_OUTPUT)
                for row in json_rows(
                    chunks_until(deadline, chunks, answer, silent_s, waiting_for) if deadline else chunks
                ):
                    if error := row.get("error"):
                        raise BuildError(f"the engine can't pull {ref}: {error}")
        except BuildError:
            # A read that timed out may have done so for the deadline.
            if deadline:
                deadline.check(waiting_for)
            raise

    def tag(self, name: str, repository: str, tag: str) -> None:
        """Give an image another name. Raises: BuildError."""
        names = {"repo": repository, "tag": tag}
        with self.streamed("POST", f"/images/{name}/tag", _ANSWER_S, params=names) as answer:
            self._check(answer, 201)

    def _check(self, answer: Any, status: int) -> None:
        """Raises: BuildError for an answer with another status."""
        if answer.status_code != status:
            what = f"the engine answered with status {answer.status_code}: {message_of(answer)}"
            raise BuildError(what, where=str(self.address))

    @contextmanager
    def streamed(self, method: str, path: str, timeout_s: float | None, **more: Any) -> Iterator[EngineAnswer]:
        """Send a request, and give its streamed answer, of any status. `more` is that of EngineRequest: params, json, data, headers.

        `timeout_s` is for each read and write, not for the whole; None for no limit. Characters of `path` that a URL can't
        have are escaped. Raises: BuildError when the connection is lost.
        """
        from shipit.docker.transport import EngineRequest

        assert self._api is not None, "is_reachable has to be called first"
        with self._api.send(EngineRequest(method, f"/v{self._version.api}{path}", timeout_s, **more)) as answer:
            yield answer

    def save(self, name: str, silent_s: float = SILENT_S) -> Iterator[bytes]:
        """The bytes of an image as `docker save` writes it, in chunks, as many as the engine sends.

        Raises: BuildError, also when it sends nothing for `silent_s`.
        """
        with self.streamed("GET", f"/images/{name}/get", silent_s) as answer:
            self._check(answer, 200)
            yield from answer.iter_content(_BLOCK)


def _asked_version(api: Transport) -> tuple[EngineVersion, str]:
    """The version of an engine, and the reason why it can't be used, empty when it can. Raises: ValueError."""
    from shipit.docker.transport import EngineRequest

    try:
        with api.send(EngineRequest("GET", "/version", _CONNECT_TIMEOUT_S)) as answer:
            content = whole_answer(answer, LARGEST_ANSWER, _CONNECT_TIMEOUT_S)
        if answer.status_code != 200:
            return EngineVersion(), f"it answered with status {answer.status_code}"
        return parse_version(parse_json(content), "GET /version"), ""
    except RemoteError as error:
        return EngineVersion(), error.what
    except BuildError as error:
        # The error of the connection says more than the loss of it.
        return EngineVersion(), root_cause(error.__context__ or error)


def auth_header(host: str, login: tuple[str, str, str]) -> str:
    """The value of X-Registry-Auth. `login` is user, password and identity token."""
    username, password, identity_token = login
    value = (
        {"identitytoken": identity_token, "serveraddress": host}
        if identity_token
        else {"username": username, "password": password, "serveraddress": host}
    )
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()

"""Connections to ports of pods through the API server.

Source: Kubernetes, Pod `portforward` subresource over a WebSocket: channel 0 has data and channel 1 errors, each after
two bytes with the number of the port (kubelet, `portforward/websocket.go`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import quote

from shipit.errors import RemoteError
from shipit.http.websocket import WebSocket
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.running import Candidate, find_running
from shipit.targets.kubernetes.service_ports import ServicePorts, parse_service_ports, pod_port

PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_PIECE, _LARGEST_ERROR = 32 * 1024, 64 * 1024
# How long a pod is used without another look at which run: for the connections that a browser opens at once.
_KNOWN_S = 0.5


class PodPorts:
    """The ports of a workload's pods: the best pod, and another one when it is gone. Safe to use from several threads."""

    def __init__(self, client: KubernetesClient, manifest: Manifest, namespace: str) -> None:
        self._client = client
        self._manifest = manifest
        self._place = manifest["metadata"].get("namespace") or namespace
        self._services: list[ServicePorts] = client.listed(
            "api/v1", "services", self._place, lambda part: parse_service_ports(part)
        )
        self._lock = threading.Lock()
        self._chosen: tuple[float, Candidate] | None = None

    def check(self, port: int) -> None:
        """That a pod runs, and has the port of its Service. Raises: RemoteError."""
        self._port(self._pod(is_new=True), port)

    def open(self, port: int) -> PodConnection:
        """A connection to a port. Raises: RemoteError."""
        try:
            return self._opened(self._pod(), port)
        except RemoteError as error:
            if error.status == 403:
                raise
        return self._opened(self._pod(is_new=True), port)

    def _pod(self, *, is_new: bool = False) -> Candidate:
        with self._lock:
            now_s = self._client.deadline.clock.now()
            if is_new or self._chosen is None or now_s - self._chosen[0] > _KNOWN_S:
                self._chosen = now_s, find_running(self._client, self._manifest, self._place)[0]
            return self._chosen[1]

    def _port(self, found: Candidate, port: int) -> int:
        return pod_port(self._services, found, port)

    def _opened(self, found: Candidate, port: int) -> PodConnection:
        name, number = found.pod.meta.name, self._port(found, port)
        path = f"/api/v1/namespaces/{quote(self._place, safe='')}/pods/{quote(name, safe='')}/portforward"
        query = [("ports", str(number))]
        socket = self._client.server.websocket(path, query, (PROTOCOL,), self._client.deadline)
        return PodConnection(socket, f"{name}:{number}")


class PodConnection:
    """One connection to a port of a pod. For one thread: no method waits, `fileno` is for select."""

    def __init__(self, socket: WebSocket, where: str) -> None:
        self.where = where
        self._socket = socket
        self._channel = -1
        # The bytes of each channel that say which port it is for.
        self._heads = {_DATA: 2, _ERROR: 2}
        self._error = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def is_over(self) -> bool:
        return self._socket.is_over

    @property
    def has_more(self) -> bool:
        return self._socket.has_more

    @property
    def has_unsent(self) -> bool:
        return self._socket.has_unsent

    @property
    def is_full(self) -> bool:
        return self._socket.is_full

    def receive(self) -> Iterator[bytes]:
        """What has arrived. Raises: RemoteError, also with what the kubelet says of the port."""
        for data, is_first in self._socket.receive():
            if is_first:
                self._channel, data = (data[0], data[1:]) if data else (-1, b"")
            left = self._heads.get(self._channel, 0)
            self._heads[self._channel] = max(0, left - len(data))
            data = data[left:]
            if self._channel == _DATA:
                if data:
                    yield data
            elif self._channel == _ERROR:
                self._error += data[:_LARGEST_ERROR]
            elif data:
                raise RemoteError(f"the server sent data on channel {self._channel}", where=self._socket.where)
        if self._error:
            what = self._error[:_LARGEST_ERROR].decode("utf-8", "replace").strip()
            raise RemoteError(f"{self.where}: {what}", hint="check that the app listens on this port")

    def flush(self) -> None:
        self._socket.keep_alive()
        self._socket.flush()

    def give(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            self._socket.send(bytes([_DATA]) + data[start : start + _PIECE])

    def close(self) -> None:
        self._socket.close()

"""Two engines in network namespaces of their own as the nodes of one swarm: a manager and a worker."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.waits import wait_until

_CLONE_NEWNET = 0x40000000


class SwarmNodes:
    """`manager` and `worker`, whose host names are manager1 and worker1."""

    def __init__(self, manager: DockerEngine, worker: DockerEngine) -> None:
        self.manager, self.worker = manager, worker


@contextmanager
def swarm_nodes(folder: Path, registry: str) -> Iterator[SwarmNodes]:
    """`registry` is HOST:PORT of one on this machine's loopback, which both nodes reach at the same address."""
    number = os.getpid()
    net = f"10.{100 + number % 90}.{number // 90 % 250}"
    with ExitStack() as stack:
        bridge = f"sdw{number % 1_000_000}"
        stack.callback(_ip, "link", "delete", bridge, check=False)
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        engines = []
        for index, name in ((2, "manager1"), (3, "worker1")):
            space = _namespace(stack, f"sd-{name}-{number}", f"{net}.{index}/24", bridge, index)
            _forward(stack, space, registry)
            within = (find("nsenter"), f"--net={space}", find("unshare"), "--uts", find("sh"), "-c")
            line = f'{find("hostname")} {name}; exec "$0" "$@"'
            engine = DockerEngine(folder / name, within=(*within, line))
            stack.callback(engine.stop)
            engines.append(engine)
        manager, worker = engines
        manager.docker("swarm", "init", "--advertise-addr", f"{net}.2")
        token = manager.docker("swarm", "join-token", "--quiet", "worker")
        worker.docker("swarm", "join", "--token", token, "--advertise-addr", f"{net}.3", f"{net}.2:2377")
        names = "{{.Hostname}} {{.Status}}"
        wait_until(
            "both nodes are ready",
            lambda: sorted(manager.docker("node", "ls", "--format", names).splitlines()),
            ["manager1 Ready", "worker1 Ready"].__eq__,
        )
        yield SwarmNodes(manager, worker)


def _namespace(stack: ExitStack, name: str, address: str, bridge: str, index: int) -> str:
    """A network namespace with an address on the bridge; the file that stands for it."""
    stack.callback(_ip, "netns", "delete", name, check=False)
    _ip("netns", "add", name)
    inner, outer = f"sdv{index}i{os.getpid() % 100_000}", f"sdv{index}o{os.getpid() % 100_000}"
    _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
    _ip("link", "set", outer, "master", bridge, "up")
    for words in (["link", "set", "lo", "up"], ["address", "add", address, "dev", inner], ["link", "set", inner, "up"]):
        _ip("-n", name, *words)
    return f"/run/netns/{name}"


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run([find("ip"), *words], check=check, capture_output=True)


def _forward(stack: ExitStack, space: str, registry: str) -> None:
    """Make an address of this machine's loopback reachable at the same address within a namespace."""
    host, _, port = registry.rpartition(":")
    found: list[socket.socket] = []

    def listen() -> None:
        # Only this thread changes its namespace; the socket stays in it.
        file = os.open(space, os.O_RDONLY)
        try:
            assert ctypes.CDLL(None, use_errno=True).setns(file, _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        finally:
            os.close(file)
        found.append(socket.create_server((host, int(port))))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    [server] = found
    stack.callback(server.close)
    threading.Thread(target=_accept, args=(server, host, int(port)), daemon=True).start()


def _accept(server: socket.socket, host: str, port: int) -> None:
    while True:
        try:
            client, _ = server.accept()
            other = socket.create_connection((host, port))
        except OSError:
            return
        for source, sink in ((client, other), (other, client)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

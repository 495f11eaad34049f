"""Two engines in network namespaces of their own as the nodes of one swarm: a manager and a worker."""

from __future__ import annotations

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
from tests.servers.relay import relay
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
        spaces = {name: f"sd-{name}-{number}" for name in ("manager1", "worker1")}
        for space in spaces.values():
            stack.callback(_ip, "netns", "delete", space, check=False)
            _ip("netns", "add", space)
        first, second = spaces.values()
        # One cable between them: the firewall of this machine's engines stands in the way of a bridge.
        _ip("-n", first, "link", "add", "node0", "type", "veth", "peer", "name", "node0", "netns", second)
        for index, space in enumerate(spaces.values(), 2):
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "address", "add", f"{net}.{index}/24", "dev", "node0")
            _ip("-n", space, "link", "set", "node0", "up")
            # Swarm and its overlay networks look for a default route.
            _ip("-n", space, "route", "add", "default", "via", f"{net}.{5 - index}")
            _forward(stack, f"/run/netns/{space}", registry)
        manager, worker = (_engine(stack, folder / name, name, space) for name, space in spaces.items())
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


def _engine(stack: ExitStack, folder: Path, name: str, space: str) -> DockerEngine:
    """An engine in a network namespace, with a host name of its own."""
    within = (find("nsenter"), f"--net=/run/netns/{space}", find("unshare"), "--uts", find("sh"), "-c")
    engine = DockerEngine(folder, within=(*within, f'{find("hostname")} {name}; exec "$0" "$@"'))
    stack.callback(engine.stop)
    return engine


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
    accepting = threading.Thread(target=_accept, args=(server, host, int(port)), daemon=True)
    accepting.start()
    stack.callback(server.close)
    stack.callback(accepting.join)
    # Closing a socket alone does not end a call of accept.
    stack.callback(server.shutdown, socket.SHUT_RDWR)


def _accept(server: socket.socket, host: str, port: int) -> None:
    while True:
        try:
            client, _ = server.accept()
            other = socket.create_connection((host, port))
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, other), daemon=True).start()


def _serve(client: socket.socket, other: socket.socket) -> None:
    with client, other:
        relay(client, other, None)

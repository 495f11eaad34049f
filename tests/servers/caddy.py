"""Caddy as a program, and beside it what an engine says of it when it runs in a container."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from shipit.rehearsal.dyno import free_port
from shipit.targets.docker.proxy.labels import ADDRESS, IMAGE, NAME, PORTS, PROXY, render_ports
from shipit.targets.docker.proxy.route import FOLDER, Ports
from tests.docker.answering_engine import VERSION
from tests.servers.install import caddy
from tests.servers.process import Background, accepts


class Caddy:
    """`host` is the socket of an engine whose only container is the proxy: `exec` there connects to Caddy's admin API.

    `commands` are those that were run in it. With `lacks_nc` the container has neither nc nor sh. Its folder for the
    addresses of routes is one of this machine, whose path is as long.
    """

    def __init__(self, folder: Path) -> None:
        self.ports = Ports(free_port(), free_port())
        self.admin_port = free_port()
        self.lacks_nc = False
        self.state = "running"
        # What `caddy version` prints in it.
        self.version = "v2.11.9 h1:bhZtcRKQ"
        self.commands: dict[str, list[str]] = {}
        self._files = tempfile.TemporaryDirectory(prefix="c", dir="/tmp")
        assert len(self._files.name) == len(FOLDER)
        self._folder = tempfile.TemporaryDirectory(prefix="caddy-", dir="/tmp")
        # The name of the engine, and the output of nc for any other address than the admin API's.
        self.product, self.nc_says = "Engine", ""
        # The outputs of nc before that.
        self.nc_says_first: list[str] = []
        for name, variable in (("caddy", "CADDY_VERSION"), ("nc", "NC_SAYS")):
            program = Path(self._folder.name) / name
            program.write_text(f'#!/bin/sh\necho "${variable}"\n')
            program.chmod(0o755)
        variables = {
            "CADDY_ADMIN": f"127.0.0.1:{self.admin_port}",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
        }
        self._process = Background("caddy", [caddy(), "run", "--resume"], folder, variables)
        self._process.wait_until(lambda: accepts(self.admin_port), 120)
        self._engine = _Engine(self, str(Path(self._folder.name) / "s"))
        self.host = f"unix://{self._folder.name}/s"
        self._thread = threading.Thread(target=self._engine.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._engine.shutdown()
        self._thread.join()
        self._engine.server_close()
        self._process.stop()
        self._folder.cleanup()
        self._files.cleanup()

    @property
    def row(self) -> dict[str, Any]:
        labels = {PROXY: "1", IMAGE: "caddy:2", PORTS: render_ports(self.ports)}
        networks: dict[str, Any] = {"Networks": {NAME: {}, "shop-production": {}}}
        return {
            "Id": "c" * 64,
            "Names": [f"/{NAME}"],
            "State": self.state,
            "Labels": labels,
            "NetworkSettings": networks,
        }

    def exchange(self, client: socket.socket, command: list[str]) -> None:
        """What `nc 127.0.0.1 2019` would pass on, or a script prints, in the frames of the engine."""
        if self.lacks_nc:
            if command[0] == "nc":
                client.recv(65536)
            text = f'exec: "{command[0]}": executable file not found in $PATH\r\n'
            client.sendall(_frame(text.encode()))
            return
        if command[0] == "sh":
            own = [word.replace(FOLDER, self._files.name) for word in command]
            says = self.nc_says_first.pop(0) if self.nc_says_first else self.nc_says
            path = f"{self._folder.name}:{os.environ['PATH']}"
            variables = {"PATH": path, "CADDY_VERSION": self.version, "NC_SAYS": says}
            done = subprocess.run(
                own, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            client.sendall(_frame(done.stdout))
            return
        with socket.create_connection(("127.0.0.1", self.admin_port), timeout=60) as admin:
            asking = threading.Thread(target=self._ask, args=(client, admin))
            asking.start()
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while data := admin.recv(65536):
                    answer += data
            with contextlib.suppress(OSError):
                client.sendall(_frame(answer.replace(self._files.name.encode(), FOLDER.encode())))
                client.shutdown(socket.SHUT_RDWR)
            asking.join()

    def _ask(self, client: socket.socket, admin: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                # Caddy refuses another name than that which it listens on.
                own = f"Host: 127.0.0.1:{self.admin_port}".encode()
                data = data.replace(FOLDER.encode(), self._files.name.encode())
                admin.sendall(data.replace(f"Host: {ADDRESS}".encode(), own))


def _frame(data: bytes) -> bytes:
    return b"\1\0\0\0" + len(data).to_bytes(4, "big") + data


class _Engine(socketserver.ThreadingUnixStreamServer):
    daemon_threads = False

    def __init__(self, caddy: Caddy, path: str) -> None:
        self.caddy = caddy
        super().__init__(path, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Engine

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        found: Any = (
            {**VERSION, "Components": [{"Name": self.server.caddy.product}]}
            if path.endswith("/version")
            else [self.server.caddy.row]
            if "/containers/json" in path
            else None
        )
        self._answer(200 if found else 404, found or {"message": "no such route"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path.endswith("/exec"):
            name = os.urandom(4).hex()
            self.server.caddy.commands[name] = body["Cmd"]
            self._answer(201, {"Id": name})
            return
        self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        self.close_connection = True
        name = self.path.partition("/exec/")[2].partition("/")[0]
        self.server.caddy.exchange(self.connection, self.server.caddy.commands[name])

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass

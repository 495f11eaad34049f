"""An engine's image store on a unix socket, as moby's two stores behave, with faults that a test asks for.

Unknown routes get status 404 with another message than an engine's. Source: the real engines, which
tests/e2e/test_engine_load.py runs the same loads on.
"""

from __future__ import annotations

import io
import json
import socket
import socketserver
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from shipit.digest import Digest

Fault = Literal["", "cut", "cut-answer", "error", "endless", "refused", "silent", "forgets", "renamed"]
CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]


class StandInEngine(socketserver.ThreadingUnixStreamServer):
    """`images`: id -> config. `names`: name -> id. `blobs` are compressed layers, `chains` the layers that are unpacked.

    `fault` says how the next loads fail, after as many as are `spared`; `loads` are the names of the blobs of each archive that was read whole.
    """

    daemon_threads = True

    def __init__(self, path: Path, *, containerd: bool = False, platform: str = "linux/amd64", name: str = "Engine"):
        self.containerd, self.platform, self.product = containerd, platform, name
        self.images: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        self.blobs: set[str] = set()
        self.chains: set[tuple[str, ...]] = set()
        self.loads: list[set[str]] = []
        self.requests: list[str] = []
        self.fault: Fault = ""
        self.spared = 0
        self.message = "no space left on device"
        self.is_over, self.is_answering = threading.Event(), threading.Event()
        super().__init__(str(path), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, unless the client went away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    @property
    def host(self) -> str:
        return f"unix://{self.server_address!s}"

    def load(self, archive: bytes) -> str:
        """Store what an archive holds. Returns the error; empty for none."""
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            files = {info.name: getattr(tar.extractfile(info), "read", bytes)() for info in tar}
        layers = {name for name in files if name.startswith("blobs/")}
        self.loads.append(layers)
        [row] = json.loads(files["manifest.json"])
        config = json.loads(files[row["Config"]])
        [entry] = json.loads(files["index.json"])["manifests"][:1]
        identity = entry["digest"] if self.containerd else str(Digest.of(files[row["Config"]]))
        if self.containerd:
            self.images[identity] = config
            self.blobs |= layers
        chain: tuple[str, ...] = ()
        for diff_id, path in zip(config["rootfs"]["diff_ids"], row["Layers"], strict=True):
            chain = (*chain, diff_id)
            if chain not in self.chains and path not in (self.blobs if self.containerd else layers):
                return f"open {path}: no such file or directory"
            self.chains.add(chain)
        if self.fault != "forgets":
            self.images[identity] = config
        self.names |= dict.fromkeys(row["RepoTags"] or [], identity)
        return ""

    def described(self, name: str) -> dict[str, Any] | None:
        identity = name if name in self.images else self.names.get(name)
        config = self.images.get(identity or "")
        if identity is None or config is None:
            return None
        return {
            "Id": identity,
            "Os": config["os"],
            "Architecture": config["architecture"],
            "RepoTags": [name for name, own in self.names.items() if own == identity],
            "RootFS": {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]},
        }


class _Handler(BaseHTTPRequestHandler):
    server: StandInEngine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, engine = self._path(), self.server
        if path == "/version":
            system, _, architecture = engine.platform.partition("/")
            about = {"ApiVersion": "1.41", "Version": "1", "Os": system, "Arch": architecture}
            self._answer(200, {**about, "Components": [{"Name": engine.product}]})
        elif path == "/info":
            self._answer(200, {"DriverStatus": CONTAINERD if engine.containerd else [["Native Overlay Diff", "true"]]})
        elif path == "/images/json":
            self._answer(200, [{**(engine.described(identity) or {}), "RootFS": None} for identity in engine.images])
        elif path.startswith("/images/") and path.endswith("/json"):
            found = engine.described(path.removeprefix("/images/").removesuffix("/json"))
            self._answer(200 if found else 404, found or {"message": "No such image"})
        else:
            self._answer(404, {"message": "page not found"})

    def do_POST(self) -> None:
        path, engine = self._path(), self.server
        if path == "/images/load":
            self._load()
        elif path.startswith("/images/") and path.endswith("/tag"):
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            identity = path.removeprefix("/images/").removesuffix("/tag")
            known = identity in engine.images
            if known:
                name = f"{query['repo']}:{query['tag']}"
                engine.names[name] = "sha256:" + "0" * 64 if engine.fault == "renamed" else identity
            self._answer(201 if known else 404, {} if known else {"message": "No such image"})
        else:
            self._answer(404, {"message": "page not found"})

    def do_DELETE(self) -> None:
        found = self.server.images.pop(self._path().removeprefix("/images/"), None)
        self._answer(200 if found else 404, [])

    def _load(self) -> None:
        engine, fault = self.server, self.server.fault
        if engine.spared:
            engine.spared, fault = engine.spared - 1, ""
        body = b""
        for chunk in self._chunks():
            body += chunk
            if fault == "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
        if fault == "refused":
            self._answer(500, {"message": engine.message})
        elif fault == "silent":
            engine.is_over.wait()
        elif fault in ("endless", "cut-answer"):
            self._rows(fault == "endless")
        else:
            error = engine.message if fault == "error" else engine.load(body)
            self._answer(200, {"error": error} if error else {"stream": "Loaded image"})

    def _rows(self, is_endless: bool) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.server.is_answering.set()
        row = b'{"status":"Loading layer"}\n'
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(row), row))
            while is_endless and not self.server.is_over.wait(0.01):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(row), row))
        except OSError:
            # The client went away.
            pass

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path).removeprefix("/v1.41")
        self.server.requests.append(f"{self.command} {path}")
        return path

    def _answer(self, status: int, value: Mapping[str, Any] | list[Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass

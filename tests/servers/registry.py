"""Debian's docker-registry, the reference implementation, on loopback."""

from __future__ import annotations

from pathlib import Path

from shipit.rehearsal.dyno import free_port
from tests.servers.install import find
from tests.servers.process import Background, accepts
from tests.servers.tokens import ISSUER, SERVICE, TokenServer


class RegistryServer:
    """A registry over plain HTTP, or over TLS with `tls`, a folder with server.crt and server.key; `host` is 127.0.0.1:PORT, and `data` the folder of its files.

    `htpasswd` is a file that asks for Basic credentials, `tokens` a server that gives Bearer tokens.
    """

    def __init__(
        self,
        folder: Path,
        *,
        htpasswd: Path | None = None,
        tokens: TokenServer | None = None,
        tls: Path | None = None,
    ) -> None:
        port = free_port()
        self.host = f"127.0.0.1:{port}"
        self.data = folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.yml"
        secured = f", tls: {{certificate: '{tls}/server.crt', key: '{tls}/server.key'}}" if tls else ""
        lines = [
            "version: 0.1",
            "log: {level: warn, accesslog: {disabled: true}}",
            f"storage: {{filesystem: {{rootdirectory: {self.data}}}, delete: {{enabled: true}}}}",
            f"http: {{addr: '{self.host}'{secured}}}",
        ]
        if htpasswd:
            lines.append(f"auth: {{htpasswd: {{realm: registry, path: {htpasswd}}}}}")
        if tokens:
            lines.append(
                f"auth: {{token: {{realm: '{tokens.realm}', service: {SERVICE}, issuer: {ISSUER}, "
                f"rootcertbundle: '{tokens.certificate}'}}}}"
            )
        config.write_text("\n".join(lines) + "\n")
        self._process = Background("docker-registry", [find("docker-registry"), "serve", str(config)], folder)
        self._process.wait_until(lambda: accepts(port), 120)

    def stop(self) -> None:
        self._process.stop()

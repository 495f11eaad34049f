"""Traefik as a program of this machine: it leads requests to the containers of an engine by their labels."""

from __future__ import annotations

from pathlib import Path

from shipit.rehearsal.dyno import free_port
from tests.servers.install import traefik
from tests.servers.process import Background, accepts


class Traefik:
    """A proxy at 127.0.0.1:`port`, which follows the containers of an engine that have the label traefik.enable=true."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.port = free_port()
        options = {
            "entrypoints.web.address": f"127.0.0.1:{self.port}",
            "providers.docker.endpoint": engine,
            "providers.docker.exposedbydefault": "false",
            "providers.providersthrottleduration": "200ms",
            "log.level": "INFO",
            "global.checknewversion": "false",
            "global.sendanonymoususage": "false",
        }
        command = [traefik(), *(f"--{name}={value}" for name, value in options.items())]
        self._process = Background("traefik", command, folder)
        self._process.wait_until(lambda: accepts(self.port), 120)

    def stop(self) -> None:
        self._process.stop()

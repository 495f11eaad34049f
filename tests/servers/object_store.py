"""moto's server: the protocol of S3, with conditional writes, on loopback."""

from __future__ import annotations

from pathlib import Path

import requests

from shipit.rehearsal.dyno import free_port
from tests.servers.install import moto_python
from tests.servers.process import Background, accepts

BUCKET = "company-deploys"


class ObjectStoreServer:
    """A server with one bucket. `variables` are the environment of its clients."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.variables = {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "of-the-test",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "AWS_REGION": "us-east-1",
        }
        command = [moto_python(), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._process = Background("moto", command, folder)
        self._process.wait_until(lambda: accepts(port), 120)
        requests.put(f"{self.address}/{BUCKET}", timeout=60).raise_for_status()

    def stop(self) -> None:
        self._process.stop()

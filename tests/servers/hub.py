"""A mirror of Docker Hub with the few images that tests use."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.servers.images import HUB
from tests.shipit import Shipit


class DockerHub:
    """Images under their names on Docker Hub, in a registry at `host`; each made and pushed when first asked for."""

    def __init__(self, host: str, folder: Path) -> None:
        self.host = host
        self._folder = folder
        self._there: set[str] = set()

    def having(self, *images: str) -> str:
        """Make sure that the images (`python:3.12-alpine`) are there; the host."""
        for image in images:
            if image not in self._there:
                self._push(*image.split(":"))
                self._there.add(image)
        return self.host

    def _push(self, name: str, tag: str) -> None:
        folder = self._folder / f"{name}-{tag}"
        HUB[name, tag](folder)
        (folder / "deploy.yml").write_text(
            f"app: base\nimage: {{repository: {self.host}/library/{name}, tags: ['{tag}']}}\ntargets: {{hub: }}\n"
        )
        done = Shipit(folder, folder / "home").run("deploy", "hub")
        assert done.returncode == 0, done.stderr
        shutil.rmtree(folder)

"""`shipit build --load` of a changed layer of 0.5 MB in an image of 220 MB, in pairs with `docker load` of the same image.

    python -m benchmarks.load [PAIRS]

Whole processes on the two Docker engines of the tests (CONTRIBUTING.md): Debian's with the engine's own image store, and the
next release's with containerd's. The engine has the earlier build. `docker load` reads a file that `shipit build --save`
wrote before, outside of the measured time; shipit also builds the layer. `shipit_load_step_s` is the part of its time from
when the image is built. Writes load.json.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.push import ROOT
from tests.servers.engine import DockerEngine
from tests.servers.install import find

MIB = 1024 * 1024
LAYERS, LAYER_BYTES, CHANGED_BYTES = 5, 43 * MIB, MIB // 2
NAME = "registry.example/bench/shop"


class Project:
    """An app of five large layers and a small one, and an engine that `docker` and shipit both use."""

    def __init__(self, folder: Path, host: str) -> None:
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(folder / "home"), "SHIPIT_CACHE_DIR": str(folder / "cache"),
            "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "DOCKER_HOST": host,
        }  # fmt: skip
        lines = ["FROM scratch", *(f"COPY big{number} /" for number in range(LAYERS)), "COPY changed /", 'CMD ["/x"]']
        (folder / "home").mkdir(parents=True)
        (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
        (folder / "deploy.yml").write_text(f"app: shop\nimage: {{repository: {NAME}, tags: [latest]}}\n")
        for number in range(LAYERS):
            (folder / f"big{number}").write_bytes(os.urandom(LAYER_BYTES))

    def run(self, *command: str) -> tuple[float, str]:
        """Seconds of a whole process, and what it wrote on standard output."""
        began = time.perf_counter()
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
        assert done.returncode == 0, done.stderr
        return took, done.stdout

    def shipit(self, *words: str) -> tuple[float, str]:
        return self.run(sys.executable, "-m", "shipit", "build", "--output", "json", *words)

    def change(self) -> None:
        (self.folder / "changed").write_bytes(os.urandom(CHANGED_BYTES))


def measure(folder: Path, engine: DockerEngine, pairs: int) -> dict[str, Any]:
    project = Project(folder, engine.host)
    project.change()
    project.shipit("--load")
    own, steps, other, sent = [], [], [], 0
    for _ in range(pairs):
        project.change()
        took, shown = project.shipit("--load")
        own.append(took)
        rows = [json.loads(line) for line in shown.splitlines()]
        [built] = [row for row in rows if row["event"] == "images_built"]
        sent = built["loaded"][0]["sent_bytes"]
        steps += [row["elapsed_s"] for row in rows if row["event"] == "step_done" and row["step"]["action"] == "load"]
        project.change()
        project.shipit("--save", "shop.tar")
        other.append(project.run(find("docker"), "load", "--input", "shop.tar")[0])
    size = (folder / "shop.tar").stat().st_size
    return {
        "shipit_s": round(statistics.median(own), 2),
        "shipit_load_step_s": round(statistics.median(steps), 2),
        "shipit_sent_bytes": sent,
        "docker_load_s": round(statistics.median(other), 2),
        "docker_load_sent_bytes": size,
        "ratio_of_the_pairs": round(statistics.median(a / b for a, b in zip(own, other, strict=True)), 2),
        "shipit_all_s": [round(took, 2) for took in own],
        "docker_load_all_s": [round(took, 2) for took in other],
    }


def main(pairs: int = 5) -> None:
    figures: dict[str, Any] = {"python": platform.python_version(), "date": time.strftime("%Y-%m-%d"), "pairs": pairs}
    for name, is_modern in (("own store, 20.10", False), ("containerd's store, 26.1", True)):
        folder = Path(tempfile.mkdtemp(prefix="shipit-bench-"))
        load = round(os.getloadavg()[0], 1)
        engine = DockerEngine(folder / "engine", modern=is_modern, beside=True)
        try:
            figures[name] = {"load": load, **measure(folder / "project", engine, pairs)}
        finally:
            engine.stop()
            shutil.rmtree(folder, ignore_errors=True)
    Path(__file__).with_name("load.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))

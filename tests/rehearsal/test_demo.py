"""`make demo`: three deploys on stand-ins, of which the first moves everything, the second one layer, the third nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.shipit import Shipit

EXAMPLE = Path(__file__).parent.parent.parent / "examples/hello"


def test_three_deploys_move_everything_then_one_layer_then_nothing(shipit: Shipit) -> None:
    before = {path: path.read_bytes() for path in EXAMPLE.rglob("*") if path.is_file()}
    # No engine: the app runs as a process of this machine.
    shipit.env["DOCKER_HOST"] = f"unix://{shipit.folder}/no.sock"
    done = subprocess.run(
        [sys.executable, "-m", "shipit.rehearsal.demo"],
        cwd=shipit.folder,
        env=shipit.measured(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert re.findall(r"GET http://\S+ -> hello: this is version (\w+)", said) == ["one", "two", "two"]
    moved = re.findall(r"(?m)^([123]) (?: +[0-9.]+){5}  (.*)$", said)
    assert [number for number, _ in moved] == ["1", "2", "3"]
    blobs = [int((re.findall(r"^(\d+) blobs", what) or ["0"])[0]) for _, what in moved]
    assert blobs[0] > blobs[1] > blobs[2] == 0 and moved[2][1] == "nothing"
    assert "; it ran in a temporary folder, which is removed" in said
    assert {path: path.read_bytes() for path in EXAMPLE.rglob("*") if path.is_file()} == before

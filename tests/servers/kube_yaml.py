"""What kubectl's own code reads in a manifest file: a small Go program, asked line by line."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

from tests.servers.install import kube_yaml_folder
from tests.servers.process import Unavailable


class Refused(Exception):
    """kubectl's code returned an error."""


class KubeYaml:
    """A running program. Not safe for several threads."""

    def __init__(self) -> None:
        program = kube_yaml_folder() / "kube_yaml"
        if not program.is_file():
            raise Unavailable("kubectl's reader is not built (python -m tests.servers.install; it needs Go)")
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def read(self, text: str) -> tuple[list[Any], bool]:
        """The documents of a file, and whether there is text behind the end of one, which is ignored. Raises: Refused."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"Text": base64.b64encode(text.encode()).decode()}).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "Error" in answer:
            raise Refused(answer["Error"])
        return [_in_64_bits(document) for document in answer.get("Result", [])], answer["Ignores"]


def _in_64_bits(value: Any) -> Any:
    """A value whose whole numbers beyond 64 bits are floats, as they are in Go; JSON does not tell them apart."""
    if isinstance(value, dict):
        return {key: _in_64_bits(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_in_64_bits(part) for part in value]
    return float(value) if type(value) is int and not -(2**63) <= value < 2**63 else value

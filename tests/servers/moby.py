"""What moby's own code makes of ignore files, words, modes, platforms and Dockerfiles: a small Go program, asked line by line."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.install import moby_folder
from tests.servers.process import Unavailable


class Refused(Exception):
    """moby returned an error."""


class Moby:
    """A running program. Not safe for several threads."""

    def __init__(self) -> None:
        program = moby_folder() / "moby"
        if not program.is_file():
            raise Unavailable("moby's code is not built (python -m tests.servers.install; it needs Go)")
        # Go complains there of bytes that are no UTF-8.
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def ignored(self, rules: bytes, paths: Sequence[str]) -> list[bool]:
        """Which paths a .dockerignore file leaves out. Raises: Refused."""
        shown = [base64.b64encode(path.encode("utf-8", "surrogateescape")).decode() for path in paths]
        return [bool(is_out) for is_out in self._ask("ignored", rules, Paths=shown)]

    def word(self, text: str, env: Mapping[str, str], escape: str = "\\") -> str:
        return str(self._ask("word", text.encode(), Env=_pairs(env), Escape=escape))

    def words(self, text: str, env: Mapping[str, str], escape: str = "\\") -> list[str]:
        return list(self._ask("words", text.encode(), Env=_pairs(env), Escape=escape) or [])

    def platform(self, text: str) -> str:
        return str(self._ask("platform", text.encode()))

    def best(self, text: str, offered: Sequence[str]) -> int:
        """Which of the platforms on offer is taken for one; -1 for none."""
        return int(self._ask("best", text.encode(), Paths=[base64.b64encode(p.encode()).decode() for p in offered]))

    def chmod(self, text: str, mode: int, *, is_folder: bool) -> int:
        return int(self._ask("chmod", text.encode(), Mode=mode, IsDir=is_folder))

    def dockerfile(self, data: bytes) -> list[dict[str, Any]]:
        return list(self._ask("dockerfile", data))

    def _ask(self, what: str, text: bytes, **more: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        question = {"Ask": what, "Text": base64.b64encode(text).decode(), **more}
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "Error" in answer:
            raise Refused(answer["Error"])
        return answer["Result"]


def _pairs(env: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in env.items()]

"""A client of the YAML language server, which sends what an editor sends.

Source: Language Server Protocol 3.17, base protocol over standard input and output.
"""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import IO, Any

from tests.servers.install import language_server

_WAIT_S = 30


class LanguageServer:
    """One server, whose documents are all called `deploy.yml` in a folder. Call `stop` at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = itertools.count(1)
        self._versions = itertools.count(1)
        self._process = subprocess.Popen(
            [language_server(), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        capabilities: dict[str, Any] = {"textDocument": {"publishDiagnostics": {}, "completion": {}, "hover": {}}}
        self._ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities})
        self._tell("initialized", {})
        settings = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}
        self._tell("workspace/didChangeConfiguration", {"settings": settings})

    def stop(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait()

    def complete(self, text: str, *, line: int, character: int) -> dict[str, str]:
        """Label -> text that is inserted, for what is offered at a place; lines and characters from 0."""
        document = self._open(text)
        place = {"textDocument": document, "position": {"line": line, "character": character}}
        found = self._ask("textDocument/completion", place)
        items = found["items"] if isinstance(found, dict) else found or []
        return {item["label"]: item.get("insertText", "") for item in items}

    def hover(self, text: str, *, line: int, character: int) -> str:
        document = self._open(text)
        place = {"textDocument": document, "position": {"line": line, "character": character}}
        found = self._ask("textDocument/hover", place)
        return json.dumps(found["contents"]) if found else ""

    def diagnose(self, text: str) -> list[tuple[int, str]]:
        """Line (from 0) and message of everything that is marked."""
        document = self._open(text)
        while True:
            message = self._read()
            told = message.get("params") or {}
            if message.get("method") == "textDocument/publishDiagnostics" and told["uri"] == document["uri"]:
                return [(row["range"]["start"]["line"], row["message"]) for row in told["diagnostics"]]

    def _open(self, text: str) -> dict[str, str]:
        uri = (self._folder / f"{next(self._versions)}" / "deploy.yml").as_uri().replace("/deploy.yml", ".deploy.yml")
        self._tell(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}},
        )
        return {"uri": uri}

    def _ask(self, method: str, params: Any) -> Any:
        number = next(self._ids)
        self._write({"id": number, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message["error"]
                return message.get("result")

    def _tell(self, method: str, params: Any) -> None:
        self._write({"method": method, "params": params})

    def _write(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._process.stdin
        assert stream
        stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        stream.flush()

    def _read(self) -> dict[str, Any]:
        """The next message; requests of the server are answered with nothing on the way."""
        stream = self._process.stdout
        assert stream
        length = 0
        while line := _line(stream):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        message: dict[str, Any] = json.loads(stream.read(length))
        if "id" in message and "method" in message:
            items = (message.get("params") or {}).get("items") or []
            self._write({"id": message["id"], "result": [None] * len(items)})
        return message


def _line(stream: IO[bytes]) -> bytes:
    line = stream.readline()
    if not line:
        raise AssertionError("the language server ended")
    return line.strip()

"""`.env` files that deploy.yml names: variables for `${...}` and for secrets. The process environment takes precedence."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from shipit.config.folder import ProjectFolder
from shipit.config.interpolate import InterpolationError, interpolate
from shipit.config.model import DotenvConfig
from shipit.config.source import Source
from shipit.errors import ConfigError
from shipit.files import Missing, Unreadable

_QUOTED = re.compile(r"\s*(?:export\s+)?[^=\s]+\s*=\s*(['\"])")
_LITERAL = "put single quotes around the value where ${ is meant as it stands"


def read_dotenv(
    files: tuple[DotenvConfig, ...], folder: ProjectFolder, source: Source, process: Mapping[str, str]
) -> tuple[dict[str, str], list[ConfigError]]:
    """The variables of the files, where later files win, and their mistakes.

    `${NAME}` in a value that is not in single quotes means a variable of the process, else one that stands above it.
    Source: python-dotenv's reading of the format; Compose, "Use environment variables", syntax of .env files.
    """
    values: dict[str, str] = {}
    mistakes: list[ConfigError] = []
    for index, file in enumerate(files):
        keys = ("dotenv", index)
        try:
            text = folder.read(file.path).decode("utf-8-sig")
        except Missing:
            if file.required:
                hint = "create it, or write {path: ..., required: false}"
                mistakes.append(source.problem(keys, f"there is no file {file.path}", hint))
        except (Unreadable, UnicodeDecodeError) as error:
            reason = error.reason if isinstance(error, Unreadable) else "it is not UTF-8"
            mistakes.append(source.problem(keys, f"{file.path} can't be read: {reason}"))
        else:
            mistakes += _read(text, file.path, values, process)
    return values, mistakes


def _read(text: str, name: str, values: dict[str, str], process: Mapping[str, str]) -> list[ConfigError]:
    """Add the variables of a file, and return its mistakes. No line is quoted, because it may contain a secret."""
    from dotenv.parser import parse_stream

    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        return [
            _mistake(name, line, 1, "holds a null character, which no variable can", "is it UTF-16? save it as UTF-8")
        ]
    mistakes: list[ConfigError] = []
    for binding in parse_stream(io.StringIO(text)):
        line, raw = binding.original.line, binding.original.string
        if binding.error:
            mistakes.append(_unreadable(name, line, raw))
        elif binding.key is not None and binding.value is not None:
            try:
                values[binding.key] = _expanded(raw, binding.value, values, process)
            except InterpolationError as error:
                what = f"{error.unset} is not set" if error.unset else "a variable should be written as ${NAME}"
                hint = f"write ${{{error.unset or 'NAME'}:-default}}; {_LITERAL}"
                mistakes.append(_mistake(name, line, 1, f"{binding.key}: {what}", hint))
    return mistakes


def _expanded(raw: str, value: str, values: Mapping[str, str], process: Mapping[str, str]) -> str:
    quoted = _QUOTED.match(raw)
    if "${" not in value or (quoted and quoted[1] == "'"):
        return value
    return interpolate(value.replace("\\${", "$${"), lambda name: process.get(name, values.get(name)))


def _unreadable(name: str, line: int, raw: str) -> ConfigError:
    quoted: Any = _QUOTED.match(raw)
    if quoted and raw.count(quoted[1]) % 2:
        return _mistake(name, line, quoted.start(1) + 1, "this quote is never closed", "close it, or leave it out")
    return _mistake(name, line, 1, "should be NAME=value, or # and a comment", "")


def _mistake(name: str, line: int, column: int, what: str, hint: str) -> ConfigError:
    return ConfigError(what, where=f"{name}:{line}:{column}", position=(line, column), hint=hint)

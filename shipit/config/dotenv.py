"""`.env` files that deploy.yml names: variables for `${...}` and for secrets, below those of the process."""

from __future__ import annotations

import io
from pathlib import Path

from shipit.config.model import DotenvConfig
from shipit.config.source import Source
from shipit.errors import ConfigError

MAX_BYTES = 1024 * 1024


def read_dotenv(
    files: tuple[DotenvConfig, ...], root: Path, source: Source
) -> tuple[dict[str, str], list[ConfigError]]:
    """The variables of the files, later ones winning, and what is wrong with them.

    Source: python-dotenv's reading of the format; variables inside of values are not expanded.
    """
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    mistakes: list[ConfigError] = []
    for index, file in enumerate(files):
        keys = ("dotenv", index)
        try:
            data = (root / file.path).read_bytes()
            if len(data) > MAX_BYTES:
                raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
            text = data.decode("utf-8-sig")
        except FileNotFoundError:
            if file.required:
                hint = "create it, or write {path: ..., required: false}"
                mistakes.append(source.problem(keys, f"there is no file {file.path}", hint))
            continue
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else _reason(error)
            mistakes.append(source.problem(keys, f"{file.path} can't be read: {reason}"))
            continue
        for binding in parse_stream(io.StringIO(text)):
            if binding.error:
                line = binding.original.line
                # The line is not shown: it may hold a value that nobody should see.
                where = f"{file.path}:{line}:1"
                mistakes.append(
                    ConfigError("should be NAME=value, or # and a comment", where=where, position=(line, 1))
                )
            elif binding.key is not None and binding.value is not None:
                values[binding.key] = binding.value
    return values, mistakes


def _reason(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)

"""`.env` files that deploy.yml names: variables for `${...}` and for secrets, below those of the process."""

from __future__ import annotations

import io

from shipit.config.folder import ProjectFolder
from shipit.config.model import DotenvConfig
from shipit.config.source import Source
from shipit.errors import ConfigError
from shipit.files import Missing, Unreadable


def read_dotenv(
    files: tuple[DotenvConfig, ...], folder: ProjectFolder, source: Source
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
            text = folder.read(file.path).decode("utf-8-sig")
        except Missing:
            if file.required:
                hint = "create it, or write {path: ..., required: false}"
                mistakes.append(source.problem(keys, f"there is no file {file.path}", hint))
            continue
        except (Unreadable, UnicodeDecodeError) as error:
            reason = error.reason if isinstance(error, Unreadable) else "it is not UTF-8"
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

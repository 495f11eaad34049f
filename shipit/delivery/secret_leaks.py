"""Checks that no value of a secret gets into an image by build arguments, Dockerfile or config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from shipit.config.project import Project
from shipit.delivery.withheld_files import COMMON, USE_BUILD_SECRETS
from shipit.errors import BuildError
from shipit.files import Unreadable, read_file
from shipit.image.options import BuildOptions
from shipit.redact import Redactor

# A shorter value can be part of a text by chance: it is found only when it is the whole text.
_CERTAIN = 8


def holds_secret(text: str, redactor: Redactor) -> bool:
    """Whether a text holds a known secret, plain or encoded."""
    return redactor.holds(text, shortest=_CERTAIN, common=COMMON)


def check_build(project: Project, image: str, options: BuildOptions, redactor: Redactor) -> None:
    """Check the build arguments and the Dockerfile before anything is built.

    Raises: ConfigError at the argument, BuildError at the line.
    """
    for name, value in options.args.items():
        if holds_secret(value, redactor):
            keys = ("images", image, "build", "args", name)
            what = "holds the value of a secret, and arguments of a build stay in its image"
            raise project.problem(keys, what, USE_BUILD_SECRETS)
    try:
        text = read_file(options.dockerfile).decode("utf-8", "replace")
    except Unreadable:
        # The build reports the error.
        return
    for number, line in enumerate(text.split("\n"), 1):
        if holds_secret(line, redactor):
            where = f"{options.dockerfile.name}:{number}"
            raise BuildError("the line holds the value of a secret", where=where, hint=USE_BUILD_SECRETS)


def check_config(name: str, redactor: Redactor, config: bytes) -> None:
    """Check the config of an image, its history included. Raises: BuildError."""
    for place, text in _texts(json.loads(config), ()):
        if holds_secret(text, redactor) or ("=" in text and holds_secret(text.partition("=")[2], redactor)):
            what = f"its config holds the value of a secret, at {place}"
            raise BuildError(what, where=f"image {name}", hint=USE_BUILD_SECRETS)


def _texts(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(path, text) of every string of a config except digests."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "rootfs":
                yield ".".join(place), str(key)
                yield from _texts(item, (*place, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            # A variable's path ends with its name, which is no secret.
            is_variable = place[-1:] == ("Env",) and isinstance(item, str)
            yield from _texts(item, (*place, item.partition("=")[0] if is_variable else str(index)))
    elif isinstance(value, str):
        yield ".".join(place), value

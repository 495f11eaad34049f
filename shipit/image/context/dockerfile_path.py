"""Where a Dockerfile is in relation to its build context."""

from __future__ import annotations

from shipit.image.context.folder import read_ignore_rules
from shipit.image.context.ignore import is_ignored
from shipit.image.options import BuildOptions


def path_in_context(options: BuildOptions) -> str:
    """The Dockerfile's path relative to the context; empty when it is outside of the context."""
    inside = options.dockerfile.is_relative_to(options.context)
    return options.dockerfile.relative_to(options.context).as_posix() if inside else ""


def is_outside_context(options: BuildOptions) -> bool:
    """Whether the context does not contain its Dockerfile: it is in another folder, or .dockerignore excludes it."""
    path = path_in_context(options)
    return not path or is_ignored(path, read_ignore_rules(options.context, options.dockerfile))

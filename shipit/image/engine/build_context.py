"""A build context as an engine takes it: a tar in a request, or a folder beside a Dockerfile for `docker buildx`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shipit.files import read_file
from shipit.image.context.dockerfile_path import path_in_context
from shipit.image.context.folder import ignore_file, read_context, read_ignore_file, read_ignore_rules, scan_context
from shipit.image.context.ignore import is_ignored, literal_pattern, parse_ignore
from shipit.image.options import BuildOptions
from shipit.image.tar.write import read_content, tar_stream
from shipit.image.tree import Entry, Inline, Tree

_IGNORE = ".dockerignore"
_OWN_NAME = ".shipit.Dockerfile"


@contextmanager
def packed_context(options: BuildOptions, *, classic: bool, syntax: bool) -> Iterator[tuple[IO[bytes], str]]:
    """The context as a tar, and the Dockerfile's name in it.

    A hidden Dockerfile is put in; the classic builder takes it out again before it copies, since .dockerignore says so.
    `syntax` is whether it begins with a `# syntax` line, which is blanked where BuildKit could not fetch what it names.
    """
    tree = read_context(options)
    name, dockerfile = path_in_context(options) or _OWN_NAME, read_file(options.dockerfile)
    if name not in tree:
        name = _put_in(tree, name, dockerfile, classic=classic)
    if syntax and not classic:
        tree[name] = _file(_blanked(dockerfile))
    with tempfile.TemporaryFile() as file:
        for chunk in tar_stream(tree):
            file.write(chunk)
        file.seek(0)
        yield file, name


def _put_in(tree: Tree, name: str, dockerfile: bytes, *, classic: bool) -> str:
    """Put a hidden Dockerfile into the tree; its name there."""
    if classic:
        rules = tree.get(_IGNORE)
        if rules is None:
            name = _OWN_NAME
            tree[_IGNORE] = _file(f"{_IGNORE}\n{name}\n".encode())
        elif name == _OWN_NAME or not _leaves_out(rules, name):
            name = _OWN_NAME
            tree[_IGNORE] = _file(b"".join(read_content(_IGNORE, rules)) + f"\n{name}\n".encode())
    tree[name] = _file(dockerfile)
    return name


def _leaves_out(entry: Entry, name: str) -> bool:
    return is_ignored(name, parse_ignore(b"".join(read_content(_IGNORE, entry))))


def _file(data: bytes) -> Entry:
    return Entry("file", 0o644, size=len(data), content=Inline(data))


@contextmanager
def dockerfile_beside(options: BuildOptions) -> Iterator[Path]:
    """A copy of the Dockerfile in a folder of its own, whose rules also leave out what is ours."""
    with tempfile.TemporaryDirectory(prefix="shipit-buildx-") as folder:
        copy = Path(folder) / "Dockerfile"
        copy.write_bytes(read_file(options.dockerfile))
        rules = ignore_file(options.context, options.dockerfile)
        own = "\n".join(["", *map(literal_pattern, (*options.left_out, *_withheld(options))), ""])
        written = (read_ignore_file(rules) if rules else b"") + own.encode("utf-8", "surrogateescape")
        copy.with_name("Dockerfile.dockerignore").write_bytes(written)
        yield copy


def _withheld(options: BuildOptions) -> tuple[str, ...]:
    """The paths in a context that a builder which reads it by itself must be told to leave out."""
    held = options.withheld
    if held.nodes or held.names or held.contents:
        # Which other ways lead to a file, only the folder itself shows.
        scan_context(options.context, read_ignore_rules(options.context, options.dockerfile), options.left_out, held)
    return (*held.paths, *(path for path in held.found if path not in held.paths))


def _blanked(dockerfile: bytes) -> bytes:
    """The same lines, with the directive `# syntax` a plain comment."""
    lines = dockerfile.split(b"\n")
    for index, line in enumerate(lines):
        if not line.lstrip().startswith(b"#"):
            break
        if line.lstrip().lstrip(b"#").lstrip().lower().startswith(b"syntax"):
            lines[index] = b"#"
    return b"\n".join(lines)

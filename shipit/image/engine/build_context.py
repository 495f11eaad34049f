"""The build context for an engine: a tar in a request, or a folder and a Dockerfile for `docker buildx`."""

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
from shipit.image.tree.entries import Entry, Inline, Tree

_IGNORE = ".dockerignore"
_OWN_NAME = ".shipit.Dockerfile"


@contextmanager
def context_tar(options: BuildOptions, *, classic: bool, syntax: bool) -> Iterator[tuple[IO[bytes], str]]:
    """The context as a tar, and the Dockerfile's path in it.

    A Dockerfile outside of the context is added; for the classic builder, .dockerignore keeps it out of the image.
    With `syntax`, the `# syntax` line is blanked, because BuildKit may not be able to fetch the frontend.
    """
    tree = read_context(options)
    name, dockerfile = path_in_context(options) or _OWN_NAME, read_file(options.dockerfile)
    if name not in tree:
        name = _add_dockerfile(tree, name, dockerfile, classic=classic)
    if syntax and not classic:
        tree[name] = _file(_without_syntax(dockerfile))
    with tempfile.TemporaryFile() as file:
        for chunk in tar_stream(tree):
            file.write(chunk)
        file.seek(0)
        yield file, name


def _add_dockerfile(tree: Tree, name: str, dockerfile: bytes, *, classic: bool) -> str:
    """Add a Dockerfile to the tree that lacks it. Returns its path there."""
    if classic:
        rules = tree.get(_IGNORE)
        if rules is None:
            name = _OWN_NAME
            tree[_IGNORE] = _file(f"{_IGNORE}\n{name}\n".encode())
        elif name == _OWN_NAME or not _excludes(rules, name):
            name = _OWN_NAME
            tree[_IGNORE] = _file(b"".join(read_content(_IGNORE, rules)) + f"\n{name}\n".encode())
    tree[name] = _file(dockerfile)
    return name


def _excludes(entry: Entry, name: str) -> bool:
    return is_ignored(name, parse_ignore(b"".join(read_content(_IGNORE, entry))))


def _file(data: bytes) -> Entry:
    return Entry("file", 0o644, size=len(data), content=Inline(data))


@contextmanager
def copied_dockerfile(options: BuildOptions) -> Iterator[Path]:
    """A copy of the Dockerfile in a temporary folder, with an ignore file that also excludes what shipit leaves out."""
    with tempfile.TemporaryDirectory(prefix="shipit-buildx-") as folder:
        copy = Path(folder) / "Dockerfile"
        copy.write_bytes(read_file(options.dockerfile))
        rules = ignore_file(options.context, options.dockerfile)
        own = "\n".join(["", *map(literal_pattern, (*options.left_out, *_withheld(options))), ""])
        written = (read_ignore_file(rules) if rules else b"") + own.encode("utf-8", "surrogateescape")
        copy.with_name("Dockerfile.dockerignore").write_bytes(written)
        yield copy


def _withheld(options: BuildOptions) -> tuple[str, ...]:
    """The withheld paths of a context, for a builder that reads the folder by itself."""
    held = options.withheld
    if held.nodes or held.names or held.contents:
        # Hard links and copies of withheld files are found by a scan only.
        scan_context(options.context, read_ignore_rules(options.context, options.dockerfile), options.left_out, held)
    return (*held.paths, *(path for path in held.found if path not in held.paths))


def _without_syntax(dockerfile: bytes) -> bytes:
    """The same lines, with the `# syntax` directive replaced by an empty comment."""
    lines = dockerfile.split(b"\n")
    for index, line in enumerate(lines):
        if not line.lstrip().startswith(b"#"):
            break
        if line.lstrip().lstrip(b"#").lstrip().lower().startswith(b"syntax"):
            lines[index] = b"#"
    return b"\n".join(lines)

"""A COPY or ADD instruction as the entries that it writes: from the context, a stage, an image, archives, here-documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from shipit.errors import NeedsEngine
from shipit.image.archive import archive_entries, is_archive
from shipit.image.copy import CopyError, Owner, copy_entries, unpack_entries
from shipit.image.dockerfile import Heredoc, Instruction
from shipit.image.owner import parse_mode, parse_owner
from shipit.image.tree import Entry, Inline, LocalFile, normal, resolve_path

# Flags of COPY and ADD that are done natively.
COPY_FLAGS = frozenset({"from", "chown", "chmod", "link"})


class Surroundings(NamedTuple):
    """What an instruction is run in: the tree it writes over, its working directory, and how the rest is had.

    `expand(text, keep_quotes)` expands variables; `source(name)` is the tree of a stage or image, of the context when
    the name is empty; `row(file, name)` the line of a name in a file of the target; `scratch` a folder for what is unpacked.
    """

    target: Mapping[str, Entry]
    workdir: str
    expand: Callable[[str, bool], str]
    source: Callable[[str], Mapping[str, Entry]]
    row: Callable[[str, str], str | None]
    scratch: Path


def copied_entries(instruction: Instruction, around: Surroundings, where: str) -> dict[str, Entry]:
    """The entries that the instruction writes.

    Raises: NeedsEngine for what is not built natively; CopyError or ValueError for what is wrong.
    """
    for name, _ in instruction.flags:
        if name not in COPY_FLAGS:
            raise NeedsEngine(f"{instruction.keyword} --{name} is not built natively", where=where)
    words = [around.expand(word, False) for word in instruction.json_words or instruction.text.split()]
    if len(words) < 2:
        raise ValueError(f"{instruction.keyword} needs a source and a destination")
    sources, destination = words[:-1], words[-1]
    if instruction.flag("link") in ("", "true"):
        # Such a layer knows nothing of what is below it: it brings all its folders, and follows no link there.
        around = around._replace(target={}, row=_no_row)
    owner, chmod = _owner(instruction, around), parse_mode(instruction.flag("chmod"))
    target, workdir = around.target, around.workdir
    if instruction.heredocs:
        tree: Mapping[str, Entry] = {doc.name: _heredoc(doc, around) for doc in instruction.heredocs}
        names = [re.sub(r"^<<-?['\"]?|['\"]?$", "", source) for source in sources]
        return copy_entries(tree, names, destination, target, workdir=workdir, owner=owner, chmod=chmod)
    if any(re.match(r"https?://|git@|git://", source) for source in sources):
        raise NeedsEngine("ADD from the network is not built natively", where=where)
    tree = around.source(around.expand(instruction.flag("from") or "", False))
    if instruction.keyword == "ADD":
        return _added(tree, sources, destination, around, owner, chmod)
    return copy_entries(tree, sources, destination, target, workdir=workdir, owner=owner, chmod=chmod)


def _added(
    tree: Mapping[str, Entry],
    sources: list[str],
    destination: str,
    around: Surroundings,
    owner: Owner | None,
    chmod: int | None,
) -> dict[str, Entry]:
    """ADD: a local archive is unpacked, everything else is copied."""
    written: dict[str, Entry] = {}
    target, workdir = around.target, around.workdir
    for source in sources:
        entry = tree.get(resolve_path(tree, normal(source)))
        content = entry.content if entry else None
        if isinstance(content, LocalFile) and is_archive(Path(content.path)):
            archive = archive_entries(Path(content.path), around.scratch)
            written = unpack_entries(archive, destination, target, workdir=workdir, owner=owner, written=written)
        else:
            written = copy_entries(
                tree, [source], destination, target, workdir=workdir, owner=owner, chmod=chmod, written=written
            )
    return written


def _no_row(file: str, name: str) -> str | None:
    raise CopyError(f"with --link the image's /{file} is not asked for {name!r}", "use a number")


def _heredoc(doc: Heredoc, around: Surroundings) -> Entry:
    data = (around.expand(doc.text, True) if doc.expand else doc.text).encode()
    return Entry("file", 0o644, size=len(data), content=Inline(data))


def _owner(instruction: Instruction, around: Surroundings) -> Owner | None:
    text = around.expand(instruction.flag("chown") or "", False)
    if not text:
        return Owner(0, 0) if not instruction.flag("from") else None
    return parse_owner(text, around.row)

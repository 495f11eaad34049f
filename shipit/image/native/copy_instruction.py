"""A COPY or ADD instruction as the entries that it writes: from the context, a stage, an image, archives, here-documents."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from shipit.errors import NeedsEngine
from shipit.image.dockerfile.heredoc import Heredoc, parse_heredoc
from shipit.image.dockerfile.lexed_words import Quoting
from shipit.image.dockerfile.parse import Instruction, decode_utf8
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.syntax import parse_arguments, switch_value
from shipit.image.native.archive import archive_entries, is_archive
from shipit.image.native.chmod import parse_mode
from shipit.image.native.copy_trees import CopyError, Target, copy_entries, match_sources, unpack_entries
from shipit.image.native.owner import parse_owner
from shipit.image.tree import Entry, Inline, LocalFile, normal_path, resolve_path

# Flags of COPY and ADD that are done natively.
NATIVE_FLAGS = frozenset({"from", "chown", "chmod", "link", "unpack"})
_REMOTE = re.compile(r"https?://|git@|git://|ssh://")


class Surroundings(NamedTuple):
    """What an instruction is run in: the tree it writes over, its working directory, and how the rest is had.

    `source()` is the tree that it copies from; `row(file, name)` the line of a name in a file of the target; `scratch` a
    folder for what is unpacked.
    """

    target: Mapping[str, Entry]
    workdir: str
    variables: Mapping[str, str]
    lexer: Lexer
    source: Callable[[], Mapping[str, Entry]]
    row: Callable[[str, str], str | None]
    scratch: Path

    def word(self, text: str) -> str:
        return self.lexer.word(text, self.variables)


def is_remote(source: str) -> bool:
    """Whether a source of ADD is fetched from the network."""
    return _REMOTE.match(source) is not None


def copied_entries(instruction: Instruction, around: Surroundings, where: str) -> dict[str, Entry]:
    """The entries that the instruction writes.

    Raises: NeedsEngine for what is not built natively; CopyError or ValueError for what is wrong.
    """
    for flag in instruction.flags:
        name = flag.removeprefix("--").partition("=")[0]
        if name not in NATIVE_FLAGS:
            raise NeedsEngine(f"{instruction.keyword} --{name} is not built natively", where=where)
    *sources, last = parse_arguments(instruction, around.lexer.escape).words
    target = _target(instruction, around, around.word(last))
    texts = {doc.name: doc for doc in instruction.heredocs}
    contents = [doc for source in sources if (doc := parse_heredoc(source))]
    paths = [around.word(source) for source in sources if parse_heredoc(source) is None]
    if any(is_remote(path) for path in paths):
        raise NeedsEngine(f"{instruction.keyword} from the network is not built natively", where=where)
    written: dict[str, Entry] = {}
    if paths:
        unpacks = instruction.keyword == "ADD" and switch_value(instruction, "unpack") is not False
        _copy(around.source(), paths, target, around.scratch if unpacks else None, written)
    for doc in contents:
        name, entry = _document(doc, texts, around)
        copy_entries({name: entry}, [name], target, written)
    return written


def _target(instruction: Instruction, around: Surroundings, destination: str) -> Target:
    chmod, chown = around.word(instruction.flag("chmod") or ""), around.word(instruction.flag("chown") or "")
    mode = parse_mode(chmod) if chmod else None
    tree, row = around.target, around.row
    if switch_value(instruction, "link"):
        row = _no_row
        if mode is None:
            # Such a layer knows nothing of what is below it: it brings all its folders, and follows no link there.
            tree = {}
    owner = parse_owner(chown, row) if chown else None
    return Target(destination, tree, around.workdir, owner, mode, keeps_owner=bool(instruction.flag("from")))


def _copy(
    tree: Mapping[str, Entry], patterns: list[str], target: Target, scratch: Path | None, out: dict[str, Entry]
) -> None:
    """Add what COPY or ADD writes. With a folder for what is in them, local archives are unpacked."""
    paths = [path for pattern in patterns for path in match_sources(tree, pattern)]
    if scratch is None:
        copy_entries(tree, paths, target, out)
        return
    for path in paths:
        entry = tree.get(resolve_path(tree, normal_path(path)))
        content = entry.content if entry else None
        if isinstance(content, LocalFile) and is_archive(Path(content.path)):
            unpack_entries(archive_entries(Path(content.path), scratch), target, out)
        else:
            copy_entries(tree, [path], target, out)


def _no_row(file: str, name: str) -> str | None:
    raise CopyError(f"with --link, {name!r} is not looked up in the image's /{file}", "use a number")


def _document(doc: Heredoc, texts: Mapping[str, Heredoc], around: Surroundings) -> tuple[str, Entry]:
    """The name and the file of a here-document; of several with one name the last one's text counts."""
    content = texts.get(doc.name, doc)._replace(chomp=doc.chomp).content
    data = content.encode("utf-8", "surrogateescape")
    if doc.expand:
        # It has the usual escape, whatever the directive says, and quotes in it are characters like others.
        plain = Lexer(work=around.lexer.work)
        data = plain.word(decode_utf8(data), around.variables, Quoting(plain_quotes=True)).encode()
        around.lexer.work = plain.work
    name = normal_path(doc.name)
    if not name or posixpath.dirname(name):
        raise CopyError(f"the here-document <<{doc.name} should have a name without folders")
    return name, Entry("file", 0o644, size=len(data), content=Inline(data))

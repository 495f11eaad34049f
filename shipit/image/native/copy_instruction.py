"""The entries that a COPY or ADD instruction writes, from a context, stage, image, archive or here-document."""

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
from shipit.image.tree.entries import Entry, Inline, LocalFile
from shipit.image.tree.paths import normal_path, resolve_path

# Flags of COPY and ADD that the native builder supports.
NATIVE_FLAGS = frozenset({"from", "chown", "chmod", "link", "unpack"})
_REMOTE = re.compile(r"https?://|git@|git://|ssh://")


class CopyInputs(NamedTuple):
    """What a COPY or ADD runs in: the target tree, the working directory, and access to its sources.

    `source()` is the tree to copy from. `row(file, name)` is the line of a name in a file of the target, such as
    /etc/passwd. `scratch` is a folder for unpacked files.
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
    """Whether a source of ADD is fetched over the network."""
    return _REMOTE.match(source) is not None


def copied_entries(instruction: Instruction, inputs: CopyInputs, where: str) -> dict[str, Entry]:
    """The entries that the instruction writes: path -> entry.

    Raises: NeedsEngine for what is unsupported; CopyError or ValueError for what is invalid.
    """
    for name in instruction.flag_names:
        if name not in NATIVE_FLAGS:
            raise NeedsEngine(f"{instruction.keyword} --{name} is not built natively", where=where)
    *sources, last = parse_arguments(instruction, inputs.lexer.escape).words
    target = _target(instruction, inputs, inputs.word(last))
    texts = {doc.name: doc for doc in instruction.heredocs}
    contents = [doc for source in sources if (doc := parse_heredoc(source))]
    paths = [inputs.word(source) for source in sources if parse_heredoc(source) is None]
    if any(is_remote(path) for path in paths):
        raise NeedsEngine(f"{instruction.keyword} from the network is not built natively", where=where)
    written: dict[str, Entry] = {}
    if paths:
        unpacks = instruction.keyword == "ADD" and switch_value(instruction, "unpack") is not False
        _copy(inputs.source(), paths, target, inputs.scratch if unpacks else None, written)
    for doc in contents:
        name, entry = _document(doc, texts, inputs)
        copy_entries({name: entry}, [name], target, written)
    return written


def _target(instruction: Instruction, inputs: CopyInputs, destination: str) -> Target:
    chmod, chown = inputs.word(instruction.flag("chmod") or ""), inputs.word(instruction.flag("chown") or "")
    mode = parse_mode(chmod) if chmod else None
    tree, row = inputs.target, inputs.row
    if switch_value(instruction, "link"):
        row = _no_row
        if mode is None:
            # A linked layer ignores the layers below it: it contains all its parent folders, and follows no links.
            tree = {}
    owner = parse_owner(chown, row) if chown else None
    return Target(destination, tree, inputs.workdir, owner, mode, keeps_owner=bool(instruction.flag("from")))


def _copy(
    tree: Mapping[str, Entry], patterns: list[str], target: Target, scratch: Path | None, out: dict[str, Entry]
) -> None:
    """Add the entries for some sources. With a scratch folder, local archives are unpacked."""
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


def _document(doc: Heredoc, texts: Mapping[str, Heredoc], inputs: CopyInputs) -> tuple[str, Entry]:
    """The name and file of a here-document; of several with the same name, the text of the last one."""
    content = texts.get(doc.name, doc)._replace(chomp=doc.chomp).content
    data = content.encode("utf-8", "surrogateescape")
    if doc.expand:
        # Here-documents always use the default escape character, and quotes in them are ordinary characters.
        plain = Lexer(work=inputs.lexer.work)
        data = plain.word(decode_utf8(data), inputs.variables, Quoting(plain_quotes=True)).encode()
        inputs.lexer.work = plain.work
    name = normal_path(doc.name)
    if not name or posixpath.dirname(name):
        raise CopyError(f"the here-document <<{doc.name} should have a name without folders")
    return name, Entry("file", 0o644, size=len(data), content=Inline(data))

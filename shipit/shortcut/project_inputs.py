"""The inputs of a project that was read from files and variables alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shipit.config.held import held_names, used_names
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.secret_names import is_secret_name
from shipit.shortcut.entries import Entry
from shipit.shortcut.inputs import Inputs, digest_of

FILE_NAME = "deploy.yml"
# Escapes of YAML, and a line that is continued, with which `${NAME}` may be written in another way.
_ESCAPE = re.compile(r"\\[xuU\r\n\x85\u2028\u2029]")


def entry_of(
    words: tuple[str, ...],
    project: Project,
    environment: ProcessEnvironment,
    kind: str,
    pinned: dict[str, object],
    options: dict[str, object],
) -> Entry | None:
    """The entry of a command line; None where its project depends on more than an entry can name.

    That is the state of git, an .env file, names of variables behind escapes, a deploy.yml of another folder, and warnings,
    which are told every time. Nothing is kept of a variable that is named like a secret, not even in a digest.
    """
    texts = {str(path): text for path, text in zip(project.files, project.source.texts.values(), strict=True)}
    written = [text.decode("utf-8", "replace") for text in texts.values()]
    names = {name for text in written for name in used_names(text)}
    has_escapes = any(_ESCAPE.search(text) for text in written)
    is_here = bool(project.files) and project.files[0] == environment.cwd / FILE_NAME
    reads_more = "git" in names or project.variables is not environment.variables
    if (
        not is_here
        or reads_more
        or any(is_secret_name(name) for name in names)
        or has_escapes
        or project.warnings
        or environment.is_untrusted
        or not all(texts.values())
    ):
        return None
    inputs = Inputs(tuple(texts), tuple(sorted(names)))
    digest = digest_of(words, inputs, environment, texts)
    return Entry(inputs, digest, kind, pinned, held_names(project.source.tree), options)


def masks_all(project: Project, secrets: Iterable[str]) -> bool:
    """True when the variables that an entry names hold every value of these secrets that a log masks.

    What a program gives is not read for a log, so that there is nothing to mask; a file would have to be read.
    """
    held = held_names(project.source.tree)
    sources = [project.secrets[name] for name in secrets]
    return all(source.file is None and (source.env is None or source.env in held) for source in sources)

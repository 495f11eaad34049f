"""New tokens of an auth provider, written into the kubeconfig: only their values change, and kubectl's lock is held.

Source: client-go, tools/clientcmd `ModifyConfig`, `lockFile`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from shipit.config.yaml_text import decode, quoted
from shipit.errors import ConfigErrors, RemoteError
from shipit.files import Unreadable, read_file, write_file
from shipit.targets.kubernetes.kubeconfig import MAX_BYTES
from shipit.targets.kubernetes.login import Provider


def save_tokens(provider: Provider, tokens: Mapping[str, str]) -> None:
    """Replace tokens in the settings of a provider. Raises: OSError, RemoteError."""
    path = Path(provider.where).resolve()
    with _locked(path):
        text = _text(path)
        for key, value in tokens.items():
            text = _replaced(text, provider, key, value)
        write_file(path, text.encode(), mode=path.stat().st_mode & 0o777)


def _text(path: Path) -> str:
    try:
        return decode(read_file(path, max_bytes=MAX_BYTES), str(path), MAX_BYTES)
    except (Unreadable, ConfigErrors) as error:
        raise RemoteError("the kubeconfig can't be read again", where=str(path)) from error


def _replaced(text: str, provider: Provider, key: str, value: str) -> str:
    """The text with another value of one setting, which is added where it is missing."""
    node = _node(text, provider)
    for name, old in node.value:
        if name.value == key:
            return text[: old.start_mark.index] + quoted(value) + text[old.end_mark.index :]
    first = node.value[0][0].start_mark
    between = ", " if node.flow_style else "\n" + " " * first.column
    return text[: first.index] + f"{quoted(key)}: {quoted(value)}" + between + text[first.index :]


def _node(text: str, provider: Provider) -> yaml.MappingNode:
    """The map `users[N].user.auth-provider.config`; the user is found by its place."""
    moved = RemoteError("it was changed meanwhile", where=provider.where)
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    for part in f"{provider.path}.config".replace("[", ".").replace("]", "").split("."):
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and int(part) < len(node.value):
            node = node.value[int(part)]
        else:
            raise moved
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise moved
    return node


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """kubectl's lock of a kubeconfig. Raises: FileExistsError when another program holds it."""
    lock = path.with_name(f"{path.name}.lock")
    os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0))
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)

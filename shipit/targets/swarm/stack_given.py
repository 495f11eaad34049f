"""The secrets and configs that a service of a stack file gets as files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.targets.swarm.spec import READABLE, ConfigFile, SecretFile
from shipit.targets.swarm.stack_node import Node
from shipit.targets.swarm.stack_top import GivenFile

# Path of a file of the project -> the hash of its bytes.
Contents = Mapping[str, str]


def file_source(name: str) -> str:
    """The source of a secret that is a file of the project: no variable has such a name."""
    return f"file.{name}"


def read_secrets(node: Node, known: Mapping[str, GivenFile]) -> tuple[tuple[SecretFile, ...], list[dict[str, Any]]]:
    """Those of files, and rows of the engine for external ones."""
    found: list[SecretFile] = []
    external: list[dict[str, Any]] = []
    for name, given, target, uid, gid, mode in _uses(node, "secret", known):
        if given.external:
            external.append({"SecretName": given.external, "File": _file(target or name, uid, gid, mode)})
        else:
            found.append(SecretFile(target or name, file_source(name), given.file, uid, gid, mode))
    return tuple(found), external


def read_configs(
    node: Node, known: Mapping[str, GivenFile], contents: Contents
) -> tuple[tuple[ConfigFile, ...], list[dict[str, Any]]]:
    """Those of files, and rows of the engine for external ones."""
    found: list[ConfigFile] = []
    external: list[dict[str, Any]] = []
    for name, given, target, uid, gid, mode in _uses(node, "config", known):
        path = target or f"/{name}"
        if given.external:
            external.append({"ConfigName": given.external, "File": _file(path, uid, gid, mode)})
        elif given.file in contents:
            found.append(ConfigFile(path, given.file, contents[given.file], uid, gid, mode))
    return tuple(found), external


def _uses(node: Node, kind: str, known: Mapping[str, GivenFile]) -> list[tuple[str, GivenFile, str, str, str, int]]:
    found = []
    for row in node.rows():
        keys = row.fields(("source", "target", "uid", "gid", "mode")) if row.is_map else None
        name = keys["source"].text() if keys else row.text()
        if name not in known:
            (keys["source"] if keys else row).wrong(
                f"{name} is no {kind} of this file", f"add it at the top level: {kind}s: {{{name}: {{file: FILE}}}}"
            )
            continue
        target, uid, gid = (keys[key].text(default) for key, default in _DEFAULTS) if keys else ("", "0", "0")
        if "," in target or target.startswith(","):
            row.wrong("can't have a comma in its target")
        found.append((name, known[name], target, uid, gid, _mode(keys["mode"]) if keys else READABLE))
    return found


_DEFAULTS = (("target", ""), ("uid", "0"), ("gid", "0"))


def _mode(node: Node) -> int:
    """Octal digits behind 0 or 0o, as in 0440; docker takes other digits for a decimal number, as in YAML.

    It refuses text in quotes, and takes the digits that a variable gives for a decimal number, also behind a 0.
    Source: docker/cli, cli/compose/loader/interpolate.go, toInt; config_schema_v3.8.json, mode.
    """
    if node.is_missing or node.secret or node.has_failed:
        node.text()
        return READABLE
    text = node.text()
    if node.is_expanded:
        return _mode_of_variable(node, text)
    digits, is_octal = (text[2:], True) if text.startswith("0o") else (text, text.startswith("0"))
    if not _are_digits(digits) or (is_octal and set(digits) & set("89")):
        node.wrong("should be a mode in octal digits, such as 0440")
        return READABLE
    if not node.is_plain:
        node.wrong("is a mode in quotes, which docker refuses", f"write {text} without quotes")
        return READABLE
    mode = int(digits, 8 if is_octal else 10)
    if not is_octal and _are_octal(digits):
        what = f"is a decimal number without a leading zero, which docker takes for the mode {mode:04o}"
        node.wrong(what, f"write 0{digits} or {mode:04o}, whichever is meant")
    elif mode > 0o7777:
        node.wrong("should be a mode of at most 07777")
    return mode


def _mode_of_variable(node: Node, text: str) -> int:
    if not _are_digits(text):
        node.wrong("should be a decimal number, as docker reads the mode that a variable gives", "write mode: 0440")
        return READABLE
    mode = int(text)
    if _are_octal(text) and int(text, 8) != mode:
        what = f"is {text} by a variable, a decimal number, which docker takes for the mode {mode:04o}"
        node.wrong(what, f"write mode: {int(text, 8):04o} or mode: {mode:04o} without a variable, whichever is meant")
    elif mode > 0o7777:
        node.wrong("should be a mode of at most 07777")
    return mode


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def _are_octal(digits: str) -> bool:
    return set(digits) <= set("01234567")


def _file(name: str, uid: str, gid: str, mode: int) -> dict[str, Any]:
    return {"Name": name, "UID": uid, "GID": gid, "Mode": mode}

"""Values of secrets in text of other tools' files, such as `--password=...` in a command. Pure.

A value is found by the name beside it, as the password of a URL, or by how a service begins its tokens; a variable such as `$PASSWORD` is none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.drafts.files import Command
from shipit.drafts.secret_names import names_secret_value

# The text in place of a value.
PLACEHOLDER = "TODO"
_OF_A_URL = "the password of a URL"
_A_TOKEN = "a token"
# Beginnings that services give to their tokens, so that they are found: Stripe, GitHub, GitLab, Slack, npm, AWS; JWT.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:(?:[sr]k_(?:live|test)_|gh[pousr]_|github_pat_|glpat-|xox[abpr]-|npm_)[A-Za-z0-9_-]{8,}"
    r"|AKIA[A-Z0-9]{12,}|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)"
)
_URL = re.compile(r"""://[^/\s:@"']*:(?P<value>[^/\s"']+)@""")
_WORD = r"""(?P<value>(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"';&|<>])+)"""
_NAME = r"(?P<name>-{0,2}[A-Za-z_][\w.-]*)"
# An option, or a dash alone: what else begins with a dash may be a value.
_OPTION = r"--|-[A-Za-z]?(?![^\s\"';&|<>])"
_BESIDE_NAMES = (
    # "--password=two words"
    re.compile(rf"""(?P<quote>["']){_NAME}=(?P<value>(?:(?!(?P=quote)).)+)"""),
    # --password=VALUE, PASSWORD=VALUE, ?token=VALUE
    re.compile(rf"(?<![\w.-]){_NAME}={_WORD}"),
    # --password VALUE, and -VALUE of more than a letter
    re.compile(rf"(?<![\w.-])(?P<name>--?(?!no-)[A-Za-z][\w.-]*)\s+(?!{_OPTION}){_WORD}"),
    # Authorization: VALUE
    re.compile(r"""(?<![\w.-])(?P<name>[A-Za-z][\w-]*): +(?P<value>[^"'\n]+)"""),
    # "password": "VALUE"
    re.compile(r"""["'](?P<name>[A-Za-z][\w.-]*)["']\s*:\s*["'](?P<value>[^"']+)"""),
    # ${PASSWORD:-VALUE}
    re.compile(r"\$\{(?P<name>[A-Za-z_]\w*):?[-=](?P<value>[^}]+)"),
)
_USER = r"""(?P<user>(?!-)(?:\$\{[^}\s]{0,100}\}|(?!\$\{)[^\s:"'/;&|<>]){0,100})"""
_LOGIN_OPTION = "-[A-Za-z]{0,9}[uU]|--(?:proxy-)?user"
_LOGIN = rf"(?<![\w.-])(?P<name>(?:{_LOGIN_OPTION})(?=[\s=])|-u)(?:\s+|=)?"
_LOGIN_WORD = re.compile(rf"{_USER}:(?P<value>.+)", re.DOTALL)
# -u NAME:VALUE, --user=NAME:VALUE
_LOGINS = (
    re.compile(rf"""{_LOGIN}(?P<quote>["']){_USER}:(?P<value>(?:(?!(?P=quote)).)+)"""),
    re.compile(rf"{_LOGIN}{_USER}:{_WORD}"),
)
_NO_VALUE = re.compile(
    r"\$+\w+|\$+\{\w+(:?\?[^}]*)?\}|\$\(.*|`.*|<.*|(\.{0,2}|~)/.*|.*\.(pem|key|crt|cert|json|txt|js|ts|py|rb|ya?ml|toml|env)"
    rf"|true|false|yes|no|on|off|none|null|[01]?|{PLACEHOLDER}",
    re.IGNORECASE | re.DOTALL,
)


class Hidden(NamedTuple):
    """A text without its values of secrets, and the names beside them as they are written."""

    text: str
    names: tuple[str, ...] = ()


def hide_values(text: str) -> Hidden:
    """A text with a placeholder for each value of a secret-named option, variable or header, password of a URL, and token."""
    found = hide_passwords(text)
    names = [] if found == text else [_OF_A_URL]
    if _TOKEN.search(found):
        found = _TOKEN.sub(PLACEHOLDER, found)
        names.append(_A_TOKEN)

    def hidden(match: re.Match[str]) -> str:
        if not _is_secret(match["name"], match["value"]):
            return match[0]
        names.append(match["name"])
        return _with_placeholder(match)

    def hidden_login(match: re.Match[str]) -> str:
        if not _is_password(match["user"], match["value"]):
            return match[0]
        names.append(match["name"])
        return _with_placeholder(match)

    for pattern in _BESIDE_NAMES:
        found = pattern.sub(hidden, found)
    for pattern in _LOGINS:
        found = pattern.sub(hidden_login, found)
    return Hidden(found, tuple(dict.fromkeys(names)))


def hide_passwords(text: str) -> str:
    """A text with a placeholder for each password of a URL."""
    return _URL.sub(lambda match: match[0] if _NO_VALUE.fullmatch(match["value"]) else _with_placeholder(match), text)


def hide_values_of(command: Command) -> tuple[Command, tuple[str, ...]]:
    """A command without values of secrets, and the names beside them. An option and its value may be two words."""
    if isinstance(command, str):
        return hide_values(command)
    words: list[str] = []
    names: list[str] = []
    for before, word in zip(("", *command), command, strict=False):
        hidden = _hide_word(before, word)
        words.append(hidden.text)
        names += hidden.names
    return tuple(words), tuple(dict.fromkeys(names))


def _hide_word(before: str, word: str) -> Hidden:
    """A word of a list, the one before it given: it is one value, whatever a shell would make of it."""
    name, equals, value = word.partition("=")
    if name.startswith("-") and equals and _is_secret(name, value):
        return Hidden(f"{name}={PLACEHOLDER}", (name,))
    if re.fullmatch(r"--?(?!no-)[A-Za-z][\w.-]*", before) and not re.match(_OPTION, word) and _is_secret(before, word):
        return Hidden(PLACEHOLDER, (before,))
    login = _LOGIN_WORD.fullmatch(word) if re.fullmatch(_LOGIN_OPTION, before) else None
    if login and _is_password(login["user"], login["value"]):
        return Hidden(_with_placeholder(login), (before,))
    return hide_values(word)


def _is_secret(name: str, value: str) -> bool:
    """True for a secret beside its name."""
    return names_secret_value(name) and _is_value(value)


def _is_password(user: str, value: str) -> bool:
    """True for the password of `user:value`: numbers are those of a user and a group."""
    return _is_value(value) and not (user.isdigit() and value.isdigit())


def _is_value(text: str) -> bool:
    """True for a text, in quotes or without, that is a value itself: a variable and a path are none."""
    bare = text[1:-1] if text[:1] == text[-1:] and text[:1] in ('"', "'") else text
    return not _NO_VALUE.fullmatch(bare.strip())


def _with_placeholder(match: re.Match[str]) -> str:
    start, end = (at - match.start() for at in match.span("value"))
    return f"{match[0][:start]}{PLACEHOLDER}{match[0][end:]}"

"""The health check of a service of a Compose file as a swarm of deploy.yml takes it. Pure.

Source: Compose specification (05-services.md, healthcheck).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from shipit.drafts.compose_file import with_defaults
from shipit.drafts.files import Command
from shipit.drafts.secret_values import hide_values_of
from shipit.drafts.text import yaml_command
from shipit.drafts.values import as_list, as_map, as_text, listed

DURATION = re.compile(r"(?=.)([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?")
_VARIABLE = re.compile(r"(?<!\$)(?:\$\$)*\$[A-Za-z_{]")
_TIMES = ("interval", "timeout", "start_period")


class DraftedHealth(NamedTuple):
    """`text` is the key of deploy.yml, empty without a health check; `todo` names what is not taken."""

    text: str = ""
    todo: tuple[str, ...] = ()


def draft_health(service: Mapping[str, Any]) -> DraftedHealth:
    """The `healthcheck` of a service; nothing of it where its test can't be taken."""
    check = as_map(service.get("healthcheck"))
    given = as_list(check.get("test")) or [as_text(check.get("test"))]
    words = [with_defaults(as_text(word)) for word in given]
    if as_text(check.get("disable")) == "true" or words[0] == "NONE":
        return DraftedHealth("healthcheck: {disable: true}")
    test = _test([word.replace("$$", "$") for word in words])
    if reason := _refusal(words, test):
        return DraftedHealth(todo=(f"healthcheck: {reason}",))
    parts = {**({"test": f"test: {yaml_command(test)}"} if test else {}), **dict(_numbers(check))}
    left = [
        f"healthcheck.{key} {as_text(value)}".rstrip()
        for key, value in check.items()
        if key not in (*parts, "test", "disable")
    ]
    text = f"healthcheck: {{{', '.join(parts.values())}}}" if parts else ""
    return DraftedHealth(text, (listed(left),) if left else ())


def _test(words: list[str]) -> Command:
    """The command: text for a shell, or the words behind CMD; empty for the test of the image."""
    if len(words) == 1:
        return words[0].strip()
    return words[1] if words[0] == "CMD-SHELL" else tuple(words[1:] if words[0] == "CMD" else words)


def _refusal(words: list[str], test: Command) -> str:
    """Why a test is not taken; empty for one that is."""
    if names := hide_values_of(test)[1]:
        return f"its test has the value of {listed(names)}"
    is_replaced = any(_VARIABLE.search(word) for word in words)
    return "Compose replaces variables in its test, deploy.yml does not" if is_replaced else ""


def _numbers(check: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in _TIMES:
        if DURATION.fullmatch(as_text(check.get(key))):
            yield key, f"{key}: {check[key]}"
    if re.fullmatch("[1-9][0-9]{0,8}", as_text(check.get("retries"))):
        yield "retries", f"retries: {check['retries']}"

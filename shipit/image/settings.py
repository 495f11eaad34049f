"""Instructions that only change an image's config: a function from config to config. Pure.

Source: OCI image-spec 1.1, config.md; Dockerfile reference.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from shipit.image.dockerfile import Instruction, split_words
from shipit.image.expand import expand, parse_pairs

Runtime = dict[str, Any]
DEFAULT_SHELL = ("/bin/sh", "-c")
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


def environment_of(runtime: Runtime) -> dict[str, str]:
    """The Env of a config as a map, in order."""
    return dict(item.partition("=")[::2] for item in runtime.get("Env") or [])


def with_setting(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], escape: str) -> Runtime:
    """The config after one of ENV, LABEL, USER, EXPOSE, VOLUME, STOPSIGNAL, HEALTHCHECK, SHELL, ENTRYPOINT, CMD, ONBUILD.

    Raises: ValueError with what the instruction should be.
    """
    keyword, text = instruction.keyword, instruction.text
    if keyword == "ENV":
        merged = environment_of(runtime) | dict(parse_pairs(text, variables, escape))
        return {**runtime, "Env": [f"{key}={value}" for key, value in merged.items()]}
    if keyword == "LABEL":
        return {**runtime, "Labels": {**(runtime.get("Labels") or {}), **dict(parse_pairs(text, variables, escape))}}
    if keyword in ("USER", "STOPSIGNAL"):
        return {**runtime, {"USER": "User", "STOPSIGNAL": "StopSignal"}[keyword]: expand(text, variables, escape)}
    if keyword == "EXPOSE":
        ports: dict[str, Any] = {_port(expand(word, variables, escape)): {} for word in split_words(text)}
        return {**runtime, "ExposedPorts": {**(runtime.get("ExposedPorts") or {}), **ports}}
    if keyword == "VOLUME":
        words = instruction.json_words or [expand(word, variables, escape) for word in split_words(text)]
        return {**runtime, "Volumes": {**(runtime.get("Volumes") or {}), **{word: {} for word in words}}}
    if keyword == "SHELL":
        if not instruction.json_words:
            raise ValueError('SHELL should be in the exec form: SHELL ["program", "argument"]')
        return {**runtime, "Shell": list(instruction.json_words)}
    if keyword == "HEALTHCHECK":
        return {**runtime, "Healthcheck": _healthcheck(instruction, runtime)}
    if keyword == "ONBUILD":
        return {**runtime, "OnBuild": [*(runtime.get("OnBuild") or []), text]}
    if keyword in ("ENTRYPOINT", "CMD"):
        return {**runtime, "Entrypoint" if keyword == "ENTRYPOINT" else "Cmd": argv(instruction, runtime)}
    raise ValueError(f"{keyword} is no setting")


def argv(instruction: Instruction, runtime: Runtime) -> list[str] | None:
    """The words of a CMD, ENTRYPOINT or HEALTHCHECK CMD: the exec form as it is, the shell form under the shell."""
    if instruction.json_words is not None:
        return list(instruction.json_words) or None
    return [*(runtime.get("Shell") or DEFAULT_SHELL), instruction.text] if instruction.text else None


def joined_workdir(runtime: Runtime, path: str) -> str:
    return posixpath.normpath(posixpath.join("/", runtime.get("WorkingDir") or "/", path))


def _port(word: str) -> str:
    match = re.fullmatch(r"(\d+(?:-\d+)?)(?:/(tcp|udp|sctp))?", word, re.IGNORECASE)
    if not match:
        raise ValueError(f"EXPOSE should name ports such as 8080 or 53/udp, found {word!r}")
    return f"{match[1]}/{(match[2] or 'tcp').lower()}"


def _healthcheck(instruction: Instruction, runtime: Runtime) -> dict[str, Any]:
    kind, _, rest = instruction.text.partition(" ")
    if kind.upper() == "NONE":
        return {"Test": ["NONE"]}
    if kind.upper() != "CMD" or not rest.strip():
        raise ValueError("HEALTHCHECK should be NONE, or CMD and a command")
    inner = Instruction("CMD", rest.strip(), instruction.line)
    test = ["CMD", *inner.json_words] if inner.json_words else ["CMD-SHELL", rest.strip()]
    keys = {
        "interval": "Interval",
        "timeout": "Timeout",
        "start-period": "StartPeriod",
        "start-interval": "StartInterval",
    }
    check: dict[str, Any] = {"Test": test}
    for name, value in instruction.flags:
        if name in keys:
            check[keys[name]] = _nanoseconds(value)
        elif name == "retries" and value.isdigit():
            check["Retries"] = int(value)
        else:
            raise ValueError(f"HEALTHCHECK has no --{name}={value}")
    return check


def _nanoseconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if not match or not text:
        raise ValueError(f"should be a duration such as 30s, found {text!r}")
    hours, minutes, seconds, milliseconds = (float(group or 0) for group in match.groups())
    return int((hours * 3600 + minutes * 60 + seconds) * 1_000_000_000 + milliseconds * 1_000_000)

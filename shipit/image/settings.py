"""Instructions that only change an image's config: a function from config to config. Pure.

Source: OCI image-spec 1.1, config.md; Dockerfile reference.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from shipit.image.dockerfile import INSTRUCTIONS, Instruction
from shipit.image.expand import expand, parse_pairs

Runtime = dict[str, Any]
DEFAULT_SHELL = ("/bin/sh", "-c")
_LAST_PORT = 65535
_SIGNALS = frozenset(
    [
        "ABRT",
        "ALRM",
        "BUS",
        "CHLD",
        "CLD",
        "CONT",
        "FPE",
        "HUP",
        "ILL",
        "INT",
        "IO",
        "IOT",
        "KILL",
        "PIPE",
        "POLL",
        "PROF",
        "PWR",
        "QUIT",
        "SEGV",
        "STKFLT",
        "STOP",
        "SYS",
        "TERM",
        "TRAP",
        "TSTP",
        "TTIN",
        "TTOU",
        "URG",
        "USR1",
        "USR2",
        "VTALRM",
        "WINCH",
        "XCPU",
        "XFSZ",
        "RTMIN",
        "RTMAX",
    ]
) | {
    *(f"RTMIN+{number}" for number in range(1, 16)),
    *(f"RTMAX-{number}" for number in range(1, 15)),
}
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
    if keyword == "USER":
        return {**runtime, "User": expand(text, variables, escape)}
    if keyword == "STOPSIGNAL":
        return {**runtime, "StopSignal": _signal(expand(text, variables, escape))}
    if keyword == "EXPOSE":
        words = [port for word in text.split() for port in expand(word, variables, escape).split()]
        ports: dict[str, Any] = {port: {} for word in words for port in _ports(word)}
        return {**runtime, "ExposedPorts": {**(runtime.get("ExposedPorts") or {}), **ports}}
    if keyword == "VOLUME":
        words = [expand(word, variables, escape) for word in instruction.json_words or text.split()]
        if "" in words:
            raise ValueError("VOLUME should name folders, found an empty word")
        return {**runtime, "Volumes": {**(runtime.get("Volumes") or {}), **{word: {} for word in words}}}
    if keyword == "SHELL":
        if not instruction.json_words:
            raise ValueError('SHELL should be in the exec form: SHELL ["program", "argument"]')
        return {**runtime, "Shell": list(instruction.json_words)}
    if keyword == "HEALTHCHECK":
        return {**runtime, "Healthcheck": _healthcheck(instruction, runtime)}
    if keyword == "ONBUILD":
        _check_trigger(text)
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
    """The WorkingDir after WORKDIR: an absolute path as it stands."""
    if path.startswith("/"):
        return path
    return posixpath.normpath(posixpath.join("/", runtime.get("WorkingDir") or "/", path))


def _ports(word: str) -> list[str]:
    """`8080`, `53/udp` or `8000-8002` as single ports."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?", word, re.ASCII | re.IGNORECASE)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if match is None or not first <= last <= _LAST_PORT:
        raise ValueError(f"EXPOSE should name ports such as 8080, 8000-8010 or 53/udp, found {word!r}")
    return [f"{port}/{(match[3] or 'tcp').lower()}" for port in range(first, last + 1)]


def _signal(text: str) -> str:
    if not (text.isdecimal() and int(text) > 0) and text.upper().removeprefix("SIG") not in _SIGNALS:
        raise ValueError(f"STOPSIGNAL should be a signal such as SIGTERM or 9, found {text!r}")
    return text


def _check_trigger(text: str) -> None:
    keyword = text.split()[0].upper()
    if keyword not in INSTRUCTIONS or keyword in ("FROM", "MAINTAINER", "ONBUILD"):
        raise ValueError(f"ONBUILD should hold an instruction other than FROM, MAINTAINER or ONBUILD, found {keyword}")


def _healthcheck(instruction: Instruction, runtime: Runtime) -> dict[str, Any]:
    kind, *others = instruction.text.split(None, 1)
    rest = "".join(others)
    if kind.upper() == "NONE":
        if rest.strip() or instruction.flags:
            raise ValueError("HEALTHCHECK NONE takes nothing more")
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
    return {key: value for key, value in check.items() if value}


def _nanoseconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if not match or not text:
        raise ValueError(f"should be a duration such as 30s, found {text!r}")
    hours, minutes, seconds, milliseconds = (float(group or 0) for group in match.groups())
    return int((hours * 3600 + minutes * 60 + seconds) * 1_000_000_000 + milliseconds * 1_000_000)

"""Instructions that change only how containers run: each modifies a stage's runtime.

Source: OCI image-spec 1.1, config.md; github.com/moby/buildkit 0.34, frontend/dockerfile/dockerfile2llb/convert.go.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from shipit.image.dockerfile.exec_form import json_words
from shipit.image.dockerfile.healthcheck import parse_healthcheck
from shipit.image.dockerfile.onbuild import onbuild_trigger
from shipit.image.dockerfile.pairs import parse_pairs
from shipit.image.dockerfile.parse import Instruction
from shipit.image.dockerfile.ports import parse_ports
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.syntax import parse_arguments
from shipit.image.native.runtime import Runtime
from shipit.image.patterns.go_space import SPACE

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


def set_labels(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    runtime.labels |= parse_pairs(instruction.text, variables, lexer)


def set_user(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    runtime.user = lexer.word(instruction.text, variables)


def set_stop_signal(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    text = lexer.word(instruction.text, variables)
    is_number = re.fullmatch(r"\d{1,9}", text, re.ASCII) and int(text) > 0
    if not is_number and text.upper().removeprefix("SIG") not in _SIGNALS:
        raise ValueError(f"STOPSIGNAL should be a signal such as SIGTERM or 9, found {text!r}")
    runtime.stop_signal = text


def expose(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    for argument in parse_arguments(instruction, lexer.escape).words:
        for word in lexer.lex(argument, variables).words:
            ports = parse_ports(word)
            lexer.spend(len(ports))
            runtime.ports |= dict.fromkeys(ports)


def add_volumes(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    words = parse_arguments(instruction, lexer.escape).words
    paths = [lexer.word(word.strip(SPACE), variables) for word in words]
    if "" in paths:
        raise ValueError("VOLUME should name folders, found an empty word")
    runtime.volumes |= dict.fromkeys(paths)


def set_shell(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    runtime.shell = list(json_words(instruction.text) or ())


def set_healthcheck(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    runtime.healthcheck = parse_healthcheck(instruction)


def set_command(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    runtime.cmd = _argv(runtime, instruction)


def set_entrypoint(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    runtime.entrypoint = _argv(runtime, instruction)


def add_trigger(runtime: Runtime, instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> None:
    runtime.triggers.append(onbuild_trigger(instruction))


Setting = Callable[[Runtime, Instruction, Mapping[str, str], Lexer], None]
SETTINGS: dict[str, Setting] = {
    "LABEL": set_labels,
    "USER": set_user,
    "STOPSIGNAL": set_stop_signal,
    "EXPOSE": expose,
    "VOLUME": add_volumes,
    "SHELL": set_shell,
    "HEALTHCHECK": set_healthcheck,
    "CMD": set_command,
    "ENTRYPOINT": set_entrypoint,
    "ONBUILD": add_trigger,
}


def _argv(runtime: Runtime, instruction: Instruction) -> list[str]:
    """The argv of a CMD or ENTRYPOINT: the exec form unchanged, the shell form run by the shell."""
    words = json_words(instruction.text)
    return runtime.shell_form(instruction.text) if words is None else list(words)


def joined_workdir(runtime: Runtime, path: str) -> str:
    """The WorkingDir after WORKDIR: an absolute path unchanged, a relative one joined, an empty one without effect."""
    if path.startswith("/") or not path:
        return path or runtime.workdir or "/"
    return posixpath.normpath(posixpath.join("/", runtime.workdir or "/", path))

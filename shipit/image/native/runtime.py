"""The `config` part of an image's config, which says how containers run, while a build changes it.

Source: OCI image-spec 1.1, config.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
_KNOWN = frozenset(
    ["Env", "Labels", "ExposedPorts", "Volumes", "User", "WorkingDir", "StopSignal", "Entrypoint", "Cmd", "Shell"]
    + ["Healthcheck", "OnBuild"]
)


@dataclass
class Runtime:
    """`env` has None for a variable of a base without a value. `other` holds keys that no instruction sets."""

    env: dict[str, str | None] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ports: dict[str, None] = field(default_factory=dict)
    volumes: dict[str, None] = field(default_factory=dict)
    user: str = ""
    workdir: str = ""
    stop_signal: str = ""
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    shell: list[str] | None = None
    healthcheck: dict[str, Any] | None = None
    triggers: list[str] = field(default_factory=list)
    other: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> Runtime:
        return replace(
            self,
            env=dict(self.env),
            labels=dict(self.labels),
            ports=dict(self.ports),
            volumes=dict(self.volumes),
            triggers=list(self.triggers),
            other=dict(self.other),
        )

    def shell_form(self, text: str) -> list[str]:
        """The argv that runs a text in the shell."""
        return [*(self.shell or DEFAULT_SHELL), text]

    def to_json(self) -> dict[str, Any]:
        """The `config` part as JSON, without empty values."""
        values: dict[str, Any] = {
            "Env": [name if value is None else f"{name}={value}" for name, value in self.env.items()],
            "Labels": self.labels,
            "ExposedPorts": {port: {} for port in self.ports},
            "Volumes": {path: {} for path in self.volumes},
            "User": self.user,
            "WorkingDir": self.workdir,
            "StopSignal": self.stop_signal,
            "Entrypoint": self.entrypoint,
            "Cmd": self.cmd,
            "Shell": self.shell,
            "Healthcheck": self.healthcheck,
            "OnBuild": self.triggers,
        }
        return self.other | {key: value for key, value in values.items() if value}


def scratch_runtime() -> Runtime:
    return Runtime(env={"PATH": DEFAULT_PATH}, workdir="/")


def parse_runtime(value: Mapping[str, Any]) -> Runtime:
    """The runtime of a base, from the checked `config` part of its config."""
    return Runtime(
        env=_variables(value.get("Env") or []),
        labels=dict(value.get("Labels") or {}),
        ports=dict.fromkeys(value.get("ExposedPorts") or {}),
        volumes=dict.fromkeys(value.get("Volumes") or {}),
        user=value.get("User") or "",
        workdir=value.get("WorkingDir") or "",
        stop_signal=value.get("StopSignal") or "",
        entrypoint=value.get("Entrypoint"),
        cmd=value.get("Cmd"),
        shell=value.get("Shell"),
        healthcheck=value.get("Healthcheck"),
        triggers=list(value.get("OnBuild") or []),
        other={key: item for key, item in value.items() if key not in _KNOWN},
    )


def _variables(entries: Iterable[str]) -> dict[str, str | None]:
    """The Env of a config as a map, in order."""
    parts = (entry.partition("=") for entry in entries)
    return {name: value if equals else None for name, equals, value in parts}

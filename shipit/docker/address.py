"""The address of the Docker engine: DOCKER_HOST, else the current context, else the default socket.

Source: docs.docker.com/engine/manage-resources/contexts; docs.docker.com/reference/cli/docker, "Environment variables".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shipit.files import Missing, Unreadable, read_file
from shipit.http.tls import Tls
from shipit.json_text import parse_json

DEFAULT_SOCKET = "/var/run/docker.sock"


class EngineAddress(NamedTuple):
    """An engine's URL: `unix://`, `tcp://` or `ssh://`.

    `origin` is the setting that it comes from, empty for a default. `problem` says why it cannot be used, else empty.
    """

    host: str
    origin: str = ""
    tls: Tls | None = None
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.host} ({self.origin})" if self.origin else self.host


def docker_folder(variables: Mapping[str, str], home: Path) -> Path:
    """`$DOCKER_CONFIG`, or `~/.docker`."""
    return Path(variables.get("DOCKER_CONFIG") or home / ".docker")


def find_engine(variables: Mapping[str, str], home: Path, warn: Callable[[str], None]) -> EngineAddress:
    """The engine that the docker command would use. `warn` is called when config.json cannot be read."""
    if host := variables.get("DOCKER_HOST"):
        return EngineAddress(host, "DOCKER_HOST", _tls_from_variables(variables, home) if _is_tcp(host) else None)
    folder = docker_folder(variables, home)
    name, origin = variables.get("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
    if not name:
        name, origin = _current_context(folder, warn), str(folder / "config.json")
    if name and name != "default":
        return _context_address(folder, name, origin)
    return _default_engine(variables, home)


def find_named_engine(name: str, variables: Mapping[str, str], home: Path, origin: str) -> EngineAddress:
    """The engine of a URL such as `ssh://me@host`, or of a docker context: `NAME` or `context:NAME`.

    A tcp:// engine has the certificates that the docker command would use. `origin` is the setting that has the name.
    """
    if "://" in name:
        return EngineAddress(name, origin, _tls_from_variables(variables, home) if _is_tcp(name) else None)
    context = name.removeprefix("context:")
    if context == "default":
        return _default_engine(variables, home)
    return _context_address(docker_folder(variables, home), context, origin)


def _default_engine(variables: Mapping[str, str], home: Path) -> EngineAddress:
    for socket in _default_sockets(variables, home):
        if socket.exists():
            return EngineAddress(f"unix://{socket}", "")
    return EngineAddress(f"unix://{DEFAULT_SOCKET}", "")


def _default_sockets(variables: Mapping[str, str], home: Path) -> list[Path]:
    """The sockets of the system's engine, of Docker Desktop and of a rootless engine."""
    found = [Path(DEFAULT_SOCKET), home / ".docker/run/docker.sock"]
    if runtime := variables.get("XDG_RUNTIME_DIR"):
        found.append(Path(runtime) / "docker.sock")
    return found


def _is_tcp(host: str) -> bool:
    return host.startswith(("tcp://", "http://", "https://"))


def _tls_from_variables(variables: Mapping[str, str], home: Path) -> Tls | None:
    is_verified, folder = variables.get("DOCKER_TLS_VERIFY"), variables.get("DOCKER_CERT_PATH")
    if not is_verified and not folder:
        return None
    return _tls_from_folder(Path(folder or docker_folder(variables, home)), is_verified=bool(is_verified))


def _tls_from_folder(folder: Path, *, is_verified: bool) -> Tls:
    files = [str(file) if (file := folder / name).is_file() else None for name in ("ca.pem", "cert.pem", "key.pem")]
    ca_file, cert_file, key_file = files
    return Tls(ca_file, cert_file, key_file, is_verified=is_verified)


def _current_context(folder: Path, warn: Callable[[str], None]) -> str:
    try:
        config = parse_json(read_file(folder / "config.json"))
    except Missing:
        return ""
    except (Unreadable, ValueError):
        warn(f"{folder / 'config.json'} can't be read, so its current context is ignored")
        return ""
    return str(config.get("currentContext") or "") if isinstance(config, dict) else ""


def _context_address(folder: Path, name: str, origin: str) -> EngineAddress:
    key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    file = folder / "contexts/meta" / key / "meta.json"
    try:
        endpoint: Any = parse_json(read_file(file))["Endpoints"]["docker"]
        host = str(endpoint["Host"])
    except Missing:
        return EngineAddress(f"context {name}", origin, problem=f"there is no docker context {name!r}")
    except (Unreadable, ValueError, KeyError, TypeError):
        return EngineAddress(f"context {name}", origin, problem=f"{file} can't be read")
    tls = None
    if _is_tcp(host):
        files = folder / "contexts/tls" / key / "docker"
        is_verified = not endpoint.get("SkipTLSVerify")
        tls = _tls_from_folder(files, is_verified=is_verified) if files.is_dir() or not is_verified else None
    return EngineAddress(host, f"context {name}", tls)

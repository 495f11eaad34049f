"""The engine's address: from variables, from docker's contexts, or a default socket."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shipit.docker.address import DEFAULT_SOCKET, EngineAddress, docker_folder, find_engine, find_named_engine
from shipit.http.tls import Tls


def find(home: Path, **variables: str) -> EngineAddress:
    return find_engine(variables, home, pytest.fail)


def use_context(home: Path, name: str) -> None:
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))


def write_context(home: Path, name: str, **endpoint: Any) -> Path:
    """A context as `docker context create` writes it; returns the folder for its TLS files, which it may lack."""
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / key / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}))
    return home / ".docker/contexts/tls" / key / "docker"


def test_docker_host_wins_over_contexts(tmp_path: Path) -> None:
    use_context(tmp_path, "prod")
    found = find(tmp_path, DOCKER_HOST="ssh://me@host", DOCKER_CONTEXT="other")
    assert found == EngineAddress("ssh://me@host", "DOCKER_HOST") and str(found) == "ssh://me@host (DOCKER_HOST)"


def test_docker_context_wins_over_the_current_context(tmp_path: Path) -> None:
    use_context(tmp_path, "prod")
    write_context(tmp_path, "prod", Host="tcp://prod:2375")
    write_context(tmp_path, "staging", Host="tcp://staging:2375")
    assert find(tmp_path).host == "tcp://prod:2375"
    assert find(tmp_path, DOCKER_CONTEXT="staging") == EngineAddress("tcp://staging:2375", "context staging")


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("ssh://me@host", {"DOCKER_HOST": "tcp://other:1"}, EngineAddress("ssh://me@host", "--engine")),
        ("staging", {"DOCKER_CONTEXT": "prod"}, EngineAddress("tcp://staging:2375", "context staging")),
        ("context:staging", {}, EngineAddress("tcp://staging:2375", "context staging")),
        (
            "tcp://host:2376",
            {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/nowhere"},
            EngineAddress("tcp://host:2376", "--engine", Tls(is_verified=True)),
        ),
        (
            "gone",
            {},
            EngineAddress("context gone", "--engine", problem="there is no docker context 'gone'"),
        ),
    ],
)
def test_a_command_line_names_an_address_or_a_context(
    tmp_path: Path, text: str, variables: dict[str, str], expected: EngineAddress
) -> None:
    write_context(tmp_path, "staging", Host="tcp://staging:2375")
    assert find_named_engine(text, variables, tmp_path, "--engine") == expected


def test_the_context_default_is_a_default_socket(tmp_path: Path) -> None:
    (tmp_path / "docker.sock").touch()
    variables = {"DOCKER_HOST": "tcp://other:1", "XDG_RUNTIME_DIR": str(tmp_path)}
    own = f"unix://{tmp_path}/docker.sock"
    expected = f"unix://{DEFAULT_SOCKET}" if Path(DEFAULT_SOCKET).exists() else own
    assert find_named_engine("default", variables, tmp_path, "--engine").host == expected


def test_the_default_context_is_a_socket(tmp_path: Path) -> None:
    use_context(tmp_path, "default")
    runtime = tmp_path / "run"
    runtime.mkdir()
    (runtime / "docker.sock").touch()
    first = DEFAULT_SOCKET if Path(DEFAULT_SOCKET).exists() else f"{runtime}/docker.sock"
    assert find(tmp_path, XDG_RUNTIME_DIR=str(runtime)) == EngineAddress(f"unix://{first}")


def test_a_socket_of_docker_desktop_is_found(tmp_path: Path) -> None:
    socket = tmp_path / ".docker/run/docker.sock"
    socket.parent.mkdir(parents=True)
    socket.touch()
    first = DEFAULT_SOCKET if Path(DEFAULT_SOCKET).exists() else socket
    assert find(tmp_path) == EngineAddress(f"unix://{first}")


def test_a_context_whose_name_can_not_be_encoded_is_missing(tmp_path: Path) -> None:
    use_context(tmp_path, "\ud800")
    assert find(tmp_path).problem == "there is no docker context '\\ud800'"


def test_a_missing_context_is_a_problem(tmp_path: Path) -> None:
    use_context(tmp_path, "gone")
    assert find(tmp_path).problem == "there is no docker context 'gone'"


@pytest.mark.parametrize("meta", ["", "[]", "{}", '{"Endpoints": {}}', '{"Endpoints": {"docker": 1}}', "[" * 9000])
def test_an_invalid_context_is_a_problem(tmp_path: Path, meta: str) -> None:
    folder = write_context(tmp_path, "prod").parents[2] / "meta"
    next(folder.rglob("meta.json")).write_text(meta)
    found = find(tmp_path, DOCKER_CONTEXT="prod")
    assert found.host == "context prod" and found.problem.endswith("meta.json can't be read")


def test_tls_files_of_a_context_are_used_over_tcp(tmp_path: Path) -> None:
    folder = write_context(tmp_path, "prod", Host="tcp://prod:2376", SkipTLSVerify=False)
    folder.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).touch()
    wanted = Tls(f"{folder}/ca.pem", f"{folder}/cert.pem", f"{folder}/key.pem", is_verified=True)
    assert find(tmp_path, DOCKER_CONTEXT="prod").tls == wanted


def test_a_context_without_tls_files_has_no_tls(tmp_path: Path) -> None:
    write_context(tmp_path, "prod", Host="tcp://prod:2375")
    write_context(tmp_path, "unverified", Host="tcp://prod:2376", SkipTLSVerify=True)
    assert find(tmp_path, DOCKER_CONTEXT="prod").tls is None
    assert find(tmp_path, DOCKER_CONTEXT="unverified").tls == Tls(is_verified=False)


@pytest.mark.parametrize(
    ("variables", "tls"),
    [
        ({}, None),
        ({"DOCKER_TLS_VERIFY": "1"}, Tls("{certs}/ca.pem", is_verified=True)),
        ({"DOCKER_CERT_PATH": "{certs}"}, Tls("{certs}/ca.pem", is_verified=False)),
    ],
)
def test_tls_variables_apply_to_docker_host(tmp_path: Path, variables: dict[str, str], tls: Tls | None) -> None:
    certs = tmp_path / ".docker"
    certs.mkdir()
    (certs / "ca.pem").touch()
    variables = {key: value.format(certs=certs) for key, value in variables.items()}
    wanted = tls._replace(ca_file=str(tls.ca_file).format(certs=certs)) if tls else None
    assert find(tmp_path, DOCKER_HOST="tcp://host:2376", **variables).tls == wanted
    assert find(tmp_path, DOCKER_HOST="unix:///x.sock", **variables).tls is None


def test_docker_config_names_the_folder_of_contexts(tmp_path: Path) -> None:
    assert docker_folder({"DOCKER_CONFIG": "/etc/docker-cli"}, tmp_path) == Path("/etc/docker-cli")
    assert docker_folder({}, tmp_path) == tmp_path / ".docker"


@pytest.mark.parametrize("config", [b"{", b"\xff", b"[" * 9000])
def test_a_broken_config_file_is_a_warning(tmp_path: Path, config: bytes) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_bytes(config)
    warnings: list[str] = []
    assert find_engine({}, tmp_path, warnings.append).host.startswith("unix://")
    assert warnings == [f"{tmp_path}/.docker/config.json can't be read, so its current context is ignored"]

"""A kubeconfig means here what it means to the official Python client of Kubernetes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.targets.kubernetes.identity import Identity
from shipit.targets.kubernetes.kubeconfig import read_context
from tests.servers.certificates import Authority

SERVER = "https://127.0.0.1:6443"
PLUGIN = """\
#!/bin/sh
printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "from-plugin"}}'
"""
# The user of the context, the cluster beside its server.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "token": ({"token": "abc"}, {}),
    "token file": ({"tokenFile": "token"}, {}),
    "password": ({"username": "me", "password": "secret"}, {}),
    "plugin": ({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never"}}, {}),
    "not verified": ({"token": "abc"}, {"insecure-skip-tls-verify": True}),
    "server name": ({"token": "abc"}, {"tls-server-name": "other.example"}),
    "proxy": ({"token": "abc"}, {"proxy-url": "http://127.0.0.1:3128"}),
    "a slash at the end": ({"token": "abc"}, {"server": f"{SERVER}/"}),
    "a path": ({"token": "abc"}, {"server": f"{SERVER}/k8s/clusters/c-1"}),
    "certificates in files": ({"client-certificate": "client.pem", "client-key": "client-key.pem"}, {"certificate-authority": "ca.pem"}),
    "certificates within": ({"client-certificate-data": "client.pem", "client-key-data": "client-key.pem"}, {"certificate-authority-data": "ca.pem"}),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a token's file, a plugin and certificates."""
    Authority(tmp_path).issue("client", "me")
    for made, name in (("ca.crt", "ca.pem"), ("client.crt", "client.pem"), ("client.key", "client-key.pem")):
        (tmp_path / made).rename(tmp_path / name)
    (tmp_path / "token").write_text("from-file")
    (tmp_path / "plugin").write_text(PLUGIN)
    (tmp_path / "plugin").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("case", CASES)
def test_a_context_reads_as_the_official_client_reads_it(folder: Path, case: str) -> None:
    from kubernetes import client, config

    user, cluster = (
        {key: _within(folder, value) if key.endswith("-data") else value for key, value in part.items()}
        for part in CASES[case]
    )
    file = folder / "config"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
                "clusters": [{"name": "c", "cluster": {"server": SERVER, **cluster}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    theirs = client.Configuration()
    config.load_kube_config(str(file), client_configuration=theirs, persist_config=False)
    environment = ProcessEnvironment({"KUBECONFIG": str(file), "PATH": "/usr/bin:/bin"}, folder, folder)
    ours = read_context(environment, None)
    identity, deadline = Identity(ours, environment), Deadline(Clock())
    try:
        tls = identity.tls(deadline)
        assert ours.server == theirs.host.rstrip("/")
        assert (ours.is_verified, ours.server_name, ours.proxy) == (
            theirs.verify_ssl,
            theirs.tls_server_name or "",
            theirs.proxy or "",
        )
        assert identity.header(deadline).get("Authorization", "") == _authorization(theirs)
        pairs = ((tls.ca_file, theirs.ssl_ca_cert), (tls.cert_file, theirs.cert_file), (tls.key_file, theirs.key_file))
        assert [_bytes(own) for own, _ in pairs] == [_bytes(other) for _, other in pairs]
    finally:
        identity.close()


def _within(folder: Path, name: str) -> str:
    return base64.b64encode((folder / name).read_bytes()).decode()


def _authorization(theirs: Any) -> str:
    """The header that the official client would send."""
    if theirs.username:
        return str(theirs.get_basic_auth_token())
    return str(theirs.get_api_key_with_prefix("BearerToken") or theirs.get_api_key_with_prefix("authorization") or "")


def _bytes(file: str | None) -> bytes:
    return Path(file).read_bytes().strip() if file else b""

"""Kubeconfigs, the programs that they name, and certificates: odd ones are errors that name the file and the field."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import DeadlinePassed, Interrupted, RemoteError
from shipit.rehearsal.server import Response
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.kubeconfig import read_context
from shipit.targets.kubernetes.logs import LOG_BYTES, last_lines, log_since
from shipit.targets.kubernetes.place import find_context
from shipit.targets.kubernetes.server import ApiServer
from shipit.targets.kubernetes.tail import Tail
from tests import runs
from tests.http.scripted import Start, deaf
from tests.servers.certificates import Authority, server_context
from tests.servers.kube_api import KubeApi
from tests.waits import SOON_S, wait_until


def environment(folder: Path, *texts: str | bytes, **variables: str) -> ProcessEnvironment:
    files = []
    for number, text in enumerate(texts):
        file = folder / f"config-{number}"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        files.append(str(file))
    return runs.environment(folder, KUBECONFIG=":".join(files), **variables)


def config(**change: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "current-context": "prod",
        "clusters": [{"name": "prod", "cluster": {"server": "https://10.0.0.1:6443"}}],
        "users": [{"name": "me", "user": {"token": "t-1234"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "me", "namespace": "shop"}}],
    }
    return {**whole, **change}


def cluster(**fields: Any) -> dict[str, Any]:
    return config(clusters=[{"name": "prod", "cluster": {"server": "https://10.0.0.1:6443", **fields}}])


def user(**fields: Any) -> dict[str, Any]:
    return config(users=[{"name": "me", "user": fields}])


def test_a_kubeconfig_is_merged_as_kubectl_does(tmp_path: Path) -> None:
    first = {"contexts": [{"name": "a", "context": {"cluster": "one", "user": "me"}}], "current-context": "a"}
    second = config(clusters=[{"name": "one", "cluster": {"server": "https://one/path/"}}], contexts=[
        {"name": "a", "context": {"cluster": "other"}}, {"name": "b", "context": {"cluster": "one"}},
    ])  # fmt: skip
    found = read_context(environment(tmp_path, json.dumps(first), "", json.dumps(second)), None)
    assert (found.name, found.server, found.namespace, found.login.token) == ("a", "https://one/path", "", "t-1234")
    assert read_context(environment(tmp_path, json.dumps(first), "", json.dumps(second)), "b").login.token == ""


def test_missing_and_repeated_files_of_a_list_are_skipped_and_tilde_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(json.dumps(config()))
    (tmp_path / "other").write_text(json.dumps({"current-context": "none"}))
    paths = f"~/other:{tmp_path}/missing::{tmp_path}/config:{tmp_path}/config:{tmp_path}/other"
    assert read_context(runs.environment(tmp_path, KUBECONFIG=paths), None).name == "prod"


def test_credentials_of_a_kubeconfig_are_redacted_as_soon_as_it_is_read(tmp_path: Path) -> None:
    secret = {"as-token": "token-4711", "id": "id-4711", "refresh": "refresh-4711", "client": "client-4711"}
    settings = {"id-token": secret["id"], "refresh-token": secret["refresh"], "client-secret": secret["client"]}
    for fields in (
        {"token": "token-4711"},
        {"username": "me", "password": "pass-4711"},
        {"auth-provider": {"name": "oidc", "config": settings}},
        {"exec": {"command": "x", "apiVersion": "v", "env": [{"name": "API_TOKEN", "value": "env-4711"}]}},
    ):
        whole = {**cluster(**{"proxy-url": "http://me:proxy-4711@proxy.example"}), "users": user(**fields)["users"]}
        process_environment = environment(tmp_path, json.dumps(whole))
        read_context(process_environment, None)
        for text in (*json.dumps(fields).split('"'), "proxy-4711"):
            if text.endswith("-4711"):
                assert process_environment.redactor.text(f"<{text}>") == "<[redacted]>"


ODD: list[tuple[Any, str]] = [
    (b"\xff\xfe\x00", "the kubeconfig is no text: the file should be UTF-8"),
    ("caf\xe9: 1".encode("latin-1"), "the kubeconfig is no text: the file should be UTF-8"),
    ("[1, 2]", "the kubeconfig should be a map of keys"),
    ("text", "the kubeconfig should be a map of keys"),
    ("a: [", "the kubeconfig should be YAML; it is not at line 2"),
    ("a: *nothing", "the kubeconfig should be YAML; it is not at line 1"),
    ("a: !!python/object:os.system {}", "the kubeconfig should be YAML; it is not at line 1"),
    ("a: &a [*a, *a]\nb: &b [*a, *a, *b]\ncontexts: *b", "contexts[0] should be a map, not a list"),
    ("contexts: &a [*a]\ncurrent-context: x", "contexts[0] should be a map, not a list"),
    ("x: " + "[" * 5000 + "]" * 5000, "the kubeconfig should be YAML; it is not at line 1"),
    ("current-context: 2024-01-01", "current-context should be text, not another type"),
    (config(contexts={"prod": {}}), "contexts should be a list, not a map"),
    (config(contexts=[1]), "contexts[0] should be a map, not a number"),
    (config(contexts=[{"context": {}}]), "contexts[0].name should be there"),
    (config(contexts=[{"name": "prod", "context": []}]), "contexts[0].context should be a map, not a list"),
    (config(contexts=[{"name": "prod", "context": {}}]), "contexts[0].context.cluster should be there"),
    (config(contexts=[{"name": "prod", "context": {"cluster": 1}}]), "contexts[0].context.cluster should be text, not a number"),
    (config(contexts=[{"name": "prod", "context": {"cluster": "x"}}]), "contexts[0].context.cluster names one of clusters that is not there: 'x'"),
    (config(users=[]), "contexts[0].context.user names one of users that is not there: 'me'"),
    (config(users={"me": {}}), "users should be a list, not a map"),
    (config(clusters="x"), "clusters should be a list, not text"),
    (config(clusters=[{"name": "prod"}]), "clusters[0].cluster.server should be there"),
    (config(contexts=[{"name": "prod", "context": {"cluster": "prod", "namespace": "../../x"}}]),
     "contexts[0].context.namespace should be the name of a namespace: at most 63 lower-case letters, digits and '-'"),
    (config(contexts=[{"name": "prod", "context": {"cluster": "prod", "namespace": 7}}]), "contexts[0].context.namespace should be text, not a number"),
    (cluster(server="10.0.0.1"), "clusters[0].cluster.server should be a URL of http or https"),
    (cluster(server="file:///etc/passwd"), "clusters[0].cluster.server should be a URL of http or https"),
    (cluster(server="https://me:canary-4711@a"), "clusters[0].cluster.server should be a URL without user, query and fragment"),
    (cluster(server="https://a/?b=c"), "clusters[0].cluster.server should be a URL without user, query and fragment"),
    (cluster(server="https://a/#b"), "clusters[0].cluster.server should be a URL without user, query and fragment"),
    (cluster(server="https://a:99999"), "clusters[0].cluster.server should be a URL of http or https"),
    (cluster(**{"insecure-skip-tls-verify": "yes"}), "clusters[0].cluster.insecure-skip-tls-verify should be true or false, not text"),
    (cluster(**{"certificate-authority": ["a"]}), "clusters[0].cluster.certificate-authority should be text, not a list"),
    (cluster(**{"proxy-url": "ftp://x"}), "clusters[0].cluster.proxy-url should begin with http://, https://, socks5://, socks5h://"),
    (user(token=12345), "users[0].user.token should be text, not a number"),
    (user(exec=[]), "users[0].user.exec should be a map, not a list"),
    (user(exec={"args": ["x"]}), "users[0].user.exec.command should be there"),
    (user(exec={"command": "x"}), "users[0].user.exec.apiVersion should be there"),
    (user(exec={"command": "x", "apiVersion": "v", "args": "get-token"}), "users[0].user.exec.args should be a list, not text"),
    (user(exec={"command": "x", "apiVersion": "v", "args": [1]}), "users[0].user.exec.args[0] should be text, not a number"),
    (user(exec={"command": "x", "apiVersion": "v", "env": {"A": "b"}}), "users[0].user.exec.env should be a list, not a map"),
    (user(exec={"command": "x", "apiVersion": "v", "env": [{"value": "b"}]}), "users[0].user.exec.env[0].name should be there"),
    (user(**{"auth-provider": "gcp"}), "users[0].user.auth-provider should be a map, not text"),
    (user(**{"auth-provider": {"config": {}}}), "users[0].user.auth-provider.name should be there"),
    (config(users=[{"name": "me", "user": {}}, {"name": "me", "user": {}}]), "users[1].name is the name of another one of users, too: give them different names"),
    (cluster(**{"insecure-skip-tls-verify": True, "certificate-authority": "ca.crt"}),
     "clusters[0].cluster.insecure-skip-tls-verify can't be combined with a certificate-authority: keep one of the two"),
    (cluster(**{"certificate-authority": "a", "certificate-authority-data": "b"}),
     "clusters[0].cluster.certificate-authority can't be combined with certificate-authority-data: keep one of the two"),
    (cluster(**{"tls-server-name": "a\r\nb"}), "clusters[0].cluster.tls-server-name should be the name in the server's certificate, such as api.example.com"),
    (cluster(**{"proxy-url": "http://"}), "clusters[0].cluster.proxy-url should be a URL such as http://proxy.example.com:3128"),
    (cluster(**{"proxy-url": "http://a:b@[x"}), "clusters[0].cluster.proxy-url should be a URL such as http://proxy.example.com:3128"),
    (cluster(**{"proxy-url": "http://proxy\r\nHost: evil"}), "clusters[0].cluster.proxy-url should be a URL such as http://proxy.example.com:3128"),
    (user(token="t-1234", username="me"), "users[0].user.token can't be combined with username and password: keep one of the two"),
    (user(exec={"command": "x", "apiVersion": "v"}, **{"auth-provider": {"name": "oidc"}}),
     "users[0].user.auth-provider can't be combined with exec: keep one of the two"),
    (user(**{"client-key": "a", "client-key-data": "b"}), "users[0].user.client-key can't be combined with client-key-data: keep one of the two"),
    (user(exec={"command": "x", "apiVersion": "client.authentication.k8s.io/v1"}), "users[0].user.exec.interactiveMode should be Never, IfAvailable or Always"),
    (user(exec={"command": "x", "apiVersion": "v", "interactiveMode": "never"}), "users[0].user.exec.interactiveMode should be Never, IfAvailable or Always"),
    (user(**{"as-groups": ["a"]}), "users[0].user.as should be there, because as-uid, as-groups or as-user-extra is"),
    (user(**{"as": ["a"]}), "users[0].user.as should be text, not a list"),
    (user(**{"as": "a\r\nImpersonate-Group: system:masters"}), "users[0].user.as should have no control characters, and no spaces at its ends"),
    (user(**{"as": "a", "as-groups": ["b", "c\nd"]}), "users[0].user.as-groups[1] should have no control characters, and no spaces at its ends"),
    (user(**{"as": "a", "as-user-extra": {"k": ["v\0"]}}), "users[0].user.as-user-extra.k[0] should have no control characters, and no spaces at its ends"),
    (user(**{"as": "a", "as-user-extra": {"k": "v"}}), "users[0].user.as-user-extra.k should be a list, not text"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ODD, ids=lambda part: str(part)[:60])
def test_an_odd_kubeconfig_is_an_error_that_names_the_field(tmp_path: Path, text: Any, said: str) -> None:
    process_environment = environment(tmp_path, text if isinstance(text, str | bytes) else json.dumps(text))
    with pytest.raises(RemoteError) as caught:
        read_context(process_environment, None)
    assert caught.value.what == said
    assert caught.value.where == str(tmp_path / "config-0")
    assert "t-1234" not in caught.value.render()


@pytest.mark.parametrize("name", ["nothing", "folder", "fifo"])
def test_a_kubeconfig_that_is_not_a_file(tmp_path: Path, name: str) -> None:
    import os

    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    started = time.monotonic()
    with pytest.raises(RemoteError) as caught:
        read_context(runs.environment(tmp_path, KUBECONFIG=str(tmp_path / name)), None)
    assert time.monotonic() - started < 9, "a pipe without a writer is waited for 10 s"
    assert name in caught.value.where


def send(process_environment: ProcessEnvironment, deadline: Deadline | None = None) -> int:
    server = ApiServer(read_context(process_environment, None), process_environment)
    try:
        return server.send("GET", "/version", deadline or Deadline(Clock()).within(60)).status
    finally:
        server.close()


PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").decode()
KEY = base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (cluster(**{"certificate-authority-data": "!"}), "clusters[0].cluster.certificate-authority-data should be base64 of PEM"),
        (cluster(**{"certificate-authority-data": "/w=="}), "clusters[0].cluster.certificate-authority-data should be base64 of PEM"),
        (cluster(**{"certificate-authority-data": "YWJj"}), "clusters[0].cluster.certificate-authority-data should be PEM"),
        (cluster(**{"certificate-authority": "nowhere.crt"}), "clusters[0].cluster.certificate-authority can't be read: No such file or directory"),
        (cluster(**{"certificate-authority": "/dev/zero"}), "clusters[0].cluster.certificate-authority can't be read: it is a device, and should be a regular file"),
        (cluster(**{"certificate-authority-data": PEM}), "clusters[0].cluster.certificate-authority-data can't be used as certificates"),
        (user(**{"client-certificate-data": PEM}), "the user of the context prod has a client-certificate without its client-key, or a key without its certificate"),
        (user(**{"client-key-data": KEY}), "the user of the context prod has a client-certificate without its client-key, or a key without its certificate"),
        (user(**{"client-certificate-data": PEM, "client-key-data": KEY}), "the client-certificate with its client-key of the context prod can't be used as certificates"),
        (user(token="a b"), "the token of the context prod should be of printable ASCII, without spaces"),
        (user(token="a\r\nHost: evil"), "the token of the context prod should be of printable ASCII, without spaces"),
        (user(token="tökén"), "the token of the context prod should be of printable ASCII, without spaces"),
        (user(tokenFile="nowhere"), "tokenFile can't be read: No such file or directory"),
        (user(**{"auth-provider": {"name": "gcp", "config": {"access-token": "x"}}}), "users[0].user.auth-provider: the auth provider gcp was removed from Kubernetes"),
        (user(**{"auth-provider": {"name": "oidc", "config": {}}}), "the OpenID Connect token has expired, and there is no refresh-token"),
        (user(**{"auth-provider": {"name": "oidc", "config": {"id-token": "a.e30.c"}}}), "the OpenID Connect token has expired, and there is no refresh-token"),
    ],
    ids=lambda part: str(part)[:80],
)  # fmt: skip
def test_odd_credentials_are_an_error_before_anything_is_sent(tmp_path: Path, text: Any, said: str) -> None:
    with pytest.raises(RemoteError) as caught:
        send(environment(tmp_path, json.dumps(text)))
    assert caught.value.what.endswith(said), caught.value.render()
    assert caught.value.where


def plugin(folder: Path, script: str, **more: Any) -> dict[str, Any]:
    file = folder / "plugin"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    return user(
        exec={
            "command": "./plugin",
            "apiVersion": version,
            "interactiveMode": "Never",
            "installHint": "install the plugin",
            **more,
        }
    )


def credential(**status: Any) -> str:
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


@pytest.mark.parametrize(
    ("script", "said", "detail"),
    [
        ("echo garbage", "users[0].user.exec runs ./plugin, which prints no JSON", ()),
        ("printf '\\377\\376'", "users[0].user.exec runs ./plugin, which prints no JSON", ()),
        ("true", "users[0].user.exec runs ./plugin, which prints no JSON", ()),
        ("echo '[]'", "the answer should be a map, not a list", ()),
        ("echo '{}'", "apiVersion should be client.authentication.k8s.io/v1", ()),
        (f"echo '{credential()}'", "status should have a token, or clientCertificateData with clientKeyData", ()),
        (f"echo '{credential(token=7)}'", "status.token should be text, not a number", ()),
        (f"echo '{credential(token='a b')}'", "status.token should be of printable ASCII, without spaces", ()),
        (f"echo '{credential(clientCertificateData='x')}'", "status should have a token, or clientCertificateData with clientKeyData", ()),
        (f"echo '{credential(token='x', expirationTimestamp='soon')}'", "status.expirationTimestamp should be a time such as 2026-01-31T12:00:00Z", ()),
        ("echo please log in >&2; exit 3", "users[0].user.exec runs ./plugin, which ended with 3", ("please log in",)),
        ("kill -9 $$", "users[0].user.exec runs ./plugin, which was ended by SIGKILL", ()),
        ("yes", "users[0].user.exec runs ./plugin, which printed more than 1,048,576 bytes", ()),
        ("read x && echo $x", "users[0].user.exec runs ./plugin, which ended with 1", ()),
    ],
    ids=lambda part: str(part)[:40],
)  # fmt: skip
def test_a_plugin_that_prints_anything_else_is_an_error(
    tmp_path: Path, script: str, said: str, detail: tuple[str, ...]
) -> None:
    with pytest.raises(RemoteError) as caught:
        send(environment(tmp_path, json.dumps(plugin(tmp_path, script))))
    assert (caught.value.what, caught.value.detail) == (said, detail)
    assert str(tmp_path / "config-0") in caught.value.where


def test_a_plugin_that_hangs_ends_at_the_deadline_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait"
    clock = runs.EventClock((tmp_path / "pid").exists)
    with pytest.raises(DeadlinePassed, match=r"the deadline passed while waiting for the exec plugin \./plugin"):
        send(environment(tmp_path, json.dumps(plugin(tmp_path, script))), Deadline(clock).within(20))
    pid = (tmp_path / "pid").read_text().strip()
    assert pid.isdecimal()
    wait_until("the plugin's child is ended", lambda: is_running(pid), lambda is_so: not is_so, SOON_S)


def is_running(pid: str) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_plugin_is_interrupted_with_the_run(tmp_path: Path) -> None:
    class Interrupting(Clock):
        """Cancelled when the plugin has started."""

        def check(self) -> None:
            if (tmp_path / "started").exists():
                self.cancel.set()
            super().check()

    started = time.monotonic()
    with pytest.raises(Interrupted):
        script = f"touch {tmp_path}/started; sleep 300"
        send(environment(tmp_path, json.dumps(plugin(tmp_path, script))), Deadline(Interrupting()))
    assert time.monotonic() - started < SOON_S


def test_a_missing_plugin(tmp_path: Path) -> None:
    missing = user(
        exec={
            "command": "no-such-plugin",
            "apiVersion": "client.authentication.k8s.io/v1",
            "interactiveMode": "IfAvailable",
            "installHint": "install it",
        }
    )
    with pytest.raises(RemoteError) as caught:
        send(environment(tmp_path, json.dumps(missing)))
    assert caught.value.what == "users[0].user.exec runs no-such-plugin, which can't be run: No such file or directory"
    assert caught.value.hint == "install it"


def test_a_plugin_with_an_unknown_api_version(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"should be for client\.authentication\.k8s\.io/v1"):
        send(environment(tmp_path, json.dumps(plugin(tmp_path, "true", apiVersion="v1"))))


def test_without_trust_no_plugin_is_run(tmp_path: Path) -> None:
    process_environment = environment(
        tmp_path, json.dumps(plugin(tmp_path, f"touch {tmp_path}/ran; echo '{credential(token='x')}'"))
    )
    with pytest.raises(RemoteError, match="runs a program, which --untrusted does not allow"):
        send(process_environment._replace(is_untrusted=True))
    assert not (tmp_path / "ran").exists()


class Picky(KubeApi):
    """Takes one token at a time, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = ""
        self.sent: list[str] = []

    def answer(self, request: Any) -> Response:
        self.sent.append(request.headers.get("authorization", ""))
        return super().answer(request) if self.sent[-1] in (f"Bearer {self.takes}", self.takes) else Response(401)


def _at(api: KubeApi, whole: dict[str, Any]) -> dict[str, Any]:
    return {**whole, "clusters": [{"name": "prod", "cluster": {"server": f"http://{api.host}"}}]}


def test_a_plugin_runs_once_and_again_when_its_token_is_refused_or_expired(tmp_path: Path) -> None:
    """It gets what it should know in KUBERNETES_EXEC_INFO, and its own variables and arguments."""
    script = (
        f'n=$(cat {tmp_path}/count 2>/dev/null || echo 0); n=$((n+1)); echo $n > {tmp_path}/count; echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info\n'
        'echo "{\\"apiVersion\\": \\"client.authentication.k8s.io/v1\\", \\"status\\": {\\"token\\": \\"$PREFIX-$1-$n\\"}}"'
    )
    with Picky() as api:
        whole = _at(api, plugin(tmp_path, script, args=["get"], env=[{"name": "PREFIX", "value": "my"}]))
        process_environment = environment(tmp_path, json.dumps(whole))
        server = ApiServer(read_context(process_environment, None), process_environment)
        deadline = Deadline(Clock()).within(60)
        api.takes = "my-get-1"
        assert [server.send("GET", "/version", deadline).status for _ in range(2)] == [200, 200]
        api.takes = "my-get-2"
        assert server.send("GET", "/version", deadline).status == 200, "a token that is refused is asked for anew, once"
        api.takes = "none"
        assert server.send("GET", "/version", deadline).status == 401
        server.close()
    assert json.loads((tmp_path / "info").read_text())["kind"] == "ExecCredential"
    assert process_environment.redactor.text("token my-get-1 and my-get-2") == "token [redacted] and [redacted]"


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"token": "t-1234"}, "Bearer t-1234"),
        ({"tokenFile": "token"}, "Bearer from-a-file"),
        ({"token": "t-1234", "tokenFile": "token"}, "Bearer from-a-file"),
        ({"token": "t-1234", "tokenFile": "missing"}, "Bearer t-1234"),
        ({"username": "me", "password": "pass-word"}, "Basic bWU6cGFzcy13b3Jk"),
        ({}, ""),
    ],
)
def test_the_authorization_header_of_each_login(tmp_path: Path, fields: dict[str, str], sent: str) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    with Picky() as api:
        api.takes = sent
        process_environment = environment(tmp_path, json.dumps(_at(api, user(**fields))))
        assert send(process_environment) == 200
        assert api.sent == [sent]
    for secret in ("t-1234", "from-a-file", "pass-word"):
        if secret in sent or secret in fields.values():
            assert process_environment.redactor.text(f"<{secret}>") == "<[redacted]>"


def test_a_rotated_token_file_is_read_again_when_its_old_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first-token\n")
    with Picky() as api:
        process_environment = environment(tmp_path, json.dumps(_at(api, user(tokenFile="token"))))
        server = ApiServer(read_context(process_environment, None), process_environment)
        deadline = Deadline(Clock()).within(60)
        api.takes = "first-token"
        assert server.send("GET", "/version", deadline).status == 200
        (tmp_path / "token").write_text("second-token\n")
        api.takes = "second-token"
        assert server.send("GET", "/version", deadline).status == 200
        api.takes = "none"
        api.sent.clear()
        assert server.send("GET", "/version", deadline).status == 401
        assert api.sent == ["Bearer second-token"], "the same token is not sent twice"
        server.close()


def test_a_plugin_is_told_of_the_cluster_when_it_wants_that(tmp_path: Path) -> None:
    script = f"echo \"$KUBERNETES_EXEC_INFO\" > {tmp_path}/info; echo '{credential(token='x-token')}'"
    with Picky() as api:
        api.takes = "x-token"
        whole = _at(api, plugin(tmp_path, script, provideClusterInfo=True))
        extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "prod"}}
        whole["clusters"][0]["cluster"]["extensions"] = [{"name": "other", "extension": 1}, extension]
        assert send(environment(tmp_path, json.dumps(whole))) == 200
        server = f"http://{api.host}"
    told = json.loads((tmp_path / "info").read_text())["spec"]
    assert told == {"interactive": False, "cluster": {"server": server, "config": {"audience": "prod"}}}


def test_a_plugin_is_not_asked_where_the_user_has_a_token(tmp_path: Path) -> None:
    with Picky() as api:
        api.takes = "t-1234"
        whole = _at(api, plugin(tmp_path, f"touch {tmp_path}/ran; exit 1"))
        whole["users"][0]["user"]["token"] = "t-1234"
        assert send(environment(tmp_path, json.dumps(whole))) == 200
    assert not (tmp_path / "ran").exists()


def test_a_plugin_that_needs_a_terminal_is_not_run(tmp_path: Path) -> None:
    whole = plugin(tmp_path, f"touch {tmp_path}/ran", interactiveMode="Always")
    with pytest.raises(RemoteError, match="has interactiveMode: Always, and shipit gives a plugin no terminal"):
        send(environment(tmp_path, json.dumps(whole)))
    assert not (tmp_path / "ran").exists()


def test_a_plugin_runs_in_the_working_directory_as_for_kubectl(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    whole = plugin(tmp_path, f"pwd > {tmp_path}/where; exit 1")
    process_environment = environment(tmp_path, json.dumps(whole))._replace(cwd=tmp_path / "work")
    with pytest.raises(RemoteError, match="which ended with 1"):
        send(process_environment)
    assert (tmp_path / "where").read_text().strip() == str(tmp_path / "work")


def test_impersonation_is_sent_with_each_group_and_extra_in_a_header_of_its_own(tmp_path: Path, serve: Start) -> None:
    fields = {
        "as": "j\u00f6rg",
        "as-uid": "17",
        "as-groups": ["one, two", "three"],
        "as-user-extra": {"example.com/why": ["a", "b"], "100%": ["c"]},
    }
    scripted = serve([OK])
    whole = {**cluster(server=scripted.url), "users": user(**fields)["users"]}
    assert send(environment(tmp_path, json.dumps(whole))) == 200
    sent = sorted(line.decode() for line in scripted.heads[0].splitlines() if line.startswith(b"Impersonate-"))
    assert sent == [
        "Impersonate-Extra-100%25: c",
        "Impersonate-Extra-example.com%2Fwhy: a",
        "Impersonate-Extra-example.com%2Fwhy: b",
        "Impersonate-Group: one, two",
        "Impersonate-Group: three",
        "Impersonate-Uid: 17",
        "Impersonate-User: j\u00f6rg",
    ]


@pytest.mark.parametrize("host", ["10.0.0.1", "fd00::1"])
def test_a_pod_uses_its_service_account_unless_there_is_a_kubeconfig(tmp_path: Path, host: str) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("of-the-pod")
    (account / "namespace").write_text("shop\n")
    (tmp_path / "empty").touch()
    variables = {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBECONFIG": str(tmp_path / "empty"),
    }
    found = find_context(runs.environment(tmp_path, **variables), None, account)
    shown = f"[{host}]" if ":" in host else host
    assert (found.name, found.server, found.namespace) == ("in-cluster", f"https://{shown}:443", "shop")
    assert (found.login.token_file, found.ca and found.ca.file) == (account / "token", account / "ca.crt")
    (tmp_path / "empty").write_text(json.dumps(config()))
    assert find_context(runs.environment(tmp_path, **variables), None, account).name == "prod"


def _tls(folder: Path, *, name: str = "127.0.0.1", client: bool = False) -> tuple[Authority, ssl.SSLContext]:
    authority = Authority(folder / "pki")
    authority.issue("server", "server", names=(name,))
    context = server_context(folder / "pki")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "pki/ca.crt")
    return authority, context


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_certificates_of_a_kubeconfig_are_used_and_leave_no_file(
    tmp_path: Path, serve: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = _tls(tmp_path, client=True)
    authority.issue("me", "me")
    scripted = serve([OK], [OK], context=context)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    pki = tmp_path / "pki"

    def data(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    whole = cluster(server=scripted.url, **{"certificate-authority-data": data("ca.crt")})
    whole["users"] = [
        {"name": "me", "user": {"client-certificate-data": data("me.crt"), "client-key-data": data("me.key")}}
    ]
    assert send(environment(tmp_path, json.dumps(whole))) == 200
    assert list((tmp_path / "tmp").iterdir()) == []
    by_file = cluster(server=scripted.url, **{"certificate-authority": "pki/ca.crt"})
    by_file["users"] = [{"name": "me", "user": {"client-certificate": "pki/me.crt", "client-key": "pki/me.key"}}]
    assert send(environment(tmp_path, json.dumps(by_file))) == 200


def test_a_certificate_of_an_unknown_authority(tmp_path: Path, serve: Start) -> None:
    _, context = _tls(tmp_path)
    scripted = serve([OK], [OK], [OK], context=context)
    with pytest.raises(RemoteError, match="can't be trusted") as caught:
        send(environment(tmp_path, json.dumps(cluster(server=scripted.url))))
    assert caught.value.hint == "check certificate-authority in the kubeconfig" and not caught.value.retryable
    insecure = cluster(server=scripted.url, **{"insecure-skip-tls-verify": True})
    assert send(environment(tmp_path, json.dumps(insecure))) == 200


def test_a_server_of_another_name(tmp_path: Path, serve: Start) -> None:
    _, context = _tls(tmp_path, name="kubernetes.example")
    scripted = serve([OK], [OK], context=context)
    trusted = {"certificate-authority": "pki/ca.crt"}
    with pytest.raises(RemoteError, match="can't be trusted"):
        send(environment(tmp_path, json.dumps(cluster(server=scripted.url, **trusted))))
    named = cluster(server=scripted.url, **trusted, **{"tls-server-name": "kubernetes.example"})
    assert send(environment(tmp_path, json.dumps(named))) == 200


Slow = Callable[[Any], None]


def _drip(client: Any) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(300):
        client.sendall(b" ")
        time.sleep(0.2)


def _drip_head(client: Any) -> None:
    for _ in range(300):
        client.sendall(b"H")
        time.sleep(0.2)


def _endless(client: Any) -> None:
    client.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"items": [')
    while True:
        client.sendall(b'{"a": "' + b"x" * 65536 + b'"},')


def _endless_error(client: Any) -> None:
    client.sendall(b'HTTP/1.1 500 Oops\r\n\r\n{"message": "')
    while True:
        client.sendall(b"x" * 65536)


@pytest.mark.parametrize("slow", [_drip, _drip_head, deaf])
def test_a_server_that_is_slow_or_says_nothing_ends_at_the_deadline(tmp_path: Path, serve: Start, slow: Slow) -> None:
    scripted = serve([slow])
    started = time.monotonic()
    with pytest.raises(DeadlinePassed, match=r"the deadline passed while waiting for .*GET 127\.0\.0\.1"):
        send(environment(tmp_path, json.dumps(cluster(server=scripted.url))), Deadline(Clock()).within(1))
    assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize("endless", [_endless, _endless_error])
def test_an_answer_without_end_is_not_read_on(tmp_path: Path, serve: Start, endless: Slow) -> None:
    scripted = serve([endless])
    with pytest.raises(RemoteError, match="the answer is longer than 8 MiB"):
        send(environment(tmp_path, json.dumps(cluster(server=scripted.url))))


def _endless_log(client: Any) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        client.sendall(b"x" * 65536)


def test_a_log_without_end_or_line_ends_is_cut(tmp_path: Path, serve: Start) -> None:
    """Also that of a container that crashed: what is kept of it is bounded."""
    scripted = serve([_endless_log], [_endless_log])
    process_environment = environment(tmp_path, json.dumps(cluster(server=scripted.url)))
    server = ApiServer(read_context(process_environment, None), process_environment)
    client = KubernetesClient(server, Deadline(Clock()).within(60), lambda event: None)
    [line] = last_lines(client, "prod", "web", "web", previous=True, lines=20)
    assert len(line) == LOG_BYTES
    assert log_since(client, "prod", "web", "web", Tail()) == []
    server.close()
